package workflow

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Reruns never change the run they come from: each is a new run that names it.

// RerunVersion is the version that a rerun executes.
type RerunVersion string

// The versions of reruns.
const (
	VersionSame   RerunVersion = "same"   // the one that the run executed; the default
	VersionLatest RerunVersion = "latest" // the one that is published now
)

// Retry makes a new run out of one that failed, timed out or was cancelled: what
// had succeeded, or had failed and was dealt with, is taken over with its
// output, and the rest runs.
//
// It needs run.retry on the run and workflow.execute on its workflow, as every
// rerun does. Errors: NotFound; Conflict for a run that has not ended or has
// succeeded, and for a version that lacks the node which failed.
func (s *Service) Retry(ctx context.Context, runID string, version RerunVersion) (Run, error) {
	run, _, err := s.rerun(ctx, rerunParams{runID: runID, version: version, choose: chooseFailed})
	return run, err
}

func chooseFailed(r *rerun) error {
	if r.source.Status == RunSucceeded {
		return problem.New(problem.Conflict, "run_succeeded", "the run has succeeded, there is nothing to retry").
			Fix("rerun it from a node, or replay it")
	}
	if r.failedNode != "" && r.plan.nodes[r.failedNode] == nil {
		return nodeMissing(r.failedNode)
	}
	r.retries = true
	return r.keep(func(string) bool { return true })
}

// Rerun makes a new run out of one that has ended: the node and everything
// behind it run again, and what was before is taken over with its outputs.
//
// Errors as of [Service.Retry], and Conflict when the run had not come to the
// node.
func (s *Service) Rerun(ctx context.Context, runID, from string, version RerunVersion) (Run, error) {
	run, _, err := s.rerun(ctx, rerunParams{runID: runID, version: version, choose: func(r *rerun) error {
		n := r.plan.nodes[from]
		if n == nil {
			return nodeMissing(from)
		}
		if n.def.Parent != "" {
			return problem.Newf(problem.Conflict, "node_in_loop", "node %s is in the body of a loop", from).Fix("rerun from the loop, or retry the run")
		}
		anew := r.plan.descendants(from)
		if err := r.keep(func(key string) bool { return !anew[key] }); err != nil {
			return err
		}
		if from != r.plan.start && r.states[from].Status != NodeReady {
			return problem.Newf(problem.Conflict, "node_not_reached", "the run had not come to node %s", from).
				Fix("rerun it from an earlier node, or retry it")
		}
		return nil
	}})
	return run, err
}

// Replay makes a new run with the input of another, or with the one that is
// given. Nothing is taken over. Errors as of [Service.Retry], except that the
// run may be in any status; Invalid for an input with faults.
func (s *Service) Replay(ctx context.Context, runID string, input map[string]any, version RerunVersion) (Run, error) {
	run, _, err := s.rerun(ctx, rerunParams{runID: runID, version: version, input: input})
	return run, err
}

// rerunParams say what to run again.
type rerunParams struct {
	runID   string
	version RerunVersion
	input   map[string]any
	key     string             // idempotency key; "" = none
	choose  func(*rerun) error // decides what is taken over; nil = nothing
}

// rerun is a new run in the making.
type rerun struct {
	ctx        context.Context
	db         bun.IDB
	source     runRow
	failedNode string // that ended the source, if one did
	was        *plan  // of the source
	plan       *plan  // of the new run
	kept       map[string]past
	states     map[string]nodeState // nil: from the beginning
	retries    bool                 // loops go on with the items that had succeeded
}

// keep plays through what is taken over: every result that is fit for it and
// that the caller wants.
func (r *rerun) keep(wants func(key string) bool) (err error) {
	if r.kept, err = results(r.ctx, r.db, &r.source); err != nil {
		return err
	}
	for key := range r.kept {
		if !wants(key) || !r.plan.keeps(r.was, key) {
			delete(r.kept, key)
		}
	}
	r.states = r.plan.resume(r.kept)
	return nil
}

// rerun stores and begins the new run. existing says that there was one under
// the same key.
func (s *Service) rerun(ctx context.Context, in rerunParams) (_ Run, existing bool, err error) {
	b, err := s.beginAgain(ctx, in)
	if err != nil {
		return Run{}, false, err
	}
	err = s.engine.beginWith(ctx, b, func(ctx context.Context, tx bun.IDB) error {
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil || b.existing {
			return err
		}
		if err := copyOutputs(ctx, tx, b.takeovers); err != nil {
			return err
		}
		if b.keepsItems {
			if err := b.keepItems(ctx, tx, s.cfg.DB.Dialect); err != nil {
				return err
			}
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: b.run.TenantID, Action: "run.rerun", ObjectType: "run", ObjectID: in.runID,
			Detail: map[string]any{"workflowId": b.run.WorkflowID, "newRunId": b.run.ID, "kept": len(b.takeovers)},
		})
	})
	if err != nil {
		return Run{}, false, err
	}
	return b.result(), b.existing, nil
}

func (s *Service) beginAgain(ctx context.Context, in rerunParams) (*beginning, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunRetry, in.runID)
	if err != nil {
		return nil, err
	}
	db := s.cfg.DB.DB
	r := &rerun{ctx: ctx, db: db}
	if r.source, err = readRun(ctx, db, who.TenantID, in.runID, nil); err != nil {
		return nil, err
	}
	if loop := r.source.loop(); loop != "" {
		return nil, problem.Newf(problem.Conflict, "run_of_item", "the run executes the body of the loop %s for an item", loop).
			Fix("retry the run around it: items that succeeded are not run again")
	}
	if in.choose != nil && !r.source.Status.Final() {
		return nil, problem.New(problem.Conflict, "run_open", "the run has not ended").Fix("wait for its end, or cancel it")
	}
	w, err := s.rerunOn(ctx, r, in.version)
	if err != nil {
		return nil, err
	}
	params := StartParams{WorkflowID: w.ID, Input: in.input}
	if err := r.readData(&params); err != nil {
		return nil, err
	}
	input, err := r.plan.input(params)
	if err != nil {
		return nil, err
	}
	if in.choose != nil {
		if err := in.choose(r); err != nil {
			return nil, err
		}
	}
	if err := s.roomFor(ctx, s.cfg.DB.DB, who.TenantID, StartParams{WorkflowID: w.ID, IdempotencyKey: in.key}); err != nil {
		return nil, err
	}
	if before := s.cfg.Hooks.BeforeStart; before != nil {
		if err := before(ctx, params); err != nil {
			return nil, err
		}
	}
	b := newBeginning(r.plan, w, who, params, input, s.cfg.Clock.Now())
	r.mark(b, in.key)
	if b.run.Test {
		return b, nil
	}
	return b, b.limit()
}

// readData reads what failed the source, and its input unless there is another.
func (r *rerun) readData(params *StartParams) error {
	data, err := readRunData(r.ctx, r.db, r.source.TenantID, r.source.ID)
	if err != nil {
		return err
	}
	if data.Error != nil {
		var f Failure
		if err := decode(*data.Error, &f); err != nil {
			return err
		}
		r.failedNode = f.Node
	}
	if params.Input == nil {
		return decode(data.Input, &params.Input)
	}
	return nil
}

// mark makes a run that is about to be stored a rerun.
func (r *rerun) mark(b *beginning, key string) {
	b.run.RerunOf, b.run.FailureDepth = &r.source.ID, r.source.FailureDepth
	if b.run.FailureDepth >= maxFailureDepth {
		b.run.OnFailure = nil
	}
	if key != "" {
		b.run.IdempotencyKey = &key
	}
	b.mark(r.source.Test)
	b.run.DraftOf = r.source.DraftOf
	b.keepsItems = r.retries && b.run.WorkflowVersion == r.source.WorkflowVersion
	if r.states != nil {
		b.resume(r.states, r.kept, b.run.CreatedAt)
	}
}

// rerunOn finds the plans, and the workflow with the version to execute as the
// one that is published.
func (s *Service) rerunOn(ctx context.Context, r *rerun, version RerunVersion) (w workflowRow, err error) {
	db, source := s.cfg.DB.DB, &r.source
	if r.was, err = s.planOf(ctx, db, source.TenantID, source.WorkflowID, source.WorkflowVersion); err != nil {
		return w, err
	}
	if source.Test {
		return workflowRow{ID: source.WorkflowID, PublishedVersion: source.WorkflowVersion}, s.testAgain(ctx, r, version)
	}
	if _, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, source.WorkflowID); err != nil {
		return w, err
	}
	if w, err = readWorkflow(ctx, db, source.TenantID, source.WorkflowID, nil); err != nil {
		return w, err
	}
	switch version {
	case VersionLatest:
	case "", VersionSame:
		w.PublishedVersion = source.WorkflowVersion
	default:
		return w, problem.New(problem.Invalid, "version_invalid", "the version must be same or latest")
	}
	r.plan, err = s.planOf(ctx, db, source.TenantID, w.ID, w.PublishedVersion)
	return w, err
}
