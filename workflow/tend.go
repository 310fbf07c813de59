package workflow

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
)

const (
	// tendEvery is how often a node that waits for runs is tended even though no
	// process has said that one of them has ended.
	tendEvery = 10 * time.Second

	// tenders is how many nodes a process tends at a time.
	tenders = 4

	// maxTended is how many may wait to be. Of those beyond, the safety net takes care.
	maxTended = 10_000
)

// parent is a node that waits for runs or, without a node, a run that may have
// left open runs behind.
type parent struct{ tenantID, runID, nodeID string }

func parentOf(n *nodeRow) parent { return parent{n.TenantID, n.RunID, n.ID} }

// tender collects the parents that have to be looked at. However many runs of one
// end meanwhile, it is looked at once.
type tender struct {
	mu    sync.Mutex
	queue []parent
	busy  map[parent]bool // in the queue, or being looked at; true = and again
	wake  chan struct{}
}

func newTender() tender {
	return tender{busy: make(map[parent]bool), wake: make(chan struct{}, 1)}
}

func (t *tender) add(p parent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.busy[p]; ok {
		t.busy[p] = true
		return
	}
	if len(t.queue) >= maxTended {
		return
	}
	t.busy[p] = false
	t.queue = append(t.queue, p)
	t.signal()
}

func (t *tender) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *tender) take() (parent, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return parent{}, false
	}
	p := t.queue[0]
	t.queue = t.queue[1:]
	t.busy[p] = false
	if len(t.queue) > 0 {
		t.signal()
	}
	return p, true
}

// done ends the look at a parent. It is looked at again if there was news
// meanwhile.
func (t *tender) done(p parent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[p] {
		t.queue = append(t.queue, p)
		t.signal()
		return
	}
	delete(t.busy, p)
}

// tend is the loop.
func (e *engine) tend(ctx context.Context) {
	for {
		p, ok := e.tender.take()
		if !ok {
			select {
			case <-e.tender.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := e.contain("children", func() error { return e.tendOne(ctx, p) }); err != nil && ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: tend a node", "run", p.runID, "node", p.nodeID, "error", err)
		}
		e.tender.done(p)
		if ctx.Err() != nil {
			return
		}
	}
}

func (e *engine) tendOne(ctx context.Context, p parent) error {
	ctx = auth.NewContext(ctx, auth.ServicePrincipal(p.tenantID, "run"))
	if p.nodeID == "" {
		return e.cancelUnwanted(ctx, p.runID)
	}
	c, err := e.waitingClaim(ctx, p)
	if c == nil || err != nil {
		return err
	}
	o, ok, err := e.childrenOutcome(ctx, c)
	if err != nil || !ok {
		return err
	}
	steps, err := e.setAside(ctx, c, []step{{c.node.Key, o}})
	if err != nil {
		return err
	}
	t := &transition{claim: c, fence: fenceParent, steps: steps}
	if err := e.submit(ctx, t, loopPatience); err != nil {
		return err
	}
	e.publish(ctx, t)
	return nil
}

// waitingClaim reads a node that waits for runs, with its own run; nil = it waits
// no more.
func (e *engine) waitingClaim(ctx context.Context, p parent) (*claim, error) {
	c := &claim{known: make(map[string]json.RawMessage)}
	db := e.s.cfg.DB
	err := db.NewSelect().Model(&c.node).Where("tenant_id = ?", p.tenantID).Where("id = ?", p.nodeID).Scan(ctx)
	if store.IsMissing(err) || err == nil && (c.node.Status != NodeWaiting || c.node.Token == nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.run, err = readRun(ctx, db.DB, p.tenantID, p.runID, nil); err != nil || c.run.Status.Final() {
		return nil, err
	}
	c.plan, err = e.s.planOf(ctx, db.DB, c.run.TenantID, c.run.WorkflowID, c.run.WorkflowVersion)
	return c, err
}

// childrenOutcome is what a node that waits for runs comes to; ok = false: it goes
// on waiting.
func (e *engine) childrenOutcome(ctx context.Context, c *claim) (o outcome, ok bool, err error) {
	end := e.subOutcome
	switch loops, err := hasLoop(ctx, e.s.cfg.DB.DB, c); {
	case err != nil:
		return outcome{}, false, err
	case loops:
		end = e.turn
	}
	if o, ok, err = end(ctx, c); ok {
		return o, ok, err
	}
	if c.left(e.s.cfg.Clock.Now()) <= 0 {
		return e.failed(c, c.def().policy.overrun()), true, nil
	}
	return outcome{}, false, err
}

// leavesChildren reports whether a transition may leave runs behind that nobody
// waits for any more.
func (t *transition) leavesChildren() bool {
	if t.fence == fenceParent && t.steps[0].outcome.status != NodeSucceeded {
		return true
	}
	if !t.after.Status.Final() || t.before.Status.Final() {
		return false
	}
	for _, change := range t.changed {
		if mayHaveChildren(*change.node) {
			return true
		}
	}
	return false
}

// mayHaveChildren reports whether a node was cancelled that was tried before.
func mayHaveChildren(n nodeRow) bool { return n.Status == NodeCancelled && n.Attempt > 0 }
