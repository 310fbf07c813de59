package workflow

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	// sweepEvery is how often a process looks for rows that nothing else will move.
	sweepEvery = time.Second

	// pollEvery is the same while the queue is out of reach.
	pollEvery = 200 * time.Millisecond

	// staleDispatch is the age at which a hint counts as lost.
	staleDispatch = 8 * time.Second

	sweepBatch = 500

	// owedBatch is how many nodes are dispatched at a time that nobody was told of.
	// To find them costs a look at everything that is ready, and to hand them over is bounded by
	// dispatchTimeout.
	owedBatch = 1000
)

// sweep is the safety net under everything that is only a hint: timers that are
// due, ready nodes that nobody was told of or nobody took, nodes of dead
// processes.
func (e *engine) sweep(ctx context.Context) {
	var connected time.Time // since when the database has answered without a gap
	var reclaimed, expired time.Time
	var lapses int64
	for e.pause(ctx) {
		err := e.sweepOnce(ctx)
		if err == nil && time.Since(expired) >= expireEvery {
			expired = time.Now()
			err = e.expire(ctx)
		}
		switch now := time.Now(); {
		case err != nil:
			connected = time.Time{}
			if ctx.Err() == nil {
				e.s.cfg.Logger.Warn("workflow engine: sweep", "error", err)
			}
		case connected.IsZero() || lapses != e.lapses.Load():
			connected, lapses = now, e.lapses.Load()
		// After an outage, or a pause of this machine, every lease has run out. Nobody
		// is judged before they had the time to renew theirs.
		case now.Sub(connected) >= e.s.cfg.Lease && now.Sub(reclaimed) >= e.s.cfg.Lease/5:
			reclaimed = now
			if err := e.reclaim(ctx); err != nil && ctx.Err() == nil {
				e.s.cfg.Logger.Warn("workflow engine: reclaim", "error", err)
			}
		}
	}
}

// pause waits for the next look. The jitter keeps processes from looking all at
// the same time.
func (e *engine) pause(ctx context.Context) bool {
	every := sweepEvery
	if e.queueDown.Load() {
		every = pollEvery
	}
	t := time.NewTimer(every - every/10 + rand.N(every/5))
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (e *engine) sweepOnce(ctx context.Context) error {
	if err := e.wakeDue(ctx); err != nil {
		return err
	}
	if err := e.sweepWaits(ctx); err != nil {
		return err
	}
	for {
		hints, err := e.takeHints(ctx, "dispatched_at IS NULL", owedBatch)
		if err != nil {
			return err
		}
		e.dispatch(hints)
		if len(hints) < owedBatch {
			break
		}
	}
	// A hint that is old may still lie in a long queue. Only a process that has
	// room takes such nodes, so that a backlog is not multiplied.
	room := cap(e.slots) - len(e.slots)
	if room == 0 || !e.crew.accepts() {
		return nil
	}
	age := staleDispatch
	if e.queueDown.Load() {
		age = 0
	}
	hints, err := e.takeHints(ctx, "dispatched_at <= "+e.s.cfg.DB.Dialect.After(), min(room, sweepBatch), -age.Milliseconds())
	for _, h := range hints {
		e.offer(h)
	}
	return err
}

// takeHints marks ready nodes as dispatched and returns them.
func (e *engine) takeHints(ctx context.Context, condition string, limit int, args ...any) ([]Hint, error) {
	db := e.s.cfg.DB
	var rows []nodeRow
	all := append([]any{bun.Safe(db.Dialect.Now()), bun.Safe(db.Dialect.Now())}, args...)
	err := db.NewRaw(`UPDATE ?schema.jet_run_node /* across tenants: every ready node is owed a dispatch */ SET dispatched_at = ?
		WHERE id IN (SELECT id FROM ?schema.jet_run_node AS m WHERE status = 'ready' AND (wake_at IS NULL OR wake_at <= ?)
			AND (`+condition+`) ORDER BY id LIMIT ? ?)
		RETURNING id, tenant_id`, append(all, limit, bun.Safe(db.Dialect.SkipLocked()))...).Scan(ctx, &rows)
	hints := make([]Hint, len(rows))
	for i := range rows {
		hints[i] = rows[i].hint()
	}
	return hints, err
}

// forgetDispatches makes every ready node owed a dispatch again.
func (e *engine) forgetDispatches(ctx context.Context) error {
	_, err := e.s.cfg.DB.NewRaw(`UPDATE ?schema.jet_run_node /* across tenants: the queue lost its hints */
		SET dispatched_at = NULL WHERE id IN (SELECT id FROM ?schema.jet_run_node AS m WHERE status = 'ready' AND dispatched_at IS NOT NULL
			ORDER BY id ?)`, bun.Safe(e.s.cfg.DB.Dialect.SkipLocked())).Exec(ctx)
	return err
}

// wakeDue ends the waiting of nodes whose time has come.
func (e *engine) wakeDue(ctx context.Context) error {
	for {
		var rows []nodeRow
		err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_run_node /* across tenants: timers */
			WHERE status = 'waiting' AND wake_at <= (SELECT ?) ORDER BY wake_at LIMIT ?`, bun.Safe(e.s.cfg.DB.Dialect.Now()), sweepBatch).Scan(ctx, &rows)
		if err != nil {
			return err
		}
		for _, n := range rows {
			if err := e.wakeNode(ctx, n); err != nil {
				e.s.cfg.Logger.Warn("workflow engine: wake a node", "run", n.RunID, "node", n.Key, "error", err)
				if err := e.postpone(ctx, n); err != nil {
					return err
				}
			}
		}
		if len(rows) < sweepBatch {
			return nil
		}
	}
}

// postponement is for a timer that cannot be served, by this build or yet. The
// others must not wait for it.
const postponement = 10 * time.Second

func (e *engine) postpone(ctx context.Context, n nodeRow) error {
	db := e.s.cfg.DB
	_, err := db.NewRaw("UPDATE ?schema.jet_run_node SET wake_at = "+db.Dialect.After()+" WHERE id = ? AND tenant_id = ? AND status = 'waiting'",
		postponement.Milliseconds(), n.ID, n.TenantID).Exec(ctx)
	return err
}

// wakeNode ends the waiting of a node whose time has come, if no other process
// was faster.
func (e *engine) wakeNode(ctx context.Context, n nodeRow) error {
	if is, err := e.isParent(ctx, &n); err != nil || is {
		return err
	}
	waits, err := waitOf(auth.NewContext(ctx, auth.ServicePrincipal(n.TenantID, "run")), e.s.cfg.DB.DB, &n)
	if err != nil {
		return err
	}
	if waits != nil {
		return e.expireWait(ctx, waits, &n)
	}
	_, err = e.settle(ctx, n, outcome{status: NodeSucceeded, port: PortSuccess, output: []byte("null")}, fenceTimer, nil)
	return err
}

// failLost ends a node that keeps killing its process.
func (e *engine) failLost(ctx context.Context, n nodeRow) {
	o := outcome{status: NodeFailed, failure: &Failure{
		Node: n.Key, Kind: problem.Internal, Code: "node_crash_loop", Message: "the process died three times while it ran this node",
	}}
	if _, err := e.settle(ctx, n, o, fenceToken, nil); err != nil {
		// Its row is ours now, and a stray.
		e.s.cfg.Logger.Warn("workflow engine: fail a node", "node", n.ID, "error", err)
	}
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
// at a time, are found by the sweeper.
const (
	soon         = 30 * time.Second
	maxReminders = 1000
)

// remind looks at a node again when its short delay is over, more precisely than
// the sweeper would.
func (e *engine) remind(n nodeRow, d time.Duration) {
	if d > soon || e.reminders.Load() >= maxReminders {
		return
	}
	e.reminders.Add(1)
	e.loops.Go(func() {
		defer e.reminders.Add(-1)
		// The database's clock decides; a few milliseconds make sure it agrees.
		if !sleep(e.ctx, d+5*time.Millisecond) {
			return
		}
		if n.Status == NodeReady {
			e.offer(n.hint())
			return
		}
		if err := e.wakeNode(e.ctx, n); err != nil && e.ctx.Err() == nil {
			e.nudge()
		}
	})
}
