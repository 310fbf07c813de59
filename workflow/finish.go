package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// retryStore is how long to pause before the same result is offered to the
// database again; it grows to maxRetryStore.
const (
	retryStore    = 50 * time.Millisecond
	maxRetryStore = 2 * time.Second
)

// finish stores what an attempt came to and returns the successor that the
// worker goes on with, if any. While the database is away the result waits here:
// the statements are fenced, so repeating them is harmless.
func (e *engine) finish(c *claim, o outcome) (next *claim) {
	ctx := auth.NewContext(e.ctx, c.principal())
	if o.cause != nil {
		if errors.Is(o.cause, errNotPrepared) {
			e.handBack(ctx, &c.node)
		}
		return nil // the run has ended, or the process hands the node back when it stops
	}
	c.successor = id.New()
	e.inFlight.hold(c.successor)
	defer func() {
		if next == nil {
			e.inFlight.release(c.successor)
		}
	}()
	steps, err := e.setAside(ctx, c, e.computeOn(ctx, c, o))
	if err != nil {
		return nil
	}
	refused := false
	var earlier *transition // it went as far as its commit, and then the answer was lost
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		t := &transition{claim: c, fence: fenceToken, steps: steps}
		err := e.submit(ctx, t, maxRunTimeout)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil // the transaction may still be under way, and t is its own
		case err == nil && t.stored && earlier != nil:
			return e.publish(ctx, earlier)
		case err == nil:
			return e.publish(ctx, t)
		case store.IsSpoiled(err) && !refused: // and it would be for ever
			refused, steps = true, []step{{c.node.Key, e.failed(c, resultRefused(err))}}
		case t.complete:
			earlier = t
		}
		e.s.cfg.Logger.Warn("workflow engine: store a result", "run", c.run.ID, "node", c.node.Key, "error", err)
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

func resultRefused(err error) error {
	return problem.New(problem.Invalid, "node_result_refused", "the database does not take the node's result").Because(err)
}

// The bounds of computing on before a result is stored.
const (
	maxComputedSteps = 32
	maxComputedTime  = 50 * time.Millisecond
)

// computeOn goes on with pure successors while nothing else can follow from a
// node: what only computes need not wait for the commit of what it computes from,
// and is stored together with it. Should that commit fail, nothing has happened.
func (e *engine) computeOn(ctx context.Context, c *claim, o outcome) []step {
	steps := []step{{c.node.Key, o}}
	since := time.Now()
	for o.status == NodeSucceeded && o.end == nil && len(steps) < maxComputedSteps && time.Since(since) < maxComputedTime {
		key := c.plan.onlyPure(steps[len(steps)-1].key, o.port)
		if key == "" {
			break
		}
		c.known[steps[len(steps)-1].key] = o.output
		on := *c
		on.computed, on.release = true, nil
		on.node = nodeRow{TenantID: c.run.TenantID, RunID: c.run.ID, Key: key, Attempt: 1}
		var ok bool
		if o, ok = e.compute(ctx, &on); !ok {
			break // it gets an attempt of its own
		}
		steps = append(steps, step{key, o})
	}
	return steps
}

// compute makes an attempt at a pure node, and reports whether it ended well.
func (e *engine) compute(ctx context.Context, c *claim) (came outcome, ok bool) {
	ctx, ended := e.s.telemetry.attempt(ctx, c)
	defer func() {
		if !ok {
			came.cause = errNotPrepared // it is not the attempt that counts
		}
		ended(came)
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.def().policy.Timeout))
	defer cancel()
	defer c.forget()
	call, err := e.call(ctx, c)
	if err != nil {
		return outcome{}, false
	}
	defer call.log.end()
	result, err := e.runNode(ctx, c, call)
	if err != nil {
		return outcome{}, false
	}
	o := success(result)
	return o, o.status == NodeSucceeded
}

// outputOf is what a node has come to by the steps, for who watches.
func (t *transition) outputOf(n *nodeRow) json.RawMessage {
	if n.Status != NodeSucceeded {
		return nil
	}
	for _, st := range t.steps {
		if st.key == n.Key {
			return st.outcome.output
		}
	}
	return nil
}

// publish tells everybody, after the commit, and returns the claim of the
// successor that was taken.
func (e *engine) publish(ctx context.Context, t *transition) *claim {
	if t.lost {
		return nil
	}
	c := t.claim
	c.run = t.after
	for _, st := range t.steps {
		if st.outcome.output != nil {
			c.known[st.key] = st.outcome.output
		}
	}
	var next *claim
	ready := 0
	for _, change := range t.changed {
		n := change.node
		switch {
		case n.Status == NodePending:
			continue
		case n.Status == NodeReady && n.ID != c.node.ID:
			ready++
		case n.Status == NodeRunning && n.Token != nil && *n.Token == c.successor:
			next = c.next(*n)
		}
		e.s.events.node(ctx, n, change.port, change.failure, t.outputOf(n))
	}
	if c.run.Status != t.before.Status {
		e.s.events.run(ctx, &c.run, t.failure)
	}
	if t.leavesChildren() {
		e.tender.add(parent{tenantID: c.run.TenantID, runID: c.run.ID})
	}
	if c.run.Status.Final() {
		e.ended(ctx, &c.run)
	}
	switch o := t.steps[0].outcome; {
	case t.waits != nil:
		e.waiting(ctx, t.waits)
	case o.parent:
		e.tender.add(parentOf(&c.node))
	case o.status == NodeReady || o.status == NodeWaiting:
		e.remind(o.status, o.delay)
	}
	e.dispatch(Hint{c.run.TenantID, ready})
	return next
}

// bytes is how long the texts of a failure are.
func (f *Failure) bytes() int {
	if f == nil {
		return 0
	}
	n := len(f.Message) + len(f.Remedy)
	for _, fault := range f.Faults {
		n += len(fault.Path) + len(fault.Message)
	}
	return n
}

// column writes a failure for a column that is NULL without one.
func (f *Failure) column() *string {
	if f == nil {
		return nil
	}
	s := encode(f)
	return &s
}
