package workflow

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// StartParams is what a run begins with.
type StartParams struct {
	WorkflowID string

	// Input is checked against the start node's declaration.
	Input map[string]any

	// IdempotencyKey, when set, makes a second start of the same workflow with the
	// same key return the first run, for ever. At most 200 characters.
	IdempotencyKey string

	trigger Trigger // of a schedule or webhook; "" = whoever calls
}

// Start begins a run of the published version and returns at once; the run is
// stored when it does.
//
// It needs workflow.execute on the workflow and nothing else: what the nodes may
// use was checked for whoever published the version. Errors: NotFound, Conflict
// for a workflow that was never published, Invalid for an input with faults,
// Unavailable when the database does not take the run within half a lease: so
// ends a start inside a transaction of the caller's own that holds what the start
// waits for. StartTx is for that.
func (s *Service) Start(ctx context.Context, in StartParams) (_ Run, err error) {
	ctx, patient := s.patient(ctx)
	defer func() { err = patient(err) }()
	b, err := s.begin(ctx, s.cfg.DB.DB, in)
	if err != nil {
		return Run{}, err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return s.insertRun(ctx, tx, b) })
	if err != nil {
		return Run{}, err
	}
	if !b.existing {
		s.announce(ctx, &b.run)
		s.engine.dispatch(b.hints())
	}
	return b.run.run(), nil
}

// StartTx is [Service.Start] inside a transaction of the host on the same
// database: when it is rolled back, there was no run. The run begins within a
// second of the commit.
//
// Let a service start it ([auth.ServicePrincipal]). The rights of a member may be
// read on another connection of the pool, and when all of them are in
// transactions that wait for that, none goes on.
//
// Errors: those of Start, and Invalid for a transaction that is nil, ended or of
// another database.
func (s *Service) StartTx(ctx context.Context, tx *sql.Tx, in StartParams) (_ Run, err error) {
	if tx == nil {
		return Run{}, errNoTx()
	}
	defer func() { err = ofHostTx(err) }()
	db := s.cfg.DB.Joined(tx)
	b, err := s.begin(ctx, db, in)
	if err != nil {
		return Run{}, err
	}
	// Whether and when the host commits is not known here, so nothing is
	// dispatched: the rows are left to the sweeper.
	b.leaveToSweeper()
	if err := s.insertRun(ctx, db, b); err != nil {
		return Run{}, err
	}
	return b.run.run(), nil
}

// beginning is a run that is about to be stored.
type beginning struct {
	run      runRow
	data     runDataRow
	nodes    []nodeRow
	output   outputRow // of the start node
	existing bool      // the idempotency key was used before: run is that one
}

func (s *Service) begin(ctx context.Context, db bun.IDB, in StartParams) (*beginning, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, in.WorkflowID)
	if err != nil {
		return nil, err
	}
	w, err := readWorkflow(ctx, db, who.TenantID, in.WorkflowID, nil)
	if err != nil {
		return nil, err
	}
	if w.PublishedVersion == 0 {
		return nil, problem.New(problem.Conflict, "workflow_not_published", "the workflow has no published version").
			Fix("publish it first")
	}
	p, err := s.planOf(ctx, db, who.TenantID, in.WorkflowID, w.PublishedVersion)
	if err != nil {
		return nil, err
	}
	input, err := p.input(in)
	if err != nil {
		return nil, err
	}
	if before := s.cfg.Hooks.BeforeStart; before != nil {
		if err := before(ctx, in); err != nil {
			return nil, err
		}
	}
	return newBeginning(p, w, who, in, input, s.cfg.Clock.Now()), nil
}

func (p *plan) input(in StartParams) (map[string]any, error) {
	var f problem.Faults
	f.Check(len(in.IdempotencyKey) <= 200, "idempotencyKey", "must have at most 200 characters")
	f.Check(!in.reserved(), "idempotencyKey", "must not begin like those of schedules and webhooks")
	start := p.nodes[p.start]
	raw := in.Input
	if raw == nil {
		raw = map[string]any{}
	}
	input, err := start.nodeType.node.(Starter).Input(start.def.Config, raw)
	f.Merge("input", err)
	if err := f.Err("run_invalid", "the run cannot be started"); err != nil {
		return nil, err
	}
	return input, nil
}

func newBeginning(p *plan, w workflowRow, who *auth.Principal, in StartParams, input map[string]any, now time.Time) *beginning {
	b := &beginning{
		run: runRow{
			ID: id.New(), TenantID: who.TenantID, WorkflowID: w.ID, WorkflowVersion: w.PublishedVersion,
			Status: RunQueued, Trigger: in.startedBy(who), StartedBy: who.Actor(), OnBehalfOf: who.UserID, CreatedAt: now,
		},
	}
	if in.IdempotencyKey != "" {
		b.run.IdempotencyKey = &in.IdempotencyKey
	}
	encoded := encode(input)
	b.data = runDataRow{RunID: b.run.ID, TenantID: who.TenantID, Input: encoded}
	start := nodeRow{
		ID: id.New(), TenantID: who.TenantID, RunID: b.run.ID, Key: p.start, Status: NodeSucceeded, Attempt: 1,
		StartedAt: &now, FinishedAt: &now,
	}
	b.output = outputRow{
		ID: id.New(), TenantID: who.TenantID, RunID: b.run.ID, NodeID: start.ID, Key: p.start, Attempt: 1,
		Status: NodeSucceeded, Port: PortSuccess, Output: &encoded, StartedAt: now, FinishedAt: now,
	}
	b.nodes = []nodeRow{start}
	for _, c := range p.advance(nil, p.start, PortSuccess) {
		n := nodeRow{ID: id.New(), TenantID: who.TenantID, RunID: b.run.ID, Key: c.key}
		n.enter(c.state, now)
		b.nodes = append(b.nodes, n)
		if n.Status == NodeReady {
			b.run.OpenNodes++
		}
	}
	b.run.settle(p.graph.settings())
	if b.run.OpenNodes == 0 { // nothing but a start node
		b.run.Status, b.run.StartedAt, b.run.FinishedAt = RunSucceeded, &now, &now
	}
	return b
}

// enter gives a node the state that its edges decided.
func (n *nodeRow) enter(s nodeState, now time.Time) {
	n.Status, n.EdgesDecided, n.EdgesTaken = s.Status, s.Decided, s.Taken
	switch s.Status {
	case NodeReady:
		// The hint leaves right after the commit. Should the process die in between,
		// the sweeper finds the row some seconds later.
		n.ReadyAt, n.DispatchedAt = &now, &now
	case NodeSkipped:
		n.FinishedAt = &now
	}
}

func (b *beginning) leaveToSweeper() {
	for i := range b.nodes {
		b.nodes[i].DispatchedAt = nil
	}
}

func (b *beginning) hints() []Hint {
	var hints []Hint
	for i := range b.nodes {
		if b.nodes[i].Status == NodeReady {
			hints = append(hints, b.nodes[i].hint())
		}
	}
	return hints
}

// insertRun stores a run, or finds the one that was started with the same key.
func (s *Service) insertRun(ctx context.Context, tx bun.IDB, b *beginning) error {
	b.existing = false
	res, err := tx.NewInsert().Model(&b.run).On("CONFLICT DO NOTHING").Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		b.existing = true
		return tx.NewSelect().Model(&b.run).Where("tenant_id = ?", b.run.TenantID).
			Where("workflow_id = ?", b.run.WorkflowID).Where("idempotency_key = ?", *b.run.IdempotencyKey).Scan(ctx)
	}
	if _, err := tx.NewInsert().Model(&b.data).Exec(ctx); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(&b.nodes).Exec(ctx); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&b.output).Exec(ctx)
	return err
}
