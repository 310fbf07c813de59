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

// How often the start of a handler is tried, and how long after the first failure
// it is tried again: each time twice as long, so the last one comes after an hour.
const (
	handlerTries    = 10
	handlerPause    = 5 * time.Second
	maxHandlerPause = 15 * time.Minute
)

// startHandlers starts the onFailure workflows of runs that have failed. Every
// tenant has its turn, however many another one waits for.
func (e *engine) startHandlers(ctx context.Context) error {
	d := e.s.cfg.DB.Dialect
	for {
		var failed []runRow
		err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_run /* across tenants: failures whose handler is still to be started */ WHERE id IN (
				SELECT id FROM (SELECT id, finished_at, row_number() OVER (PARTITION BY tenant_id ORDER BY finished_at) AS turn FROM ?schema.jet_run
					WHERE on_failure IS NOT NULL AND (status = 'failed' OR status = 'timedOut') AND (handler_at IS NULL OR handler_at <= (SELECT ?))
						AND NOT EXISTS (SELECT 1 FROM ?schema.jet_tenant AS s WHERE s.id = tenant_id AND s.suspended_at IS NOT NULL)) AS owed
				ORDER BY turn, finished_at LIMIT ?) ?`,
			bun.Safe(d.Now()), aftermathBatch, bun.Safe(d.SkipLocked())).Scan(ctx, &failed)
		if err != nil {
			return err
		}
		for i := range failed {
			if err := e.serveHandler(ctx, &failed[i]); err != nil {
				return err
			}
		}
		if len(failed) < aftermathBatch {
			return nil
		}
	}
}

// serveHandler starts the handler of a failed run, puts it off, or gives it up.
func (e *engine) serveHandler(ctx context.Context, failed *runRow) error {
	who := auth.ServicePrincipal(failed.TenantID, "run", auth.Grant{Permission: auth.WorkflowExecute, ObjectID: *failed.OnFailure})
	who.UserID = failed.OnBehalfOf
	ctx = auth.NewContext(ctx, who)
	err := e.contain("failure handler", func() error { return e.startHandler(ctx, failed) })
	db := e.s.cfg.DB
	switch {
	case err == nil:
		return nil
	case hopeless(err) || failed.HandlerTries+1 >= handlerTries:
		e.s.cfg.Logger.Error("workflow engine: a failure has no handler", "run", failed.ID, "workflow", *failed.OnFailure, "error", err)
		return e.forgetHandler(ctx, db.DB, failed)
	}
	e.s.cfg.Logger.Warn("workflow engine: start a failure handler", "run", failed.ID, "workflow", *failed.OnFailure, "error", err)
	pause := min(handlerPause<<failed.HandlerTries, maxHandlerPause)
	_, err = db.NewRaw(`UPDATE ?schema.jet_run SET handler_tries = handler_tries + 1, handler_at = `+db.Dialect.After()+` WHERE tenant_id = ? AND id = ?`,
		pause.Milliseconds(), failed.TenantID, failed.ID).Exec(ctx)
	return err
}

// startHandler starts the handler of a failed run once: together with the start,
// the debt is struck off, and the idempotency key stands between two processes
// that do so at the same time.
func (e *engine) startHandler(ctx context.Context, failed *runRow) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	input, err := e.failureReport(ctx, failed)
	if err != nil {
		return err
	}
	b, err := e.s.begin(ctx, e.s.cfg.DB.DB, StartParams{WorkflowID: *failed.OnFailure, Input: input, IdempotencyKey: "failure/" + failed.ID, trigger: TriggerFailure, follows: true})
	if err != nil {
		return err
	}
	b.run.FailureDepth = failed.FailureDepth + 1
	if b.run.FailureDepth >= maxFailureDepth {
		b.run.OnFailure = nil
	}
	return e.beginWith(ctx, b, func(ctx context.Context, tx bun.IDB) error {
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil {
			return err
		}
		return e.forgetHandler(ctx, tx, failed)
	})
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
