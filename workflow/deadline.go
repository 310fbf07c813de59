package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	expireBatch = 200
)

// expire ends the runs whose time is over. look_at is when a run is looked at
// next: at its deadline, or when a node of it may have waited for too long. The
// database's clock is read in a subquery, once, so that the index is searched. A
// run that somebody else holds is passed over, so that the others go on.
func (e *engine) expire(ctx context.Context) error {
	for {
		var due []runRow
		d := e.s.cfg.DB.Dialect
		err := e.s.cfg.DB.NewRaw(`SELECT id, tenant_id FROM ?schema.jet_run /* across tenants: deadlines of runs */
			WHERE look_at <= (SELECT ?) AND finished_at IS NULL ORDER BY look_at LIMIT ? ?`,
			bun.Safe(d.Now()), expireBatch, bun.Safe(d.SkipLocked())).Scan(ctx, &due)
		if err != nil {
			return err
		}
		for i := range due {
			inTenant := auth.NewContext(ctx, auth.ServicePrincipal(due[i].TenantID, "run"))
			if err := e.contain("deadline", func() error { return e.expireRun(inTenant, due[i].TenantID, due[i].ID) }); err != nil {
				e.s.cfg.Logger.Warn("workflow engine: look at a run's deadline", "run", due[i].ID, "error", err)
				if err := e.saveLook(inTenant, e.s.cfg.DB.DB, &due[i], e.s.cfg.Clock.Now().Add(postponement)); err != nil {
					return err
				}
			}
		}
		if len(due) < expireBatch {
			return nil
		}
	}
}

// expireRun ends a run whose time is over, or notes when to look again.
func (e *engine) expireRun(ctx context.Context, tenantID, runID string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var run runRow
	var nodes []nodeRow
	var over *Failure
	db := e.s.cfg.DB
	err := db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var err error
		if run, err = readRun(ctx, tx, tenantID, runID, db.Dialect.Lock); err != nil || run.Status.Final() {
			return err
		}
		now := e.s.cfg.Clock.Now()
		var next time.Time
		if over, next, err = e.overdue(ctx, tx, &run, now); err != nil {
			return err
		}
		if over == nil {
			return e.saveLook(ctx, tx, &run, next)
		}
		nodes, err = e.s.terminate(ctx, tx, &run, RunTimedOut, over)
		return err
	})
	if err == nil && over != nil {
		e.terminated(ctx, &run, nodes, over)
	}
	return err
}

// overdue says why the time of a run is over, or when to look again.
func (e *engine) overdue(ctx context.Context, tx bun.IDB, run *runRow, now time.Time) (*Failure, time.Time, error) {
	p, err := e.s.planOf(ctx, tx, run.TenantID, run.WorkflowID, run.WorkflowVersion)
	if err != nil {
		return nil, now, err
	}
	s := p.graph.settings()
	if run.DeadlineAt != nil && !now.Before(*run.DeadlineAt) {
		return timedOut("", "run_timeout", "the run took longer than %s", s.Timeout), now, nil
	}
	next := now.Add(maxRunTimeout)
	if run.DeadlineAt != nil {
		next = *run.DeadlineAt
	}
	if s.QueueTimeout == 0 {
		return nil, next, nil
	}
	key, since, err := waitsSince(ctx, tx, run, now)
	if err != nil {
		return nil, now, err
	}
	at := since.Add(time.Duration(s.QueueTimeout))
	switch {
	case now.Before(at):
	case key == "":
		return timedOut("", "run_queue_timeout", "the run did not begin within %s", s.QueueTimeout), now, nil
	default:
		return timedOut(key, "node_queue_timeout", "the node did not begin within %s", s.QueueTimeout), now, nil
	}
	if at.Before(next) {
		next = at
	}
	return nil, next, nil
}

// waitsSince is since when a run has waited for its beginning, or else the node
// of it that has waited longest for its first attempt. Now, when none does: what
// becomes ready from now on has all of its time before it.
func waitsSince(ctx context.Context, tx bun.IDB, run *runRow, now time.Time) (key string, since time.Time, err error) {
	if run.Status == RunQueued {
		return "", run.CreatedAt, nil
	}
	var n nodeRow
	err = tx.NewSelect().Model(&n).Column("key", "ready_at").Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).
		Where("status = ?", NodeReady).Where("started_at IS NULL").Where("ready_at IS NOT NULL").OrderExpr("ready_at").Limit(1).Scan(ctx)
	switch {
	case store.IsMissing(err):
		return "", now, nil
	case err != nil:
		return "", now, err
	}
	return n.Key, *n.ReadyAt, nil
}

func timedOut(node, code, format string, limit Duration) *Failure {
	p := problem.Newf(problem.Timeout, code, format, limit)
	return &Failure{Node: node, Kind: p.Kind, Code: p.Code, Message: p.Message}
}

func (e *engine) saveLook(ctx context.Context, db bun.IDB, run *runRow, at time.Time) error {
	_, err := db.NewUpdate().Model((*runRow)(nil)).Set("look_at = ?", at).
		Where("id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Exec(ctx)
	return err
}
