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
	slots    slots

	lifecycle sync.Mutex
	started   bool
	ctx       context.Context // of everything below; ends at stop
	cancel    context.CancelFunc
	stopQueue context.CancelFunc
	loops     sync.WaitGroup // background loops
	reminders atomic.Int32   // of these, the ones that remind
	crew      crew           // nodes

	lapses    atomic.Int64 // how often the lease ran out while the process lived
	queueDown atomic.Bool

	claims      gather[*claimRequest]
	settlements gather[*transition]
	starts      gather[*beginning]
	hints       gather[Hint]

	scheduleTries scheduleTries

	rota      rota
	agenda    *agenda
	payloads  payloads
	inputs    inputs
	inFlight  inFlight
	waiters   waiters
	aftermath aftermath
	tender    tender
}

func newEngine(s *Service) *engine {
	e := &engine{s: s, aftermath: newAftermath(), rota: newRota(), tender: newTender()}
	e.agenda = e.newAgenda()
	e.payloads = newPayloads()
	e.claims = gather[*claimRequest]{do: e.claimAll, max: claimBatch, lanes: s.lanes()}
	e.settlements = gather[*transition]{do: e.settleAll, max: settleBatch, lanes: s.lanes()}
	e.starts = gather[*beginning]{do: e.s.startAll, max: startBatch, lanes: s.lanes()}
	e.hints = gather[Hint]{do: e.tell, max: tellBatch, lanes: 1}
	e.slots = newSlots(s.cfg.Slots)
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
	if err := e.enlist(ctx, s.cfg.DB.DB); err != nil {
		return err
	}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	queueCtx, stopQueue := context.WithCancel(e.ctx)
	e.stopQueue = stopQueue
	e.started = true
	e.inFlight.restart()
	e.loop(e.ctx, "heartbeat", e.heartbeat)
	e.loop(e.ctx, "agenda", e.keepAgenda)
	for _, d := range e.agenda.all {
		e.loop(e.ctx, d.name, e.fulfil(d))
	}
	e.loop(e.ctx, "compare", e.compare)
	e.loop(e.ctx, "aftermath", e.payDebts)
	e.loop(e.ctx, "retention", e.retain)
	e.loop(e.ctx, "triggers", e.serveTriggers)
	for range tenders {
		e.loop(e.ctx, "children", e.tend)
	}
	if s.cfg.Slots > 0 {
		e.crew.muster()
		e.loop(queueCtx, "turns", e.takeTurns)
		e.loop(queueCtx, "queue", e.serveQueue)
	}
	return nil
}

const (
	// stopGrace is for attempts that have been told to end, and for storing what
	// they came to.
	stopGrace = stubborn + time.Second

	flushTimeout = 5 * time.Second
)

// StopEngine takes no new nodes, waits for those that run until ctx ends, and
// hands back what is still running then: another process takes it up at once,
// and no attempt is counted. Nodes that ignore their
// context are left behind, and nothing else.
func (s *Service) StopEngine(ctx context.Context) error {
	e := s.engine
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if !e.started {
		return nil
	}
	e.stopQueue() // other processes have room for what this one would only turn away
	idle := e.crew.dismiss()
	if !closes(ctx, idle) {
		e.inFlight.stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		closes(ctx, idle)
		cancel()
	}
	e.cancel() // a worker that still waits, for the database, gives up
	<-idle
	e.loops.Wait()
	ctx = context.WithoutCancel(ctx)
	e.quiesce(ctx) // or nodes are claimed for a process that has left
	e.started = false
	err := e.leave(ctx)
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	s.logs.flush(ctx)
	s.events.flush(ctx)
	return err
}

// quiesce waits for the transactions whose results nobody waits for any more.
func (e *engine) quiesce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	e.claims.quiesce(ctx)
	e.settlements.quiesce(ctx)
	e.hints.quiesce(ctx)
}

// closes reports whether the channel was closed before the context ended.
func closes(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

const panicPause = time.Second

// loop keeps fn running until the context ends. A panic ends neither the loop
// nor the host's process.
func (e *engine) loop(ctx context.Context, name string, fn func(context.Context)) {
	e.loops.Go(func() {
		for ctx.Err() == nil {
			if e.guard(name, func() { fn(ctx) }) {
				return
			}
			sleep(ctx, panicPause)
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

// contain is guard for what returns an error, for loops in which one item must
// not hold up the others.
func (e *engine) contain(name string, fn func() error) (err error) {
	if !e.guard(name, func() { err = fn() }) {
		err = errPanicked
	}
	return err
}

var errPanicked = errors.New("a panic, see the line before")

// crewed does the work of a member of the crew in its slot.
func (e *engine) crewed(slot *slot, nodeID string, work func()) {
	defer e.crew.leave()
	defer slot.leave()
	e.guard("node "+nodeID, work)
}

// workOn runs a claimed node, and then whatever of its run it may go on with.
func (e *engine) workOn(slot *slot, c *claim) {
	for c != nil {
		c = e.step(slot, c)
	}
}

// step runs a claimed node and returns what the worker goes on with.
func (e *engine) step(slot *slot, c *claim) *claim {
	defer e.inFlight.release(*c.node.Token)
	defer c.forget()
	return e.finish(c, e.execute(slot, c))
}
