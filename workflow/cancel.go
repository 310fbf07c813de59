package workflow

import (
	"context"
	"slices"
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
		if nodes, err = s.terminate(ctx, tx, &run, RunCancelled, nil); err != nil {
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
	s.engine.terminated(ctx, &run, nodes, nil)
	return run.run(), nil
}

// terminate ends a run from outside, whatever its nodes do: its row is locked,
// and it has not ended yet. It returns the nodes that this cancelled.
func (s *Service) terminate(ctx context.Context, tx bun.IDB, run *runRow, status RunStatus, f *Failure) ([]nodeRow, error) {
	now := s.cfg.Clock.Now()
	if run.WaitingNodes > 0 {
		if err := cancelWaits(ctx, tx, run, now); err != nil {
			return nil, err
		}
	}
	nodes, err := cancelNodes(ctx, tx, run, now)
	if err != nil {
		return nil, err
	}
	if f != nil {
		_, err := tx.NewUpdate().Model((*runDataRow)(nil)).Set("error = ?", f.column()).
			Where("run_id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Exec(ctx)
		if err != nil {
			return nil, err
		}
	}
	run.Status, run.FinishedAt, run.OpenNodes, run.WaitingNodes = status, &now, 0, 0
	return nodes, saveRun(ctx, tx, run)
}

// terminated does what follows a terminate, after its commit.
func (e *engine) terminated(ctx context.Context, run *runRow, nodes []nodeRow, f *Failure) {
	for i := range nodes {
		e.s.events.node(ctx, &nodes[i], "", nil, nil)
	}
	e.s.events.run(ctx, run, f)
	if slices.ContainsFunc(nodes, mayHaveChildren) {
		e.tender.add(parent{tenantID: run.TenantID, runID: run.ID})
	}
	e.ended(ctx, run)
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
	e.aftermath.owe(run)
	e.s.telemetry.ended(run)
	if run.ParentNodeID != nil && !run.Detached {
		e.tender.add(parent{tenantID: run.TenantID, runID: *run.ParentRunID, nodeID: *run.ParentNodeID})
	}
	if after := e.s.cfg.Hooks.AfterEnd; after != nil {
		e.guard("Hooks.AfterEnd", func() { after(ctx, run.run()) })
	}
}

func saveRun(ctx context.Context, tx bun.IDB, run *runRow) error {
	_, err := tx.NewUpdate().Model(run).Column("status", "open_nodes", "waiting_nodes", "finished_at").
		Where("id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Exec(ctx)
	return err
}
