package workflow

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// StartParams is what a run begins with.
type StartParams struct {
	WorkflowID string

	// Input is checked against the start node's declaration.
	Input map[string]any

	// IdempotencyKey, when set, makes a second start of the same workflow with the
	// same key return the first run, for as long as that is kept (see
	// Config.Retention); afterwards it begins a new one. At most 200 characters.
	IdempotencyKey string

	trigger Trigger // of a schedule or webhook; "" = whoever calls
	follows bool    // from a run that is, or was, in flight: never refused for want of room
}

// Start begins a run of the published version and returns at once; the run is
// stored when it does.
//
// It needs workflow.execute on the workflow and nothing else: what the nodes may
// use was checked for whoever published the version. Errors: NotFound, Conflict
// for a workflow that was never published, Invalid for an input with faults,
// RateLimited for a tenant with as many runs in flight as it may have,
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
	if err := s.engine.begin(ctx, b); err != nil {
		return Run{}, err
	}
	return b.result(), nil
}

// StartTx is [Service.Start] inside a transaction of the host on the same
// database: when it is rolled back, there was no run. The run begins within a
// second of the commit.
//
// Let a service start it ([auth.ServicePrincipal]). The rights of a member may be
// read on another connection of the pool, and when all of them are in
// transactions that wait for that, none goes on.
//
// Errors: those of Start, Invalid for a transaction that is nil, ended or of
// another database, and Conflict for a workflow that makes room by cancelling its
// oldest run: that one would be held, and go on, until the host commits.
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
	if err := b.refuseReplacing(); err != nil {
		return Run{}, err
	}
	// Whether and when the host commits is not known here, so nobody is told.
	defer s.telemetry.begin(ctx, &b.run)()
	if err := insertRuns(ctx, db, []*beginning{b}); err != nil {
		return Run{}, err
	}
	return b.result(), nil
}

// beginning is a run that is about to be stored.
type beginning struct {
	run     runRow
	data    runDataRow
	nodes   []*nodeRow
	outputs []outputRow
	ready   []*nodeRow // of the nodes

	takeovers  []takeover // outputs that come from another run
	keepsItems bool       // and the items of loops that had succeeded there
	held       []*nodeRow // would be ready, but the run has to wait for its turn
	victims    []victim   // runs whose place it takes
	above      []string   // ids of runs that it descends from and that hold places it asks for

	plan     *plan
	input    map[string]any
	existing bool       // the idempotency key was used before
	found    runRow     // then: the run that was started with it
	done     chan error // gets the outcome of the transaction
}

func (s *Service) begin(ctx context.Context, db bun.IDB, in StartParams) (*beginning, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, in.WorkflowID)
	if err != nil {
		return nil, err
	}
	w, err := readPublished(ctx, db, who.TenantID, in.WorkflowID)
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
	if !in.follows {
		if err := s.roomFor(ctx, db, who.TenantID, in); err != nil {
			return nil, err
		}
	}
	if before := s.cfg.Hooks.BeforeStart; before != nil {
		if err := before(ctx, in); err != nil {
			return nil, err
		}
	}
	b := newBeginning(p, w, who, in, input, s.cfg.Clock.Now())
	return b, b.limit()
}

func (p *plan) input(in StartParams) (map[string]any, error) {
	var f problem.Faults
	f.Check(len(in.IdempotencyKey) <= 200, "idempotencyKey", "must have at most 200 characters")
	f.Check(!strings.Contains(in.IdempotencyKey, "\x00"), "idempotencyKey", "must not hold a NUL character")
	f.Check(!in.reserved(), "idempotencyKey", "must not begin like those of schedules, webhooks and failures")
	start := p.nodes[p.start]
	raw := in.Input
	if raw == nil {
		raw = map[string]any{}
	}
	input := raw
	if checkJSON(&f, "input", raw) {
		var err error
		input, err = start.nodeType.node.(Starter).Input(start.def.Config, raw)
		f.Merge("input", err)
	}
	if err := f.Err("run_invalid", "the run cannot be started"); err != nil {
		return nil, err
	}
	return input, nil
}

// checkJSON reports whether a value that a host handed in can be stored.
func checkJSON(f *problem.Faults, path string, v any) bool {
	_, err := json.Marshal(v)
	if err != nil {
		f.Add(path, "cannot be written as JSON: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	return err == nil
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
	b.plan, b.input = p, asRead(encoded)
	b.run.settle(p.graph.settings())
	b.run.OpenNodes = 1 // the start node, which is done at once
	progress := newProgress(p, b.run, now)
	start := progress.row(p.start)
	start.Attempt, start.StartedAt = 1, &now
	changed := progress.apply(start, outcome{status: NodeSucceeded, port: PortSuccess, output: json.RawMessage(encoded)})
	for _, n := range changed {
		if n.Status == NodeReady {
			b.ready = append(b.ready, n)
		}
	}
	b.run, b.nodes, b.outputs = progress.run, progress.order, progress.outputs
	switch {
	case b.run.Status.Final(): // nothing but a start node
		b.run.StartedAt = &now
	default:
		b.run.Status, b.run.StartedAt = RunQueued, nil
	}
	return b
}

// asRead is an input as every process reads it, whatever types the caller gave.
func asRead(encoded string) (input map[string]any) {
	if err := decode(encoded, &input); err != nil {
		panic(err) // it has just been written
	}
	return input
}

// result is the run that was begun, or found.
func (b *beginning) result() Run {
	if b.existing {
		return b.found.run()
	}
	return b.run.run()
}

func (b *beginning) hint() Hint {
	h := Hint{TenantID: b.run.TenantID}
	for _, n := range b.ready {
		if n.Status == NodeReady {
			h.Nodes++
		}
	}
	return h
}

// begin stores a run, together with those that others begin, and hands over the
// nodes that are ready. When this process has room, the first of them is claimed
// in the same transaction.
func (e *engine) begin(ctx context.Context, b *beginning) error {
	if b.run.SlotKey != nil {
		return e.beginLimited(ctx, b)
	}
	token := id.New()
	slot := e.reserve(b, token)
	b.done = make(chan error, 1)
	defer e.s.telemetry.begin(ctx, &b.run)()
	e.starts.add(b)
	var err error
	select {
	case err = <-b.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil || b.existing {
		if slot != nil {
			e.vacate(slot, token)
		}
		return err
	}
	e.s.announce(ctx, &b.run)
	e.s.telemetry.started(&b.run)
	hint := b.hint() // before the claimed node runs, which has the row from then on
	if slot != nil {
		e.occupy(slot, b)
	}
	e.dispatch(hint)
	return nil
}

// reserve claims the first ready node of a run that is about to be stored, if
// this process has room for it.
func (e *engine) reserve(b *beginning, token string) *slot {
	if len(b.ready) == 0 {
		return nil
	}
	slot := e.vacant(b.run.TenantID)
	if slot == nil {
		return nil
	}
	e.inFlight.hold(token)
	n := b.ready[0]
	worker := e.workerID // a copy: bun writes what it has stored through the pointers of a row
	n.Status, n.Token, n.WorkerID, n.Attempt, n.StartedAt = NodeRunning, &token, &worker, 1, n.ReadyAt
	b.run.Status, b.run.StartedAt = RunRunning, n.ReadyAt
	return slot
}

// vacate gives back a slot that was reserved in vain. Should the run have been
// stored nevertheless, its node is a stray.
func (e *engine) vacate(slot *slot, token string) {
	e.inFlight.release(token)
	slot.leave()
	e.crew.leave()
}

// occupy runs the node that was claimed at the start of its run.
func (e *engine) occupy(slot *slot, b *beginning) {
	n := b.ready[0]
	c := &claim{
		node: *n, run: b.run, plan: b.plan, input: b.input, since: time.Now(),
		known: map[string]json.RawMessage{b.plan.start: json.RawMessage(b.data.Input)},
	}
	ctx := auth.NewContext(e.ctx, c.principal())
	e.s.events.run(ctx, &c.run, nil)
	e.s.events.node(ctx, &c.node, "", nil, nil)
	go e.crewed(slot, n.ID, func() { e.workOn(slot, c) })
}

const startBatch = 128

func (s *Service) startAll(ctx context.Context, batch []*beginning) {
	s.telemetry.batched("starts", len(batch))
	all := func(batch []*beginning) error {
		ctx, cancel := context.WithTimeout(ctx, batchTimeout)
		defer cancel()
		return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return insertRuns(ctx, tx, batch) })
	}
	halve(batch, all, func(done []*beginning, err error) {
		for _, b := range done {
			b.done <- err
		}
	})
}

// insertRuns stores runs. Those whose idempotency key is taken become the ones
// that were started with it first. A run that competes for room comes alone.
func insertRuns(ctx context.Context, tx bun.IDB, batch []*beginning) error {
	rows := make([]*runRow, len(batch))
	for i, b := range batch {
		b.existing, rows[i] = false, &b.run
		if b.run.SlotKey != nil {
			if err := b.compete(ctx, tx); err != nil || b.existing {
				return err
			}
		}
	}
	var ids []string
	if err := store.Select(ctx, tx, &ids, store.InsertSQL[runRow](tx)+" ON CONFLICT DO NOTHING RETURNING id", store.Records(tx, rows)); err != nil {
		return err
	}
	stored := make(map[string]bool, len(ids))
	for _, id := range ids {
		stored[id] = true
	}
	var data []*runDataRow
	var nodes []*nodeRow
	var outputs []*outputRow
	for _, b := range batch {
		if !stored[b.run.ID] {
			continue
		}
		data, nodes = append(data, &b.data), append(nodes, b.nodes...)
		for i := range b.outputs {
			outputs = append(outputs, &b.outputs[i])
		}
	}
	err := insertAll(ctx, tx, data)
	if err == nil {
		err = insertAll(ctx, tx, nodes)
	}
	if err == nil {
		err = insertAll(ctx, tx, outputs)
	}
	if err != nil {
		return err
	}
	for _, b := range batch {
		if !stored[b.run.ID] {
			if err := b.find(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertAll stores rows of one model; none is no statement.
func insertAll[T any](ctx context.Context, tx bun.IDB, rows []*T) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := store.Exec(ctx, tx, store.InsertSQL[T](tx), store.Records(tx, rows))
	return err
}

// find reads the run that was started with the same key, or by the same attempt.
func (b *beginning) find(ctx context.Context, tx bun.IDB) error {
	var row runRow
	if b.run.ParentNodeID != nil {
		err := tx.NewSelect().Model(&row).Where("tenant_id = ?", b.run.TenantID).Where("parent_node_id = ?", *b.run.ParentNodeID).
			Where("parent_attempt = ?", b.run.ParentAttempt).Where("item_index = ?", b.run.ItemIndex).Scan(ctx)
		b.existing, b.found = err == nil, row
		return err
	}
	err := tx.NewSelect().Model(&row).Where("tenant_id = ?", b.run.TenantID).
		Where("workflow_id = ?", b.run.WorkflowID).Where("idempotency_key = ?", *b.run.IdempotencyKey).Scan(ctx)
	if err == nil {
		b.existing, b.found = true, row
	}
	return err
}
