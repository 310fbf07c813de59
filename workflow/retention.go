package workflow

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

const (
	// retainEvery is how often runs that are too old are looked for, by one process
	// of all.
	retainEvery = time.Hour

	// retainBatch is how many runs one transaction deletes; between two of them
	// others get their turn.
	retainBatch = 100
	retainPause = 20 * time.Millisecond
)

// retain is the loop that deletes old runs.
func (e *engine) retain(ctx context.Context) {
	for pause := time.Minute; sleep(ctx, pause/2+rand.N(pause)); pause = retainEvery / 4 {
		mine, err := e.s.cfg.DB.Assume(ctx, "retention", retainEvery)
		if err == nil && mine {
			err = e.forgetRuns(ctx)
		}
		if err != nil && ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: delete old runs", "error", err)
		}
	}
}

// forgetRuns deletes what every tenant keeps no longer. It ends before another
// process may begin.
func (e *engine) forgetRuns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, retainEvery*9/10)
	defer cancel()
	var tenants []struct {
		ID            string
		RetentionDays *int
	}
	err := e.s.cfg.DB.NewRaw(`SELECT t.id, s.retention_days FROM ?schema.jet_tenant AS t /* across tenants: each has its own retention */
		LEFT JOIN ?schema.jet_run_settings AS s ON s.tenant_id = t.id ORDER BY t.id`).Scan(ctx, &tenants)
	if err != nil {
		return err
	}
	var failed error // a tenant whose runs cannot be deleted keeps no other's
	for _, t := range tenants {
		keep := e.s.cfg.Retention
		if t.RetentionDays != nil {
			keep = days(*t.RetentionDays)
		}
		if keep < 0 {
			continue
		}
		inTenant := auth.NewContext(ctx, auth.ServicePrincipal(t.ID, "retention"))
		if err := e.forgetRunsOf(inTenant, t.ID, e.s.cfg.Clock.Now().Add(-keep)); err != nil {
			e.s.cfg.Logger.Error("workflow engine: delete old runs", "tenant", t.ID, "error", err)
			failed = err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

func (e *engine) forgetRunsOf(ctx context.Context, tenantID string, before time.Time) error {
	for {
		n, err := e.forgetBatch(ctx, tenantID, before)
		if err != nil || n < retainBatch {
			return err
		}
		if !sleep(ctx, retainPause) {
			return ctx.Err()
		}
	}
}

// forgetBatch deletes runs with all that belongs to them. Ids sort by time, so
// that the primary key finds the old ones: none can be finished before it was
// made. What has not ended has no time of its end, and stays.
func (e *engine) forgetBatch(ctx context.Context, tenantID string, before time.Time) (n int, err error) {
	db := e.s.cfg.DB
	err = db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var gone []struct {
			ID         string
			WorkflowID string
			Test       bool
		}
		err := tx.NewRaw(`DELETE FROM ?schema.jet_run WHERE tenant_id = ? AND id IN (
				SELECT id FROM ?schema.jet_run AS r WHERE tenant_id = ? AND id < ? AND finished_at < ? AND NOT EXISTS (
					SELECT 1 FROM ?schema.jet_run AS p WHERE p.tenant_id = r.tenant_id AND p.id = r.parent_run_id AND p.finished_at IS NULL)
				ORDER BY id LIMIT ? ?)
			RETURNING id, workflow_id, test`, tenantID, tenantID, id.First(before), before, retainBatch, bun.Safe(db.Dialect.SkipLocked())).Scan(ctx, &gone)
		if err != nil {
			return err
		}
		if n = len(gone); n == 0 {
			return nil
		}
		ids, tests := make([]string, n), []string{}
		for i, r := range gone {
			ids[i] = r.ID
			if r.Test {
				tests = append(tests, r.WorkflowID)
			}
		}
		// Lines do not refer to their runs, see the migration.
		_, err = tx.NewRaw("DELETE FROM ?schema.jet_run_log WHERE tenant_id = ? AND run_id IN (?)", tenantID, bun.List(ids)).Exec(ctx)
		if err != nil {
			return err
		}
		return forgetTests(ctx, tx, tenantID, tests)
	})
	return n, err
}

// forgetTests deletes the graphs of test runs that no run uses any more.
func forgetTests(ctx context.Context, tx bun.IDB, tenantID string, hidden []string) error {
	if len(hidden) == 0 {
		return nil
	}
	_, err := tx.NewRaw(`DELETE FROM ?schema.jet_workflow_version AS v WHERE v.tenant_id = ? AND v.workflow_id IN (?) AND v.number < 0 AND NOT EXISTS (
			SELECT 1 FROM ?schema.jet_run AS r WHERE r.tenant_id = v.tenant_id AND r.workflow_id = v.workflow_id)`,
		tenantID, bun.List(hidden)).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(`DELETE FROM ?schema.jet_workflow AS w WHERE w.tenant_id = ? AND w.id IN (?) AND w.deleted_at IS NOT NULL AND NOT EXISTS (
			SELECT 1 FROM ?schema.jet_workflow_version AS v WHERE v.tenant_id = w.tenant_id AND v.workflow_id = w.id)`,
		tenantID, bun.List(hidden)).Exec(ctx)
	return err
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
