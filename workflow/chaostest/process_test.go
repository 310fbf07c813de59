//go:build unix

package chaostest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

// by chooses the lines of a worker.
func by(w *worker) func(entry) bool { return func(e entry) bool { return e.Worker == w.name } }

// holding is a chain of a node that holds and one after it.
func holding(deaf bool) workflow.Graph {
	g := newGraph("a>b")
	for i := range g.Nodes {
		if g.Nodes[i].Key == "a" {
			g.Nodes[i].Config["hold"], g.Nodes[i].Config["deaf"] = true, deaf
		}
	}
	return g
}

func (f *fleet) byName(name string) *worker {
	for _, w := range f.running() {
		if w.name == name {
			return w
		}
	}
	f.t.Fatalf("there is no %s", name)
	return nil
}

// A worker is killed inside a node: another runs the node again, with the same
// idempotency key, and no attempt is counted. With the lease that processes have
// by default this takes 20 s at most.
func TestAWorkerIsKilledInsideANode(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2, func(o *order) { o.Lease = 0 })
	s.begin(s.publish(holding(false)))
	victim := s.fleet.byName(s.begun(1)[0].Worker)
	killed := time.Now()
	s.fleet.kill(victim)
	s.release("")
	all := s.begun(2)
	second := beginnings(all, func(e entry) bool { return e.Worker != victim.name })[0]
	if took := second.At.Sub(killed); took > time.Minute {
		t.Errorf("the node was taken up after %s", took)
	} else {
		t.Logf("the node was taken up after %s; the bound is 20s on an idle machine", took.Round(time.Millisecond))
	}
	s.ended(0)
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 1 {
		t.Error(v)
	}
}

// A worker is killed right before or right after the commit of a result, so that
// nobody hears of the nodes that became ready, or of the one that it took itself
// in the same transaction. What was committed is not run again.
func TestAWorkerIsKilledBetweenCommitAndEnqueue(t *testing.T) {
	t.Parallel()
	for how, repeated := range map[string]int{dieBeforeCommit: 1, dieAfterCommit: 0} {
		for shape, g := range map[string]workflow.Graph{
			"many ready": newGraph("a>b", "a>c", "a>d", "b>e", "c>e", "d>e"),
			"one taken":  newGraph("a>b", "b>c"),
		} {
			t.Run(fmt.Sprint(how, ", ", shape), func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				s.workers(1)
				victim := s.fleet.first()
				s.fleet.tell(victim, how)
				s.begin(s.publish(g))
				s.fleet.mourn(victim)
				died := time.Now()
				s.fleet.add()
				s.begun(3)
				s.ended(0)
				s.fleet.stopAll()
				v := s.judge()
				if v.repeated != repeated {
					t.Errorf("%s, want %d", v, repeated)
				}
				all := beginnings(readLedger(t, s.dir), func(e entry) bool { return e.Worker != victim.name })
				took := earliest(all).Sub(died)
				if took > time.Minute {
					t.Errorf("the run went on after %s", took)
				}
				t.Logf("the run went on after %s; the bound is 10s on an idle machine", took.Round(time.Millisecond))
			})
		}
	}
}

func earliest(all []entry) time.Time {
	at := all[0].At
	for _, e := range all {
		if e.At.Before(at) {
			at = e.At
		}
	}
	return at
}

// A worker is paused inside a node, for so long that another has the node and the
// run is over. It comes back with a result: that changes 0 rows.
func TestAPausedWorkerComesBackWithAResult(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2)
	s.begin(s.publish(holding(true)))
	paused := s.fleet.byName(s.begun(1)[0].Worker)
	from := time.Now()
	s.fleet.signal(paused, syscall.SIGSTOP)
	other := s.fleet.byName(beginnings(s.begun(2), func(e entry) bool { return e.Worker != paused.name })[0].Worker)
	s.release(other.name)
	s.ended(0)
	before := s.picture()
	s.release(paused.name)
	s.fleet.signal(paused, syscall.SIGCONT)
	s.fleet.note(paused, from, time.Now())
	s.until("the late result", func() bool {
		for _, e := range readLedger(t, s.dir) {
			if e.Done && e.Worker == paused.name {
				return true
			}
		}
		return false
	})
	s.fleet.stopAll() // which stores every result that there is
	if after := s.picture(); after != before {
		t.Errorf("the late result changed something:\n%s\n%s", before, after)
	}
	if v := s.judge(); v.repeated != 1 {
		t.Error(v)
	}
}

// picture is everything that the database says of all runs.
func (s *scene) picture() (text string) {
	s.t.Helper()
	err := s.db.NewRaw(`SELECT concat((SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM ?schema.jet_run r), (SELECT jsonb_agg(to_jsonb(d) ORDER BY run_id) FROM ?schema.jet_run_data d),
		(SELECT jsonb_agg(to_jsonb(n) ORDER BY id) FROM ?schema.jet_run_node n), (SELECT jsonb_agg(to_jsonb(o) ORDER BY id) FROM ?schema.jet_run_output o))
		/* across tenants: the verdict */`).Scan(s.t.Context(), &text)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// A worker is asked to stop: it takes nothing new although it has room, and waits
// for its nodes.
func TestAWorkerThatStopsWaitsAndTakesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(1, steady)
	w := s.publish(holding(false))
	for range slots {
		s.begin(w)
	}
	s.begun(slots)
	leaving := s.fleet.first()
	for range 3 * slots { // there is more to do
		s.begin(w)
	}
	s.fleet.signal(leaving, syscall.SIGTERM)
	await(t, leaving.leaves, "the worker to stop")
	s.release("") // all of its slots become free
	await(t, leaving.exited, "the worker to exit")
	s.fleet.remove(leaving)
	if leaving.err != nil {
		t.Errorf("%v\n%s", leaving.err, tail(leaving.errors.String()))
	}
	if n := len(beginnings(readLedger(t, s.dir), by(leaving))); n != slots {
		t.Errorf("it began %d nodes, want the %d from before it was asked to stop", n, slots)
	}
	s.fleet.add()
	s.ended(0)
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 0 || v.losses != 0 {
		t.Error(v)
	}
}

// A worker is asked to stop and cannot wait for its nodes: it hands them back
// before it exits, others take them up at once, and no attempt is counted.
func TestAWorkerThatStopsHandsBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2, func(o *order) { o.Lease, o.Patience = time.Hour, time.Millisecond }) // no lease ever runs out
	w := s.publish(holding(false))
	for range slots {
		s.begin(w)
	}
	began := s.begun(slots)
	leaving := s.fleet.byName(began[0].Worker)
	held := len(beginnings(began, by(leaving)))
	s.fleet.stop(leaving)
	if n := s.must("SELECT count(*) FROM ?schema.jet_worker WHERE name = ?", leaving.name); n != 0 {
		t.Error("its lease is still there")
	}
	s.begun(slots + held)
	s.release("")
	s.ended(0)
	s.fleet.stopAll()
	for _, e := range readLedger(t, s.dir) {
		if e.Attempt != 1 {
			t.Errorf("attempt %d was counted", e.Attempt)
		}
	}
	if n := s.must("SELECT count(*) FROM ?schema.jet_run_node /* across tenants: the verdict */ WHERE losses > 0 OR attempt > 1"); n != 0 {
		t.Errorf("%d nodes have a loss or another attempt", n)
	}
}

// All workers are replaced, one after the other and twice, while runs go on: no
// run fails and no node runs twice.
func TestARollingRestart(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(3, steady)
	var workflows []string
	for _, g := range graphs() {
		workflows = append(workflows, s.publish(g))
	}
	replaced := make(chan struct{})
	go func() {
		defer close(replaced)
		for range 2 {
			for _, old := range s.fleet.running() {
				await(t, s.fleet.add().ready, "the new worker")
				s.fleet.stop(old)
			}
		}
	}()
	for going := true; going; {
		select {
		case <-replaced:
			going = false
		default:
			going = s.ended(openRuns / 2)
			s.begin(workflows[s.count%len(workflows)])
		}
	}
	<-replaced
	s.ended(0)
	s.fleet.stopAll()
	v := s.judge()
	t.Logf("%d runs: %s", s.count, v)
	if v.repeated != 0 || v.losses != 0 {
		t.Error("a node was repeated, or a process lost")
	}
}
