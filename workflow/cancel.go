package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Cancel ends a run: nodes that have not begun never do, and the context of
// those that run ends, at once in this process and within seconds in another. A
// run that has ended already is a Conflict.
func (s *Service) Cancel(ctx context.Context, runID string) (Run, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunCancel, runID)
	if err != nil {
		return Run{}, err
	}
	var run runRow
	var nodes []nodeRow
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if run, err = readRun(ctx, tx, who.TenantID, runID, s.cfg.DB.Dialect.Lock); err != nil {
			return err
		}
		if run.Status.Final() {
			return problem.New(problem.Conflict, "run_ended", "the run has ended already")
		}
		now := s.cfg.Clock.Now()
		if nodes, err = cancelNodes(ctx, tx, &run, now); err != nil {
			return err
		}
		run.Status, run.FinishedAt, run.OpenNodes, run.WaitingNodes = RunCancelled, &now, 0, 0
		if err := saveRun(ctx, tx, &run); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: "run.cancel", ObjectType: "run", ObjectID: runID,
			Detail: map[string]any{"workflowId": run.WorkflowID},
		})
	})
	if err != nil {
		return Run{}, err
	}
	for i := range nodes {
		s.events.node(ctx, &nodes[i], "", nil)
	}
	s.events.run(ctx, &run, nil)
	s.engine.ended(ctx, &run)
	return run.run(), nil
}

// cancelNodes cancels every node of a run that has not ended.
func cancelNodes(ctx context.Context, tx bun.IDB, run *runRow, now time.Time) ([]nodeRow, error) {
	var rows []nodeRow
	_, err := tx.NewUpdate().Model(&rows).Set("status = ?", NodeCancelled).Set("finished_at = ?", now).
		Where("run_id = ?", run.ID).Where("tenant_id = ?", run.TenantID).
		Where("status IN (?)", bun.List([]NodeStatus{NodePending, NodeReady, NodeRunning, NodeWaiting})).
		Returning("*").Exec(ctx)
	return rows, err
}

// ended does what follows the end of a run, after its commit.
func (e *engine) ended(ctx context.Context, run *runRow) {
	e.inFlight.cancelRun(run.ID, errRunEnded)
	e.waiters.tell(run.ID)
	if after := e.s.cfg.Hooks.AfterEnd; after != nil {
		e.guard("Hooks.AfterEnd", func() { after(ctx, run.run()) })
	}
}
