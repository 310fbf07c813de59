package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// retryStore is how long to pause before the same result is offered to the
// database again; it grows to maxRetryStore.
const (
	retryStore    = 50 * time.Millisecond
	maxRetryStore = 2 * time.Second
)

// finish stores what an attempt came to and returns the successor that the
// worker goes on with, if any. While the database is away the result waits here:
// the statements are fenced, so repeating them is harmless.
func (e *engine) finish(c *claim, o outcome) (next *claim) {
	ctx := auth.NewContext(e.ctx, c.principal())
	if o.cause != nil {
		if errors.Is(o.cause, errNotPrepared) {
			e.handBack(ctx, &c.node)
		}
		return nil // the run has ended, or the process hands the node back when it stops
	}
	c.successor = id.New()
	e.inFlight.hold(c.successor)
	defer func() {
		if next == nil {
			e.inFlight.release(c.successor)
		}
	}()
	var earlier *transition // it went as far as its commit, and then the answer was lost
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		t := &transition{engine: e, claim: c, outcome: o, fence: fenceToken}
		err := t.store(ctx)
		switch {
		case err == nil && t.stored && earlier != nil:
			return earlier.publish(ctx)
		case err == nil:
			return t.publish(ctx)
		case t.complete:
			earlier = t
		}
		e.s.cfg.Logger.Warn("workflow engine: store a result", "run", c.run.ID, "node", c.node.Key, "error", err)
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// fence is what must still hold of a node's row for a result to count.
type fence int

const (
	fenceToken fence = iota // it is running under the claim's token
	fenceTimer              // it is waiting, and the time has come
)

// transition is the one transaction in which a result becomes true: the node's
// end, its output, the decisions on edges, and what they mean for the run.
type transition struct {
	*engine
	claim   *claim
	outcome outcome
	fence   fence

	before   runRow    // the run as it was
	after    runRow    // and as it has become
	lost     bool      // somebody else owns the node, or the run has ended: nothing was changed
	stored   bool      // what makes it lost is that the same outcome is there already
	complete bool      // every statement has run, only the commit is missing
	changed  []nodeRow // first the node itself, then those that followed
}

func (t *transition) store(ctx context.Context) error {
	return t.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		t.lost, t.stored, t.complete, t.changed = false, false, false, nil
		// The run's row is locked first by everything that changes several rows of a
		// run, so that no two such transactions can wait for each other.
		run, err := readRun(ctx, tx, t.claim.run.TenantID, t.claim.run.ID, t.s.cfg.DB.Dialect.Lock)
		if err != nil {
			return err
		}
		t.claim.run, t.before = run, run
		t.lost = run.Status.Final()
		if !t.lost {
			ok, err := t.leaveNode(ctx, tx)
			if err != nil {
				return err
			}
			t.lost = !ok
		}
		if t.lost {
			t.stored, err = t.isStored(ctx, tx)
			return err
		}
		if err := t.follow(ctx, tx); err != nil {
			return err
		}
		t.after, t.complete = t.claim.run, true
		return nil
	})
}

// follow writes what the node's new status leads to.
func (t *transition) follow(ctx context.Context, tx bun.IDB) error {
	switch t.outcome.status {
	case NodeReady:
		return t.insertOutput(ctx, tx, NodeFailed)
	case NodeWaiting:
		return t.suspend(ctx, tx)
	}
	if err := t.insertOutput(ctx, tx, t.outcome.status); err != nil {
		return err
	}
	return t.advance(ctx, tx)
}

// isStored tells a commit whose answer was lost from a node that somebody else
// has taken: its token stays in the row.
func (t *transition) isStored(ctx context.Context, tx bun.IDB) (bool, error) {
	n := &t.claim.node
	if n.Token == nil {
		return false, nil
	}
	return tx.NewSelect().Model((*nodeRow)(nil)).Where("id = ?", n.ID).Where("tenant_id = ?", n.TenantID).
		Where("token = ?", *n.Token).Where("status = ?", t.outcome.status).Exists(ctx)
}

// leaveNode writes the node's new status, if the fence still holds.
func (t *transition) leaveNode(ctx context.Context, tx bun.IDB) (bool, error) {
	n := &t.claim.node
	now := t.s.cfg.Clock.Now()
	q := tx.NewUpdate().Model((*nodeRow)(nil)).Set("status = ?", t.outcome.status).Set("dispatched_at = NULL").
		Where("id = ?", n.ID).Where("tenant_id = ?", n.TenantID)
	switch t.outcome.status {
	case NodeReady, NodeWaiting:
		q = q.Set("wake_at = "+t.s.cfg.DB.Dialect.After(), t.outcome.delay.Milliseconds())
	default:
		q = q.Set("finished_at = ?", now)
	}
	switch t.fence {
	case fenceToken:
		q = q.Where("status = ?", NodeRunning).Where("token = ?", *n.Token)
	case fenceTimer:
		q = q.Where("status = ?", NodeWaiting).Where("wake_at <= ?", bun.Safe(t.s.cfg.DB.Dialect.Now()))
	}
	rows, err := store.Changed(q.Exec(ctx))
	if err != nil || rows == 0 {
		return false, err
	}
	n.Status = t.outcome.status
	if n.Status != NodeReady && n.Status != NodeWaiting {
		n.FinishedAt = &now
	}
	t.changed = append(t.changed, *n)
	return true, nil
}

func (t *transition) insertOutput(ctx context.Context, tx bun.IDB, status NodeStatus) error {
	n := &t.claim.node
	row := outputRow{
		ID: id.New(), TenantID: n.TenantID, RunID: n.RunID, NodeID: n.ID, Key: n.Key, Attempt: n.Attempt,
		Status: status, Port: t.outcome.port, Error: t.outcome.failure.column(), FinishedAt: t.s.cfg.Clock.Now(),
	}
	if row.StartedAt = row.FinishedAt; n.StartedAt != nil {
		row.StartedAt = *n.StartedAt
	}
	if t.outcome.output != nil {
		s := string(t.outcome.output)
		row.Output = &s
	}
	_, err := tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

func (t *transition) suspend(ctx context.Context, tx bun.IDB) error {
	t.claim.run.WaitingNodes++
	return t.saveRun(ctx, tx)
}

// advance decides the edges of a node that has ended, and ends the run when
// nothing of it is open any more.
func (t *transition) advance(ctx context.Context, tx bun.IDB) error {
	run := &t.claim.run
	run.OpenNodes--
	if t.fence == fenceTimer {
		run.WaitingNodes--
	}
	switch end := t.outcome.end; {
	case t.outcome.status == NodeFailed && t.outcome.port == "":
		return t.endRun(ctx, tx, RunFailed, t.outcome.failure)
	case end != nil && end.Failed:
		return t.endRun(ctx, tx, RunFailed, &Failure{Node: t.claim.node.Key, Kind: problem.Conflict, Code: "run_failed", Message: end.Message})
	case end != nil && end.Terminate:
		return t.endRun(ctx, tx, RunSucceeded, nil)
	}
	if err := t.decideEdges(ctx, tx); err != nil {
		return err
	}
	if run.OpenNodes == 0 {
		return t.endRun(ctx, tx, RunSucceeded, nil)
	}
	return t.saveRun(ctx, tx)
}

func (t *transition) decideEdges(ctx context.Context, tx bun.IDB) error {
	c := t.claim
	known, err := t.joins(ctx, tx)
	if err != nil {
		return err
	}
	now := t.s.cfg.Clock.Now()
	var rows []nodeRow
	settled := make(map[string]bool) // decided before: only the counters move
	for _, change := range c.plan.advance(known, c.node.Key, t.outcome.port) {
		n := nodeRow{ID: id.New(), TenantID: c.run.TenantID, RunID: c.run.ID, Key: change.key}
		n.enter(change.state, now)
		if was := known[change.key].Status; was != "" && was != NodePending {
			n.Status, settled[n.Key] = was, true
		} else if n.Status == NodeReady {
			c.run.OpenNodes++
		}
		rows = append(rows, n)
	}
	if len(rows) == 0 {
		return nil
	}
	t.takeSuccessor(rows, settled)
	// The stored rows go to a slice of their own: bun writes through the pointers
	// of the one it was given, and these are shared.
	var stored []nodeRow
	_, err = tx.NewInsert().Model(&rows).On("CONFLICT (run_id, key) DO UPDATE").
		Set("status = CASE WHEN n.status = 'pending' THEN EXCLUDED.status ELSE n.status END").
		Set("edges_decided = EXCLUDED.edges_decided").Set("edges_taken = EXCLUDED.edges_taken").
		Set("ready_at = COALESCE(n.ready_at, EXCLUDED.ready_at)").
		Set("dispatched_at = COALESCE(n.dispatched_at, EXCLUDED.dispatched_at)").
		Set("finished_at = COALESCE(n.finished_at, EXCLUDED.finished_at)").
		Set("token = COALESCE(n.token, EXCLUDED.token)").Set("worker_id = COALESCE(n.worker_id, EXCLUDED.worker_id)").
		Set("attempt = CASE WHEN n.status = 'pending' THEN EXCLUDED.attempt ELSE n.attempt END").
		Set("started_at = COALESCE(n.started_at, EXCLUDED.started_at)").
		Returning("*").Exec(ctx, &stored)
	t.changed = append(t.changed, slices.DeleteFunc(stored, func(n nodeRow) bool { return settled[n.Key] })...)
	return err
}

// joins reads the state of the nodes that have several incoming edges. Any other
// node has no row before its only edge is decided.
func (t *transition) joins(ctx context.Context, tx bun.IDB) (map[string]nodeState, error) {
	c := t.claim
	if len(c.plan.joins) == 0 {
		return nil, nil
	}
	var rows []nodeRow
	err := tx.NewSelect().Model(&rows).Column("key", "status", "edges_decided", "edges_taken").
		Where("tenant_id = ?", c.run.TenantID).Where("run_id = ?", c.run.ID).Where("key IN (?)", bun.List(c.plan.joins)).Scan(ctx)
	known := make(map[string]nodeState, len(rows))
	for _, r := range rows {
		known[r.Key] = nodeState{Status: r.Status, Decided: r.EdgesDecided, Taken: r.EdgesTaken}
	}
	return known, err
}

// takeSuccessor claims the only node that became ready, in the same transaction:
// the worker goes on with it, without a trip through the queue.
func (t *transition) takeSuccessor(rows []nodeRow, settled map[string]bool) {
	if t.claim.successor == "" || !t.claim.chains() || !t.crew.accepts() {
		return
	}
	only := -1
	for i := range rows {
		if rows[i].Status != NodeReady || settled[rows[i].Key] {
			continue
		}
		if only >= 0 {
			return
		}
		only = i
	}
	if only < 0 {
		return
	}
	n := &rows[only]
	n.Status, n.Token, n.WorkerID, n.Attempt, n.StartedAt = NodeRunning, &t.claim.successor, &t.workerID, 1, n.ReadyAt
}

// endRun gives the run its last status. Whatever of it is still open is cancelled.
func (t *transition) endRun(ctx context.Context, tx bun.IDB, status RunStatus, f *Failure) error {
	run := &t.claim.run
	now := t.s.cfg.Clock.Now()
	if run.OpenNodes > 0 {
		cancelled, err := cancelNodes(ctx, tx, run, now)
		if err != nil {
			return err
		}
		t.changed = append(t.changed, cancelled...)
	}
	run.Status, run.FinishedAt, run.OpenNodes, run.WaitingNodes = status, &now, 0, 0
	var output *string
	if status == RunSucceeded {
		var err error
		if output, err = t.runOutput(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.NewUpdate().Model((*runDataRow)(nil)).Set("output = ?", output).Set("error = ?", f.column()).
		Where("run_id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Exec(ctx)
	if err != nil {
		return err
	}
	return saveRun(ctx, tx, run)
}

// runOutput is the output of the end node that was reached, or an object of
// them by key when there were several.
func (t *transition) runOutput(ctx context.Context, tx bun.IDB) (*string, error) {
	c := t.claim
	ends := c.plan.ends()
	if len(ends) == 0 {
		return nil, nil
	}
	var rows []outputRow
	err := tx.NewSelect().Model(&rows).Column("key", "output").Where("tenant_id = ?", c.run.TenantID).
		Where("run_id = ?", c.run.ID).Where("key IN (?)", bun.List(ends)).Where("status = ?", NodeSucceeded).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if len(rows) == 1 {
		return rows[0].Output, nil
	}
	all := make(map[string]json.RawMessage, len(rows))
	for _, r := range rows {
		all[r.Key] = json.RawMessage(*r.Output)
	}
	merged := encode(all)
	return &merged, nil
}

func (t *transition) saveRun(ctx context.Context, tx bun.IDB) error {
	run := &t.claim.run
	status := RunRunning
	if run.WaitingNodes == run.OpenNodes {
		status = RunWaiting
	}
	run.Status = status
	if *run == t.before {
		return nil
	}
	return saveRun(ctx, tx, run)
}

func saveRun(ctx context.Context, tx bun.IDB, run *runRow) error {
	_, err := tx.NewUpdate().Model(run).Column("status", "open_nodes", "waiting_nodes", "finished_at").
		Where("id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Exec(ctx)
	return err
}

// publish tells everybody, after the commit, and returns the claim of the
// successor that was taken.
func (t *transition) publish(ctx context.Context) *claim {
	if t.lost {
		return nil
	}
	c := t.claim
	c.run = t.after
	if t.outcome.output != nil {
		c.known[c.node.Key] = t.outcome.output
	}
	var hints []Hint
	var next *claim
	for i := range t.changed {
		n := &t.changed[i]
		if i == 0 {
			t.s.events.node(ctx, n, t.outcome.port, t.outcome.failure)
			continue
		}
		switch n.Status {
		case NodePending:
			continue
		case NodeReady:
			hints = append(hints, n.hint())
		case NodeRunning:
			next = c.next(*n)
		}
		t.s.events.node(ctx, n, "", nil)
	}
	if c.run.Status != t.before.Status {
		t.s.events.run(ctx, &c.run, t.outcome.failure)
	}
	if c.run.Status.Final() {
		t.ended(ctx, &c.run)
	}
	if t.outcome.status == NodeReady || t.outcome.status == NodeWaiting {
		t.remind(c.node, t.outcome.delay)
	}
	t.dispatch(hints)
	return next
}

// column writes a failure for a column that is NULL without one.
func (f *Failure) column() *string {
	if f == nil {
		return nil
	}
	s := encode(f)
	return &s
}
