package workflow

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
)

// Why the context of a node's attempt ended.
var (
	errAttemptTimeout = errors.New("the attempt's timeout was reached")
	errRunEnded       = errors.New("the run has ended")
	errStopping       = errors.New("the process is stopping")
)

// engine runs nodes in this process.
type engine struct {
	s        *Service
	workerID string
	slots    chan struct{} // a token for each node that may run; nil = none may

	lifecycle sync.Mutex
	started   bool
	ctx       context.Context // of everything below; ends at stop
	cancel    context.CancelFunc
	loops     sync.WaitGroup // background loops
	workers   sync.WaitGroup // nodes

	accepting atomic.Bool
	queueDown atomic.Bool
	wake      chan struct{} // makes the sweeper look at once

	inFlight inFlight
	waiters  waiters
}

func newEngine(s *Service) *engine {
	e := &engine{s: s, wake: make(chan struct{}, 1)}
	if s.cfg.Slots > 0 {
		e.slots = make(chan struct{}, s.cfg.Slots)
	}
	return e
}

// StartEngine begins to run nodes in this process, until [Service.StopEngine].
// It needs a migrated database. Starting twice is starting once.
func (s *Service) StartEngine(ctx context.Context) error {
	e := s.engine
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if e.started {
		return nil
	}
	e.workerID = id.New()
	if err := e.enlist(ctx); err != nil {
		return err
	}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.started = true
	e.accepting.Store(e.slots != nil)
	e.loop("heartbeat", e.heartbeat)
	e.loop("sweeper", e.sweep)
	if e.slots != nil {
		e.loop("queue", func(ctx context.Context) { e.serveQueue(ctx) })
		e.loop("watch", e.watchRuns)
	}
	return nil
}

// StopEngine takes no new nodes, waits for those that run until ctx ends, and
// hands back what is still running then: another process takes it up at once,
// and no attempt is counted. It leaves no goroutine behind except of nodes that
// ignore their context.
func (s *Service) StopEngine(ctx context.Context) error {
	e := s.engine
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if !e.started {
		return nil
	}
	e.accepting.Store(false)
	if !waitFor(ctx, &e.workers) {
		e.inFlight.cancelAll(errStopping)
	}
	waitFor(context.WithoutCancel(ctx), &e.workers)
	e.cancel()
	e.loops.Wait()
	e.started = false
	err := e.leave(context.WithoutCancel(ctx))
	s.events.flush()
	return err
}

// waitFor reports whether the group was done before the context.
func waitFor(ctx context.Context, g *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		g.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

const panicPause = time.Second

// loop keeps fn running until the engine stops. A panic ends neither the loop
// nor the host's process.
func (e *engine) loop(name string, fn func(context.Context)) {
	e.loops.Go(func() {
		for e.ctx.Err() == nil {
			if e.guard(name, func() { fn(e.ctx) }) {
				return
			}
			sleep(e.ctx, panicPause)
		}
	})
}

// guard reports whether fn came back without a panic.
func (e *engine) guard(name string, fn func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			e.s.cfg.Logger.Error("workflow engine: panic", "in", name, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	fn()
	return true
}

func (e *engine) serveQueue(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.s.cfg.Queue.Serve(ctx, e); err != nil {
			e.s.cfg.Logger.Warn("workflow queue", "error", err)
			e.Down(true)
			sleep(ctx, panicPause)
		}
	}
}

// Receive implements [Receiver].
func (e *engine) Receive(ctx context.Context, h Hint) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	claimed := make(chan struct{})
	if !e.spawn(h, claimed) {
		return
	}
	select {
	case <-claimed:
	case <-ctx.Done():
	}
}

// Lost implements [Receiver].
func (e *engine) Lost() {
	e.s.cfg.Logger.Warn("workflow queue: hints were lost, dispatching every ready node again")
	if err := e.forgetDispatches(e.ctx); err != nil {
		e.s.cfg.Logger.Error("workflow queue: dispatch again", "error", err)
	}
	e.nudge()
}

// Down implements [Receiver].
func (e *engine) Down(down bool) {
	if e.queueDown.Swap(down) != down {
		e.s.cfg.Logger.Warn("workflow queue", "down", down)
		e.nudge()
	}
}

func (e *engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

const dispatchTimeout = 2 * time.Second

// dispatch hands over nodes that have become ready: to this process while it
// has room, since that costs no trip, the rest to the queue. What it fails to
// hand over is found by a sweeper.
func (e *engine) dispatch(hints []Hint) {
	for len(hints) > 0 && e.offer(hints[0]) {
		hints = hints[1:]
	}
	if len(hints) == 0 || e.queueDown.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dispatchTimeout)
	defer cancel()
	if err := e.s.cfg.Queue.Dispatch(ctx, hints); err != nil {
		e.s.cfg.Logger.Warn("workflow queue: dispatch", "error", err, "hints", len(hints))
	}
}

// offer runs a node here when there is room.
func (e *engine) offer(h Hint) bool {
	if !e.accepting.Load() {
		return false
	}
	select {
	case e.slots <- struct{}{}:
		return e.spawn(h, nil)
	default:
		return false
	}
}

// spawn runs a node in a slot that is already taken. claimed is closed when the
// outcome of the claim is known.
func (e *engine) spawn(h Hint, claimed chan struct{}) bool {
	e.workers.Add(1)
	if !e.accepting.Load() { // checked after Add, so that stop either sees this worker or it does not run
		e.workers.Done()
		<-e.slots
		return false
	}
	go func() {
		slot := &slot{release: func() {
			<-e.slots
			e.workers.Done()
		}}
		defer slot.leave()
		e.guard("node "+h.NodeID, func() { e.work(slot, h, claimed) })
	}()
	return true
}

// slot is one node's place in the process. It is given back when the worker has
// left it and no node that ignores its context is still in it.
type slot struct {
	holders atomic.Int32
	release func()
}

func (s *slot) enter() { s.holders.Add(1) }

func (s *slot) leave() {
	if s.holders.Add(-1) < 0 { // the worker itself is not counted as a holder
		s.release()
	}
}

// work claims a node and runs it, and then whatever of its run it may go on with.
func (e *engine) work(slot *slot, h Hint, claimed chan struct{}) {
	c, err := e.claim(e.ctx, h)
	if claimed != nil {
		close(claimed)
	}
	if err != nil {
		e.s.cfg.Logger.Warn("workflow engine: claim a node", "node", h.NodeID, "error", err)
		return
	}
	for c != nil {
		c = e.finish(c, e.execute(slot, c))
	}
}
