package workflow

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// What the end of a run owes to others is written in rows by then, so that a
// crash right after the end forgets nothing. The process that ended the run pays
// at once; any other finds the debt some seconds later.

const (
	// aftermathEvery is how often a process looks for what another still owes.
	aftermathEvery = 5 * time.Second

	aftermathBatch = 100
)

// aftermath wakes the loop that pays.
type aftermath struct {
	wake  chan struct{}
	freed freed
}

func newAftermath() aftermath { return aftermath{wake: make(chan struct{}, 1)} }

// owe makes the loop look, if the end of the run has consequences.
func (a *aftermath) owe(run *runRow) {
	if run.SlotKey != nil {
		a.freed.add(run.slot())
	} else if run.OnFailure == nil || !run.Status.unhappy() {
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// unhappy reports whether the end is one that a failure handler hears of.
func (s RunStatus) unhappy() bool { return s == RunFailed || s == RunTimedOut }

// payDebts is the loop.
func (e *engine) payDebts(ctx context.Context) {
	for {
		if err := e.startHandlers(ctx); err != nil && ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: start failure handlers", "error", err)
		}
		if err := e.admitAll(ctx); err != nil && ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: admit runs that are held", "error", err)
		}
		if err := e.cancelUnwanted(ctx, ""); err != nil && ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: cancel runs that nobody waits for", "error", err)
		}
		t := time.NewTimer(aftermathEvery - aftermathEvery/10 + rand.N(aftermathEvery/5))
		select {
		case <-t.C:
		case <-e.aftermath.wake:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// maxFailureDepth ends a row of failure handlers that fail: the run behind so
// many failures has none.
const maxFailureDepth = 3

// handlerPatience is for how long a handler that cannot be started is tried
// again.
const handlerPatience = time.Hour

// startHandlers starts the onFailure workflows of runs that have failed.
func (e *engine) startHandlers(ctx context.Context) error {
	for {
		var failed []runRow
		err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_run /* across tenants: failures whose handler is still to be started */
			WHERE on_failure IS NOT NULL AND (status = 'failed' OR status = 'timedOut') ORDER BY finished_at LIMIT ?`, aftermathBatch).Scan(ctx, &failed)
		if err != nil {
			return err
		}
		started := 0
		for i := range failed {
			if err := e.startHandler(ctx, &failed[i]); err != nil {
				e.s.cfg.Logger.Warn("workflow engine: start a failure handler", "run", failed[i].ID, "workflow", *failed[i].OnFailure, "error", err)
				continue
			}
			started++
		}
		if len(failed) < aftermathBatch || started == 0 {
			return nil
		}
	}
}

// startHandler starts the handler of a failed run once: together with the start,
// the debt is struck off, and the idempotency key stands between two processes
// that do so at the same time.
func (e *engine) startHandler(ctx context.Context, failed *runRow) error {
	handler := *failed.OnFailure
	who := auth.ServicePrincipal(failed.TenantID, "run", auth.Grant{Permission: auth.WorkflowExecute, ObjectID: handler})
	who.UserID = failed.OnBehalfOf
	ctx = auth.NewContext(ctx, who)
	input, err := e.failureReport(ctx, failed)
	if err != nil {
		return err
	}
	b, err := e.s.begin(ctx, e.s.cfg.DB.DB, StartParams{WorkflowID: handler, Input: input, IdempotencyKey: "failure/" + failed.ID, trigger: TriggerFailure})
	if err != nil {
		if hopeless(err) || time.Since(*failed.FinishedAt) > handlerPatience {
			e.s.cfg.Logger.Error("workflow engine: a failure has no handler", "run", failed.ID, "workflow", handler, "error", err)
			return e.forgetHandler(ctx, e.s.cfg.DB.DB, failed)
		}
		return err
	}
	b.run.FailureDepth = failed.FailureDepth + 1
	if b.run.FailureDepth >= maxFailureDepth {
		b.run.OnFailure = nil
	}
	err = e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil {
			return err
		}
		return e.forgetHandler(ctx, tx, failed)
	})
	if err == nil {
		e.begun(ctx, b)
	}
	return err
}

// hopeless reports whether a start that failed will fail again: the workflow is
// gone or was never published, or does not take such an input.
func hopeless(err error) bool {
	switch problem.KindOf(err) {
	case problem.NotFound, problem.Conflict, problem.Invalid, problem.Forbidden:
		return true
	}
	return false
}

// failureReport is the input of a failure handler.
func (e *engine) failureReport(ctx context.Context, failed *runRow) (map[string]any, error) {
	data, err := readRunData(ctx, e.s.cfg.DB.DB, failed.TenantID, failed.ID)
	if err != nil {
		return nil, err
	}
	report := map[string]any{
		"runId": failed.ID, "workflowId": failed.WorkflowID, "workflowVersion": failed.WorkflowVersion,
		"status": string(failed.Status), "node": nil, "error": nil,
	}
	if data.Error == nil {
		return report, nil
	}
	var f map[string]any
	if err := decode(*data.Error, &f); err != nil {
		return nil, err
	}
	report["error"], report["node"] = f, f["node"]
	return report, nil
}

func (e *engine) forgetHandler(ctx context.Context, db bun.IDB, failed *runRow) error {
	_, err := store.Changed(db.NewUpdate().Model((*runRow)(nil)).Set("on_failure = NULL").
		Where("id = ?", failed.ID).Where("tenant_id = ?", failed.TenantID).Exec(ctx))
	return err
}
