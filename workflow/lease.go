package workflow

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// A process holds one lease row, however many nodes it runs. While it renews the
// row, its nodes are its own; once the lease has run out, any process makes them
// ready again.

// enlist writes the lease row of this process.
func (e *engine) enlist(ctx context.Context, tx bun.IDB) error {
	db := e.s.cfg.DB
	_, err := tx.NewRaw("INSERT INTO ?schema.jet_worker (id, name, slots, started_at, expires_at) VALUES (?, ?, ?, ?, "+db.Dialect.After()+")",
		e.workerID, e.s.cfg.WorkerName, e.slots.size(), bun.Safe(db.Dialect.Now()), e.s.cfg.Lease.Milliseconds()).Exec(ctx)
	return err
}

// heartbeat renews the lease, and tries more often when that fails.
func (e *engine) heartbeat(ctx context.Context) {
	for pause := e.s.cfg.Lease / 3; sleep(ctx, pause); {
		pause = e.s.cfg.Lease / 3
		if err := e.renew(ctx); err != nil && ctx.Err() == nil {
			pause = e.s.cfg.Lease / 10
			if !errors.Is(err, context.DeadlineExceeded) { // the database is away, for others too, and a look may have missed it
				e.agenda.connected.Store(0)
			}
			e.s.cfg.Logger.Warn("workflow engine: renew the lease", "error", err)
		}
		e.agenda.leases.nudge() // also nodes without any lease, which nothing tells of
	}
}

// renew prolongs the lease. A process that was paused for too long, or cut off
// from the database, has lost it: it begins a new one, and the nodes that others
// have taken from it are fenced off by their tokens.
func (e *engine) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.s.cfg.Lease/3)
	defer cancel()
	db, lapsed := e.s.cfg.DB, false
	err := db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		prolong := "UPDATE ?schema.jet_worker SET expires_at = " + db.Dialect.After() + " WHERE id = ?"
		n, err := store.Changed(tx.NewRaw(prolong+" AND expires_at > ?",
			e.s.cfg.Lease.Milliseconds(), e.workerID, bun.Safe(db.Dialect.Now())).Exec(ctx))
		if lapsed = err == nil && n == 0; !lapsed {
			return err
		}
		n, err = store.Changed(tx.NewRaw(prolong, e.s.cfg.Lease.Milliseconds(), e.workerID).Exec(ctx))
		if err == nil && n == 0 {
			err = e.enlist(ctx, tx)
		}
		return err
	})
	if err == nil && lapsed {
		e.lapses.Add(1)
		e.s.telemetry.lapsed()
		e.s.cfg.Logger.Warn("workflow engine: the lease of this process ran out while it lived")
	}
	return err
}

const leaveTimeout = 10 * time.Second

// leave is resign, repeated while the database is out of reach for a moment: a
// lease that is left behind costs others the time until it runs out.
func (e *engine) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		err := e.resign(ctx)
		if err == nil || !sleep(ctx, pause) {
			return err
		}
	}
}

// resign hands back what this process still owns and removes its lease: another
// process takes the nodes up at once, and no attempt is counted.
func (e *engine) resign(ctx context.Context) error {
	return e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw(`UPDATE ?schema.jet_run_node /* across tenants: what this process runs */
			SET status = 'ready', attempt = attempt - 1, token = NULL, worker_id = NULL
			WHERE worker_id = ? AND status = 'running'`, e.workerID).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewRaw("DELETE FROM ?schema.jet_worker WHERE id = ?", e.workerID).Exec(ctx)
		return err
	})
}

// maxLosses is how often a node may lose its process before it is taken for the
// reason ("crash loop").
const maxLosses = 3

const reclaimBatch = 200

// judgeLeases takes their nodes from the processes whose lease has run out. After an
// outage, or a pause of this machine, every lease has: nobody is judged before
// they had the time to renew theirs.
func (e *engine) judgeLeases(ctx context.Context) error {
	since := e.agenda.connected.Load()
	if since == 0 || time.Since(time.Unix(0, since)) < e.s.cfg.Lease {
		return nil
	}
	return e.reclaim(ctx)
}

// reclaim makes the nodes of dead processes ready again, without counting an
// attempt, and fails those that keep killing their process.
func (e *engine) reclaim(ctx context.Context) error {
	for full := true; full; {
		var lost, looping []nodeRow
		err := e.orphans(ctx, &lost, "losses < ?", "status = 'ready', attempt = attempt - 1, token = NULL, worker_id = NULL")
		if err != nil {
			return err
		}
		for i := range lost {
			e.s.cfg.Logger.Warn("workflow engine: a node lost its process", "run", lost[i].RunID, "node", lost[i].Key, "losses", lost[i].Losses)
			e.dispatch(Hint{lost[i].TenantID, 1})
		}
		err = e.orphans(ctx, &looping, "losses >= ?", "token = ?, worker_id = ?", id.New(), e.workerID)
		if err != nil {
			return err
		}
		for _, n := range looping {
			e.failLost(ctx, n)
		}
		full = len(lost) == reclaimBatch || len(looping) == reclaimBatch
	}
	return e.forgetWorkers(ctx)
}

// orphans changes running nodes whose process has no lease any more. A process
// without a lease of its own judges nobody, and after a restart of the database,
// which can be too short for this process to notice, all have time to renew theirs.
func (e *engine) orphans(ctx context.Context, rows *[]nodeRow, condition, set string, args ...any) error {
	db := e.s.cfg.DB
	now := bun.Safe(db.Dialect.Now())
	all := append(args, maxLosses-1, now, e.workerID, now, e.s.cfg.Lease.Milliseconds(), reclaimBatch, bun.Safe(db.Dialect.SkipLocked()))
	return db.NewRaw(`UPDATE ?schema.jet_run_node /* across tenants: nodes of dead processes */ SET `+set+`, losses = losses + 1
		WHERE id IN (SELECT id FROM ?schema.jet_run_node AS n WHERE status = 'running' AND `+condition+` AND NOT EXISTS (
				SELECT 1 FROM ?schema.jet_worker AS k WHERE k.id = n.worker_id AND k.expires_at > ?)
				AND EXISTS (SELECT 1 FROM ?schema.jet_worker AS me WHERE me.id = ? AND me.expires_at > ?) AND `+db.Dialect.UpFor()+`
			ORDER BY id LIMIT ? ?)
		RETURNING *`, all...).Scan(ctx, rows)
}

// forgetWorkers removes the leases of dead processes that own nothing any more.
func (e *engine) forgetWorkers(ctx context.Context) error {
	db := e.s.cfg.DB
	_, err := db.NewRaw(`DELETE FROM ?schema.jet_worker WHERE expires_at < ? AND NOT EXISTS (
			SELECT 1 FROM ?schema.jet_run_node AS n /* across tenants: nodes of dead processes */
			WHERE n.status = 'running' AND n.worker_id = jet_worker.id)`, bun.Safe(db.Dialect.Now())).Exec(ctx)
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
