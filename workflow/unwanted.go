package workflow

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

const unwantedBatch = 100

// cancelUnwanted cancels the open runs whose parents do not wait for them any
// more: the node has ended, or begins again. Without a run it looks at those of
// all runs, for processes that died before they did so.
func (e *engine) cancelUnwanted(ctx context.Context, runID string) error {
	for {
		rows, err := e.unwanted(ctx, runID)
		if err != nil {
			return err
		}
		cancelled := 0
		for i := range rows {
			if err := e.contain("cancellation", func() error { return e.cancelChild(ctx, &rows[i]) }); err != nil {
				e.s.cfg.Logger.Warn("workflow engine: cancel a run that nobody waits for", "run", rows[i].ID, "error", err)
				continue
			}
			cancelled++
		}
		if len(rows) < unwantedBatch || cancelled == 0 {
			return nil
		}
	}
}

func (e *engine) unwanted(ctx context.Context, runID string) ([]runRow, error) {
	condition, args := "", []any{}
	if runID != "" {
		condition, args = "AND r.parent_run_id = ?", []any{runID}
	}
	var rows []runRow
	err := e.s.cfg.DB.NewRaw(`SELECT r.id, r.tenant_id FROM ?schema.jet_run AS r /* across tenants: runs that nobody waits for */
		JOIN ?schema.jet_run_node AS n ON n.id = r.parent_node_id
		WHERE r.parent_run_id IS NOT NULL AND r.finished_at IS NULL AND NOT r.detached `+condition+`
			AND (n.status IN ('succeeded', 'failed', 'skipped', 'cancelled') OR n.attempt > r.parent_attempt
				OR n.attempt = r.parent_attempt AND n.status = 'ready')
		LIMIT ? ?`, append(args, unwantedBatch, bun.Safe(e.s.cfg.DB.Dialect.SkipLockedOf("r")))...).Scan(ctx, &rows)
	return rows, err
}

// cancelChild cancels a run whose parent has gone.
func (e *engine) cancelChild(ctx context.Context, r *runRow) error {
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, auth.ServicePrincipal(r.TenantID, "run")), lookTimeout)
	defer cancel()
	why := &Failure{Kind: problem.Conflict, Code: "parent_ended", Message: "the node that began the run has ended before it"}
	var run runRow
	var nodes []nodeRow
	db := e.s.cfg.DB
	open := false
	err := db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var err error
		run, err = readRun(ctx, tx, r.TenantID, r.ID, db.Dialect.Lock)
		if open = err == nil && !run.Status.Final(); !open {
			return err
		}
		nodes, err = e.s.terminate(ctx, tx, &run, RunCancelled, why)
		return err
	})
	if err == nil && open {
		e.terminated(ctx, &run, nodes, why)
	}
	return err
}
