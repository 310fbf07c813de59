package workflow

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// A node may begin other runs and wait for them. These are ordinary runs that
// know the node. When one ends, the process that ended it tends the node: see
// tend.go. When the node ends first, they are cancelled: see unwanted.go.

// MaxDepth is how many runs may be above one another: each was begun by a node of
// the one above.
const MaxDepth = 16

// startSub begins the run that a node asks for, unless the attempt has done so
// before it lost its process.
func (e *engine) startSub(ctx context.Context, c *claim, r *Result) error {
	if c.node.ID == "" {
		return problem.New(problem.Internal, "node_not_stored", "the node has no row yet")
	}
	var run runRow
	err := e.endure(ctx, c, func() (err error) {
		run, err = e.beginSub(ctx, c, r.Start)
		return err
	})
	if err != nil {
		return err
	}
	if r.waits = !r.Start.Detached; !r.waits {
		r.Output = map[string]any{"runId": run.ID}
	}
	return nil
}

func (e *engine) beginSub(ctx context.Context, c *claim, sub *SubRun) (runRow, error) {
	db := e.s.cfg.DB
	child, err := childOf(ctx, db.DB, &c.node)
	if err == nil || !store.IsMissing(err) {
		return child, err
	}
	if err := c.deeper(); err != nil {
		return child, err
	}
	b, err := e.s.begin(ctx, db.DB, StartParams{WorkflowID: sub.WorkflowID, Input: sub.Input, follows: true})
	if err != nil {
		return child, err
	}
	b.run.descend(c)
	b.run.Detached = sub.Detached
	b.mark(c.run.Test)
	if err := b.standUnder(ctx, db.DB, c.run); err != nil {
		return child, err
	}
	defer e.s.telemetry.begin(ctx, &b.run)()
	err = db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := e.holdParent(ctx, tx, c, NodeRunning, e.s.cfg.DB.Dialect.Lock); err != nil {
			return err
		}
		// A commit whose answer was lost can end after the child was looked for.
		if child, err = childOf(ctx, tx, &c.node); !store.IsMissing(err) {
			return err
		}
		return insertRuns(ctx, tx, []*beginning{b})
	})
	if err != nil || child.ID != "" {
		return child, err
	}
	if b.existing {
		return b.found, nil
	}
	e.s.events.run(ctx, &b.run, nil)
	e.begun(ctx, b)
	return b.run, nil
}

// deeper says whether the run of a claim may begin others.
func (c *claim) deeper() error {
	if c.run.Depth < MaxDepth {
		return nil
	}
	return problem.Newf(problem.Conflict, "runs_too_deep", "%d runs are above this one already, each begun by the one above", MaxDepth).
		Fix("end the recursion by a condition")
}

// descend makes a run that is about to be stored the child of a claimed node.
func (r *runRow) descend(c *claim) {
	r.Trigger, r.StartedBy, r.OnBehalfOf = TriggerRun, c.run.StartedBy, c.run.OnBehalfOf
	r.ParentRunID, r.ParentNodeID, r.ParentKey = new(c.run.ID), new(c.node.ID), c.node.Key
	r.ParentAttempt, r.Depth = c.node.Attempt, c.run.Depth+1
}

// holdParent locks the run of a claim and makes sure that the claim is still
// good, and its node in a status. So nothing is begun for a run that has ended, or
// twice for a node that another process has taken up.
func (e *engine) holdParent(ctx context.Context, tx bun.IDB, c *claim, status NodeStatus, lock locking) error {
	run, err := readRun(ctx, tx, c.run.TenantID, c.run.ID, lock)
	if err != nil {
		return err
	}
	var n nodeRow
	err = tx.NewSelect().Model(&n).Where("tenant_id = ?", c.run.TenantID).Where("id = ?", c.node.ID).Apply(lock).Scan(ctx)
	if err != nil {
		return err
	}
	if run.Status.Final() || n.Status != status || n.Token == nil || *n.Token != *c.node.Token {
		return errNotOurs
	}
	return nil
}

// errNotOurs says that the run has ended, or another process owns the node.
var errNotOurs = problem.New(problem.Conflict, "node_lost", "the node is not run here any more")

// childOf is the first run that the last attempt at a node has begun.
func childOf(ctx context.Context, db bun.IDB, n *nodeRow) (runRow, error) {
	var row runRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ?", n.TenantID).Where("parent_node_id = ?", n.ID).
		Where("parent_attempt = ?", n.Attempt).Where("item_index = 0").Scan(ctx)
	return row, err
}

// subOutcome is what the end of a child makes of the node that waits for it. ok =
// false: it has not ended.
func (e *engine) subOutcome(ctx context.Context, c *claim) (o outcome, ok bool, err error) {
	child, err := childOf(ctx, e.s.cfg.DB.DB, &c.node)
	if err != nil || !child.Status.Final() {
		return outcome{}, false, err
	}
	data, err := readRunData(ctx, e.s.cfg.DB.DB, child.TenantID, child.ID)
	if err != nil {
		return outcome{}, false, err
	}
	if child.Status != RunSucceeded {
		return e.failed(c, childProblem(&child, &data)), true, nil
	}
	o = outcome{status: NodeSucceeded, port: PortSuccess, output: json.RawMessage("null")}
	if data.Output == nil {
		return o, true, nil
	}
	release, err := e.payloads.read(ctx, true, []*string{data.Output})
	if err != nil {
		return outcome{}, false, err
	}
	defer release()
	if err := fetch(ctx, e.s.cfg.DB.DB, child.TenantID, child.ID, data.Output); err != nil {
		return outcome{}, false, err
	}
	if n := len(*data.Output); n > MaxOutput {
		return e.failed(c, problem.Newf(problem.TooLarge, "node_output_too_large", "the output of the run has %d bytes, the limit is %d", n, MaxOutput).
			Fix("let it return less")), true, nil
	}
	o.output = json.RawMessage(*data.Output)
	return o, true, nil
}

// childProblem is why a child did not succeed.
func childProblem(child *runRow, data *runDataRow) *problem.Error {
	var f Failure
	if data.Error != nil && json.Unmarshal([]byte(*data.Error), &f) == nil {
		p := problem.New(f.Kind, f.Code, f.Message)
		p.Remedy, p.Faults = f.Remedy, f.Faults
		return p
	}
	return problem.Newf(problem.Conflict, "child_run_cancelled", "the run %s was cancelled", child.ID)
}

// checkReference asks about the object of a grant.
func (s *Service) checkReference(ctx context.Context, grant auth.Grant) error {
	if grant.Permission != auth.WorkflowExecute {
		return s.cfg.CheckReference(ctx, grant)
	}
	who := auth.FromContext(ctx)
	if who == nil {
		return problem.New(problem.Unauthenticated, "", "sign in first")
	}
	_, err := readWorkflow(ctx, s.cfg.DB.DB, who.TenantID, grant.ObjectID, nil)
	return err
}
