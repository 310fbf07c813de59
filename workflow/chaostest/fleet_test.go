//go:build unix

package chaostest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fleet is the worker processes of a test, and what was done to them.
type fleet struct {
	t     testing.TB
	order order // but for the name

	mu      sync.Mutex
	started int
	workers []*worker // those that run
	ever    []*worker
	harms   []harm
	outages []outage
}

// harm is a time in which a worker could not do its work.
type harm struct {
	worker   string
	from, to time.Time
}

type worker struct {
	name   string
	cmd    *exec.Cmd
	leash  io.WriteCloser
	ready  chan struct{}
	leaves chan struct{} // closed when it stops
	exited chan struct{} // after which err and complaints may be read
	err    error
	errors bytes.Buffer
	taken  bool // a fault is being made to it; of the fleet's mutex
}

// startFleet starts n workers, which end with the test at the latest.
func startFleet(t testing.TB, o order, n int) *fleet {
	t.Helper()
	if o.Patience == 0 {
		o.Patience = 30 * time.Second // nodes are short, so none of them is cut off
	}
	f := &fleet{t: t, order: o}
	t.Cleanup(func() {
		for _, w := range f.running() {
			_ = w.cmd.Process.Kill()
			<-w.exited
		}
	})
	for range n {
		f.add()
	}
	for _, w := range f.running() {
		await(t, w.ready, "a worker to start")
	}
	return f
}

// first is the worker that has been there for the longest.
func (f *fleet) first() *worker { return f.running()[0] }

// take picks a worker that has begun and to which nothing is being done; nil =
// there is none. It is given back by leave, or never.
func (f *fleet) take(pick func(n int) int) *worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	var free []*worker
	for _, w := range f.workers {
		select {
		case <-w.ready:
			if !w.taken {
				free = append(free, w)
			}
		default:
		}
	}
	if len(free) == 0 {
		return nil
	}
	w := free[pick(len(free))]
	w.taken = true
	return w
}

func (f *fleet) leave(w *worker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.taken = false
}

func (f *fleet) running() []*worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*worker(nil), f.workers...)
}

// add starts a worker.
func (f *fleet) add() *worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
	w := &worker{name: fmt.Sprintf("worker-%d", f.started), ready: make(chan struct{}), leaves: make(chan struct{}), exited: make(chan struct{})}
	if err := f.start(w); err != nil {
		close(w.exited)
		f.t.Errorf("start a worker: %v", err)
		return w
	}
	f.workers, f.ever = append(f.workers, w), append(f.ever, w)
	return w
}

// said are the lines in the logs of workers that have exited which tell of something.
func (f *fleet) said(what string) (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.ever {
		select {
		case <-w.exited:
		default:
			continue
		}
		for line := range strings.Lines(w.errors.String()) {
			if strings.Contains(line, what) {
				lines = append(lines, w.name+": "+strings.TrimSpace(line))
			}
		}
	}
	return lines
}

func (f *fleet) start(w *worker) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	o := f.order
	o.Name = w.name
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	w.cmd = exec.Command(program)
	w.cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	w.cmd.SysProcAttr = onLeash()
	w.cmd.Stderr = &w.errors
	if w.leash, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	said, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := w.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(w.exited)
		f.listen(w, said)
		w.err = w.cmd.Wait()
	}()
	return nil
}

func (f *fleet) listen(w *worker, said io.Reader) {
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		var from, to int64
		if lines.Text() == saidReady {
			close(w.ready)
		} else if lines.Text() == saidStopping {
			close(w.leaves)
		} else if n, _ := fmt.Sscanf(lines.Text(), saidStall+" %d %d", &from, &to); n == 2 {
			f.note(w, time.UnixMilli(from), time.UnixMilli(to))
		}
	}
}

// outage is a time in which results could not be stored: those of one worker, or ""
// those of all.
type outage struct {
	worker   string
	from, to time.Time
}

func (f *fleet) noteOutage(worker string, from time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outages = append(f.outages, outage{worker, from, time.Now()})
}

func (f *fleet) note(w *worker, from, to time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.harms = append(f.harms, harm{w.name, from, to})
}

// remove takes a worker out of the fleet that is about to end.
func (f *fleet) remove(w *worker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.workers {
		if f.workers[i] == w {
			f.workers = append(f.workers[:i:i], f.workers[i+1:]...)
			return
		}
	}
}

// kill ends a worker as the machine's OOM killer would.
func (f *fleet) kill(w *worker) {
	f.remove(w)
	if err := w.cmd.Process.Kill(); err != nil {
		f.t.Errorf("kill %s: %v", w.name, err)
	}
	now := time.Now()
	f.note(w, now, now)
	await(f.t, w.exited, w.name+" to be dead")
	f.check(w)
}

// tell writes an order to a worker.
func (f *fleet) tell(w *worker, text string) {
	if _, err := io.WriteString(w.leash, text+"\n"); err != nil {
		f.t.Errorf("tell %s: %v", w.name, err)
	}
}

// condemn orders a worker to die at its next result, and sees that it does.
func (f *fleet) condemn(w *worker, how string) {
	f.remove(w)
	f.tell(w, how)
	select {
	case <-w.exited:
	case <-time.After(10 * time.Second): // there may be nothing to do for it
		_ = w.cmd.Process.Kill()
	}
	f.mourn(w)
}

// mourn takes note of a worker that is dead, or about to be.
func (f *fleet) mourn(w *worker) {
	f.remove(w)
	await(f.t, w.exited, w.name+" to be dead")
	now := time.Now()
	f.note(w, now, now)
	f.check(w)
}

// pause takes the processor away from a worker for a while.
func (f *fleet) pause(w *worker, d time.Duration) {
	from := time.Now()
	f.signal(w, syscall.SIGSTOP)
	<-time.After(d)
	f.signal(w, syscall.SIGCONT)
	f.note(w, from, time.Now())
}

// stop asks a worker to end and expects that it does, with nothing left behind.
func (f *fleet) stop(w *worker) {
	f.remove(w)
	f.signal(w, syscall.SIGTERM)
	await(f.t, w.exited, w.name+" to stop")
	if w.err != nil {
		f.t.Errorf("%s was stopped: %v\n%s", w.name, w.err, tail(w.errors.String()))
	}
	f.check(w)
}

func (f *fleet) stopAll() {
	for _, w := range f.running() {
		f.stop(w)
	}
}

func (f *fleet) signal(w *worker, s syscall.Signal) {
	if err := w.cmd.Process.Signal(s); err != nil {
		f.t.Errorf("%v to %s: %v", s, w.name, err)
	}
}

// check looks for what a worker must never say, once it has ended.
func (f *fleet) check(w *worker) {
	for _, bad := range []string{"DATA RACE", "panic: ", "fatal error: ", "workflow engine: panic"} {
		if strings.Contains(w.errors.String(), bad) {
			f.t.Errorf("%s: %s\n%s", w.name, bad, tail(w.errors.String()))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// await waits for a signal that must come.
func await(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(stuck):
		t.Errorf("waited %s for %s", stuck, what)
	}
}
