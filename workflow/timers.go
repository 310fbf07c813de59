package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"github.com/jetadmin/jetadmin/auth"
)

const (
	// timerBatch is how many timers are served together: as many results as one
	// transaction takes.
	timerBatch = settleBatch

	// expiring is how many waits are closed at a time, each in a transaction of its
	// own.
	expiring = 8

	// postponement is for a timer that cannot be served, by this build or yet. The
	// others must not wait for it.
	postponement = 10 * time.Second
)

// dueTimer is a node that waits and whose time has come.
type dueTimer struct {
	nodeRow
	HasWait     bool // for people or an event
	HasLoop     bool // for the items of a loop
	HasChildren bool // for runs, which have ended or not
	Children    bool // some of them are open
}

// wakeDue ends the waiting of nodes whose time has come.
func (e *engine) wakeDue(ctx context.Context) error {
	for full := true; full; {
		due, err := e.dueTimers(ctx)
		if err != nil {
			return err
		}
		full = len(due) == timerBatch
		if err := e.wakeAll(ctx, due); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) dueTimers(ctx context.Context) (due []dueTimer, err error) {
	err = e.s.cfg.DB.NewRaw(`SELECT n.*,
			EXISTS (SELECT 1 FROM ?schema.jet_wait AS w WHERE w.node_id = n.id AND w.attempt = n.attempt) AS has_wait,
			EXISTS (SELECT 1 FROM ?schema.jet_run_loop AS l WHERE l.node_id = n.id AND l.attempt = n.attempt) AS has_loop,
			EXISTS (SELECT 1 FROM ?schema.jet_run AS c WHERE c.parent_node_id = n.id AND c.parent_attempt = n.attempt AND NOT c.detached) AS has_children,
			EXISTS (SELECT 1 FROM ?schema.jet_run AS c WHERE c.parent_run_id = n.run_id AND c.parent_node_id = n.id AND NOT c.detached
				AND c.finished_at IS NULL) AS children
		FROM ?schema.jet_run_node AS n /* across tenants: timers */
		WHERE n.status = 'waiting' AND n.wake_at <= (SELECT ?) ORDER BY n.wake_at LIMIT ?`,
		bun.Safe(e.s.cfg.DB.Dialect.Now()), timerBatch).Scan(ctx, &due)
	// Another process has the same list. Whoever comes second at a node changes nothing.
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	return due, err
}

// wakeAll serves timers: those of one kind together.
func (e *engine) wakeAll(ctx context.Context, due []dueTimer) error {
	claims, err := e.outsideClaims(ctx, due)
	if err != nil {
		return err
	}
	var asleep []*transition
	var later []string // nodes to look at again
	var waits errgroup.Group
	waits.SetLimit(expiring)
	for i, d := range due {
		c := claims[i]
		switch {
		case c == nil: // its graph is not known here
			later = append(later, d.ID)
		case d.HasWait:
			waits.Go(func() error { return e.contain("wait", func() error { return e.expireNode(ctx, &d.nodeRow) }) })
		case d.HasChildren || d.HasLoop:
			later = append(later, d.ID)
			if !d.Children || d.HasLoop || c.left(e.s.cfg.Clock.Now()) <= 0 {
				e.tender.add(parentOf(&d.nodeRow))
			}
		default:
			o := outcome{status: NodeSucceeded, port: PortSuccess, output: []byte("null")}
			asleep = append(asleep, &transition{claim: c, fence: fenceTimer, steps: []step{{c.node.Key, o}}})
		}
	}
	later = append(later, e.wakeSleepers(ctx, asleep)...)
	return errors.Join(waits.Wait(), e.postpone(ctx, later))
}

// outsideClaims are nodes that no process runs, each with its run and plan; nil
// for one whose plan cannot be read.
func (e *engine) outsideClaims(ctx context.Context, due []dueTimer) ([]*claim, error) {
	ids := make([]string, len(due))
	for i := range due {
		ids[i] = due[i].RunID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []runRow
	err := e.s.cfg.DB.NewSelect().Model(&rows).Where("id IN (?) /* across tenants: timers */", bun.List(ids)).Scan(ctx)
	if err != nil {
		return nil, err
	}
	runs := byID(rows)
	claims := make([]*claim, len(due))
	for i := range due {
		run := runs[due[i].RunID]
		if run == nil {
			continue
		}
		inTenant := auth.NewContext(ctx, auth.ServicePrincipal(run.TenantID, "run"))
		p, err := e.s.planOf(inTenant, e.s.cfg.DB.DB, run.TenantID, run.WorkflowID, run.WorkflowVersion)
		if err != nil {
			e.s.cfg.Logger.Warn("workflow engine: wake a node", "run", run.ID, "node", due[i].Key, "error", err)
			continue
		}
		claims[i] = &claim{node: due[i].nodeRow, run: *run, plan: p, known: make(map[string]json.RawMessage)}
	}
	return claims, nil
}

// wakeSleepers stores that nodes have slept, and returns those for which that
// failed.
func (e *engine) wakeSleepers(ctx context.Context, asleep []*transition) (failed []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, t := range asleep {
		all.Go(func() {
			run := &t.claim.run
			err := e.submit(ctx, t, loopPatience)
			if err == nil {
				e.guard("timer", func() { e.publish(auth.NewContext(ctx, auth.ServicePrincipal(run.TenantID, "run")), t) })
				return
			}
			if ctx.Err() != nil {
				return
			}
			e.s.cfg.Logger.Warn("workflow engine: wake a node", "run", run.ID, "node", t.claim.node.Key, "error", err)
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, t.claim.node.ID)
		})
	}
	all.Wait()
	return failed
}

// expireNode ends the wait of a node that nothing ended in time.
func (e *engine) expireNode(ctx context.Context, n *nodeRow) error {
	inTenant := auth.NewContext(ctx, auth.ServicePrincipal(n.TenantID, "run"))
	w, err := waitOf(inTenant, e.s.cfg.DB.DB, n)
	if err == nil && w != nil {
		err = e.expireWait(inTenant, w, n)
	}
	if err == nil {
		return nil
	}
	e.s.cfg.Logger.Warn("workflow engine: end a wait", "run", n.RunID, "node", n.Key, "error", err)
	return e.postpone(ctx, []string{n.ID})
}

// postpone lets nodes wait on.
func (e *engine) postpone(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	db := e.s.cfg.DB
	_, err := db.NewRaw("UPDATE ?schema.jet_run_node /* across tenants: timers */ SET wake_at = "+db.Dialect.After()+" WHERE id IN (?) AND status = 'waiting'",
		postponement.Milliseconds(), bun.List(ids)).Exec(ctx)
	return err
}

// endBackOffs makes nodes whose back-off is over ready without any.
func (e *engine) endBackOffs(ctx context.Context) error {
	db := e.s.cfg.DB
	for full := true; full; {
		var tenants []string
		err := db.NewRaw(`UPDATE ?schema.jet_run_node /* across tenants: back-offs */ SET wake_at = NULL WHERE id IN (
				SELECT id FROM ?schema.jet_run_node AS n WHERE n.status = 'ready' AND n.wake_at <= (SELECT ?) ORDER BY n.wake_at LIMIT ? ?)
			RETURNING tenant_id`, bun.Safe(db.Dialect.Now()), timerBatch, bun.Safe(db.Dialect.SkipLocked())).Scan(ctx, &tenants)
		if err != nil {
			return err
		}
		for _, tenantID := range tenants {
			e.dispatch(Hint{tenantID, 1})
		}
		full = len(tenants) == timerBatch
	}
	return nil
}

// settle stores an outcome that no attempt of this process produced, together
// with the end of the wait, if any. false: somebody else was faster.
func (e *engine) settle(ctx context.Context, n nodeRow, o outcome, f fence, waits *closing) (bool, error) {
	c := &claim{node: n}
	if f != fenceAnswer { // an answer is given by whoever gives it
		ctx = auth.NewContext(ctx, auth.ServicePrincipal(n.TenantID, "run"))
	}
	var err error
	if c.run, err = readRun(ctx, e.s.cfg.DB.DB, n.TenantID, n.RunID, nil); err != nil {
		return false, err
	}
	if c.plan, err = e.s.planOf(ctx, e.s.cfg.DB.DB, c.run.TenantID, c.run.WorkflowID, c.run.WorkflowVersion); err != nil {
		return false, err
	}
	c.known = make(map[string]json.RawMessage)
	if o.status == NodeFailed {
		o = c.def().policy.OnError.outcome(o.failure)
	}
	steps, err := e.setAside(ctx, c, []step{{n.Key, o}})
	if err != nil {
		return false, err
	}
	t := &transition{claim: c, fence: f, closing: waits, steps: steps}
	if waits == nil {
		err = e.submit(ctx, t, loopPatience)
	} else {
		// On its own: the record of an answer may have to wait for others of its
		// tenant, and the results of this process must not.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
		err = e.storeAll(whole, []*transition{t}, f.patience())
		cancel()
	}
	if err != nil {
		return false, err
	}
	e.publish(ctx, t)
	return !t.lost, nil
}

// soon is the horizon of reminders: later timers, and those beyond maxReminders
// at a time, are found by the agenda.
const (
	soon         = 30 * time.Second
	maxReminders = 1000
)

// remind makes the process look when a short delay is over, more precisely than
// the agenda would.
func (e *engine) remind(status NodeStatus, d time.Duration) {
	// The database's clock decides; a few milliseconds make sure it agrees.
	e.after(d+5*time.Millisecond, func() {
		if status == NodeReady {
			e.agenda.backOffs.nudge()
		} else {
			e.agenda.timers.nudge()
		}
	})
}

// after does something when a short time is over, unless too much is to be done
// then already.
func (e *engine) after(d time.Duration, do func()) {
	if d > soon || e.reminders.Load() >= maxReminders {
		return
	}
	e.reminders.Add(1)
	e.loops.Go(func() {
		defer e.reminders.Add(-1)
		if sleep(e.ctx, d) {
			do()
		}
	})
}
