package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
)

// claim is a node that this process owns under its lease, with what is needed to
// run it.
type claim struct {
	node  nodeRow
	run   runRow
	plan  *plan
	input map[string]any
	item  *string // of the run of an item: JSON, or a reference relative to the run around it

	// known are outputs that the worker has seen on its way along the run, so that
	// they need not be read again.
	known map[string]json.RawMessage

	successor string // the token under which the worker may take a successor

	computed bool   // it is computed on from a claim that holds memory already
	release  func() // gives back the memory of fetched outputs

	// The worker goes on with the only successor of a node, without a trip through
	// the queue, for a bounded time.
	steps int
	since time.Time
}

// The bounds of going on with a successor: others wait for the slot.
const (
	maxChainSteps = 32
	maxChainTime  = 500 * time.Millisecond
)

func (c *claim) def() *planNode { return c.plan.nodes[c.node.Key] }

// loops reports whether the node has a body.
func (c *claim) loops() bool { return c.def().nodeType.spec.Container }

// chains reports whether the worker may go on with a successor of the node.
func (c *claim) chains() bool {
	return c.steps < maxChainSteps && time.Since(c.since) < maxChainTime
}

// next is the claim of a successor that was taken in the transaction that
// finished this one.
func (c *claim) next(n nodeRow) *claim {
	return &claim{node: n, run: c.run, plan: c.plan, input: c.input, item: c.item, known: c.known, steps: c.steps + 1, since: c.since}
}

// claim takes the node of a tenant that is next. nil without an error: none is
// ready.
func (e *engine) claim(ctx context.Context, t turn) (*claim, error) {
	r := &claimRequest{tenantID: t.tenantID, token: id.New(), done: make(chan error, 1)}
	e.inFlight.hold(r.token)
	e.claims.add(r)
	var err error
	select {
	case err = <-r.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil || r.node == nil {
		e.rota.dry(t)
		e.inFlight.release(r.token)
		return nil, err
	}
	if r.more {
		e.rota.atLeast(t.tenantID, cap(e.slots.common))
	}
	c := &claim{node: *r.node, run: *r.run, known: make(map[string]json.RawMessage), since: time.Now()}
	err = e.prepareClaim(ctx, c, r.input)
	if err != nil {
		e.handBack(ctx, &c.node)
		e.inFlight.release(r.token)
		return nil, err
	}
	if r.begun {
		e.s.events.run(ctx, &c.run, nil)
	}
	e.s.events.node(ctx, &c.node, "", nil, nil)
	return c, nil
}

// prepareClaim finds the plan and the input of a claimed node's run; input is what
// stands with the run: for that of an item the item.
func (e *engine) prepareClaim(ctx context.Context, c *claim, input string) (err error) {
	if c.plan, err = e.s.planOf(ctx, e.s.cfg.DB.DB, c.run.TenantID, c.run.WorkflowID, c.run.WorkflowVersion); err != nil {
		return fmt.Errorf("read the version: %w", err)
	}
	if c.run.Enclosing == nil {
		return decode(input, &c.input)
	}
	c.item = &input
	c.input, err = e.inputOf(ctx, &c.run)
	return err
}

// claimRequest asks for a node of a tenant under a token, together with the
// requests of others.
type claimRequest struct {
	tenantID string
	token    string
	done     chan error // gets the outcome of the transaction

	nodeID string // the one that it is given; "" = there was none
	more   bool   // the tenant has more of them
	node   *nodeRow
	run    *runRow
	input  string
	begun  bool // it is the first node of its run
}

const claimBatch = 128

func (e *engine) claimAll(ctx context.Context, batch []*claimRequest) {
	e.s.telemetry.batched("claims", len(batch))
	all := func(batch []*claimRequest) error {
		ctx, cancel := context.WithTimeout(ctx, batchTimeout)
		defer cancel()
		return e.takeAll(ctx, batch)
	}
	halve(batch, all, func(done []*claimRequest, err error) {
		for _, r := range done {
			r.done <- err
		}
	})
}

// takeAll claims nodes and reads their runs, in one transaction: a node is never
// claimed without being known.
func (e *engine) takeAll(ctx context.Context, batch []*claimRequest) error {
	return e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := e.pick(ctx, tx, batch); err != nil {
			return err
		}
		nodes, err := e.takeNodes(ctx, tx, batch)
		if err != nil || len(nodes) == 0 {
			return err
		}
		return e.readRuns(ctx, tx, batch)
	})
}

// pick locks the nodes that are next, of each tenant as many as are asked for and
// one more, to see whether there is one. What others hold it passes over, so that
// it waits for nobody. A tenant that is suspended has none.
func (e *engine) pick(ctx context.Context, tx bun.IDB, batch []*claimRequest) error {
	asking := make(map[string][]*claimRequest)
	for _, r := range batch {
		r.nodeID, r.more, r.node, r.run, r.begun = "", false, nil, nil, false
		asking[r.tenantID] = append(asking[r.tenantID], r)
	}
	var parts []string
	var args []any
	for tenantID, requests := range asking {
		parts = append(parts, `SELECT * FROM (SELECT n.id, n.tenant_id FROM ?schema.jet_run_node AS n
			WHERE n.tenant_id = ? AND n.status = 'ready' AND n.wake_at IS NULL AND (SELECT s.suspended_at FROM ?schema.jet_tenant AS s WHERE s.id = ?) IS NULL ORDER BY n.tenant_id, n.priority DESC, n.id LIMIT ? ?) AS t`)
		args = append(args, tenantID, tenantID, len(requests)+1, bun.Safe(e.s.cfg.DB.Dialect.SkipLocked()))
	}
	var picked []nodeRow
	err := tx.NewRaw("/* across tenants: claims of one process */ "+strings.Join(parts, " UNION ALL "), args...).Scan(ctx, &picked)
	for _, n := range picked {
		requests := asking[n.TenantID]
		if len(requests) > 0 {
			requests[0].nodeID, asking[n.TenantID] = n.ID, requests[1:]
			continue
		}
		for _, r := range batch {
			r.more = r.more || r.tenantID == n.TenantID
		}
	}
	return err
}

// nodeColumns are those of a node's row, for a RETURNING that must not be "*".
const nodeColumns = `id, tenant_id, run_id, key, priority, status, edges_decided, edges_taken, attempt, losses, token, worker_id, ready_at, wake_at,
	started_at, finished_at`

// takeNodes claims the nodes that were picked. It looks for them by nothing but
// their ids: they are locked, and a planner that believes that few nodes are ready
// would look through all that are.
func (e *engine) takeNodes(ctx context.Context, tx bun.IDB, batch []*claimRequest) ([]nodeRow, error) {
	type wanted struct {
		ID    string `json:"new_id"`
		Token string `json:"new_token"`
	}
	var list []wanted
	var ids []string
	byToken := make(map[string]*claimRequest, len(batch))
	for _, r := range batch {
		if r.nodeID != "" {
			list, ids = append(list, wanted{r.nodeID, r.token}), append(ids, r.nodeID)
			byToken[r.token] = r
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	slices.SortFunc(list, func(a, b wanted) int { return cmp.Compare(a.ID, b.ID) })
	d := e.s.cfg.DB.Dialect
	among, few := d.Among("n.id", ids)
	args := append([]any{e.workerID, store.Column(e.s.cfg.Clock.Now()), encode(list)}, few...)
	var rows []nodeRow
	err := store.Select(ctx, tx, &rows, `UPDATE ?schema.jet_run_node AS n /* across tenants: claims of one process */ SET status = 'running', token = d.new_token,
			worker_id = ?, attempt = n.attempt + 1, started_at = ?, finished_at = NULL
		FROM `+d.Records("new_id uuid", "new_token uuid")+` WHERE n.id = d.new_id`+among+`
		RETURNING `+nodeColumns, args...)
	for i := range rows {
		byToken[*rows[i].Token].node = &rows[i]
	}
	return rows, err
}

// readRuns reads the runs of the nodes that were taken, and begins those that
// are still queued. Others lock a run before its nodes, so it must not be waited
// for here: a run that somebody holds begins with the first result.
func (e *engine) readRuns(ctx context.Context, tx bun.IDB, batch []*claimRequest) error {
	var ids []string
	for _, r := range batch {
		if r.node != nil {
			ids = append(ids, r.node.RunID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var begun []string
	d := e.s.cfg.DB.Dialect
	err := store.Select(ctx, tx, &begun, `UPDATE ?schema.jet_run /* across tenants: claims of one process */ SET status = 'running', started_at = ?
		WHERE id IN (SELECT id FROM ?schema.jet_run AS q WHERE `+d.AnyOf("id")+` AND status = 'queued' ORDER BY id `+d.SkipLocked()+`) RETURNING id`,
		store.Column(e.s.cfg.Clock.Now()), d.IDs(ids))
	if err != nil {
		return err
	}
	type withInput struct {
		runRow
		Input string
	}
	var rows []withInput
	err = store.Select(ctx, tx, &rows, `SELECT r.*, d.input FROM ?schema.jet_run AS r /* across tenants: claims of one process */
		JOIN ?schema.jet_run_data AS d ON d.run_id = r.id WHERE `+d.AnyOf("r.id"), d.IDs(ids))
	if err != nil {
		return err
	}
	runs := make(map[string]*withInput, len(rows))
	for i := range rows {
		runs[rows[i].ID] = &rows[i]
	}
	for _, r := range batch {
		if r.node == nil {
			continue
		}
		run := runs[r.node.RunID]
		if run == nil {
			return fmt.Errorf("run %s is not there", r.node.RunID)
		}
		r.run, r.input = &run.runRow, run.Input
		if i := slices.Index(begun, run.ID); i >= 0 {
			r.begun, begun = true, slices.Delete(begun, i, i+1)
		}
	}
	return nil
}

// principal is who a node acts as: the run, on behalf of whoever started it,
// with the rights that were pinned when the version was published.
func (c *claim) principal() *auth.Principal {
	p := auth.ServicePrincipal(c.run.TenantID, "run", c.plan.granted...)
	p.UserID = c.run.OnBehalfOf
	return p
}

// reads is what the expressions of a node read.
type reads struct {
	steps map[string]any // outputs by the keys of nodes
	item  any
}

// read gives what the node reads. A node that was skipped has no output, nor has
// one whose failure ended the run. Large ones are fetched each time: the claim keeps
// the reference only.
func (e *engine) read(ctx context.Context, c *claim) (r reads, err error) {
	if err := e.know(ctx, c); err != nil {
		return r, err
	}
	outputs := make(map[string]*string, len(c.def().needs))
	byRun := make(map[string][]*string)
	add := func(run string, text string) *string {
		byRun[run] = append(byRun[run], &text)
		return &text
	}
	for _, key := range c.def().needs {
		if raw, ok := c.known[key]; ok {
			outputs[key] = add(c.runOf(key), string(raw))
		}
	}
	item := new("null")
	if c.item != nil && c.def().readsItem {
		item = add(*c.run.ParentRunID, *c.item)
	}
	if err := e.fetchFor(ctx, c, byRun); err != nil {
		return r, err
	}
	r.steps = make(map[string]any, len(outputs))
	for key, text := range outputs {
		var v any
		if err := decode(*text, &v); err != nil {
			return r, err
		}
		r.steps[key] = v
	}
	return r, decode(*item, &r.item)
}

// know reads the outputs that the node needs, as far as the worker has not seen
// them.
func (e *engine) know(ctx context.Context, c *claim) error {
	var missing []string
	for _, key := range c.def().needs {
		if _, ok := c.known[key]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var rows []outputRow
	// No two of the runs around one another execute a node of the same key.
	err := e.s.cfg.DB.NewSelect().Model(&rows).Column("key", "output").Where("tenant_id = ?", c.run.TenantID).
		Where("run_id IN (?)", bun.List(append(c.run.around(), c.run.ID))).Where("key IN (?)", bun.List(missing)).Where("output IS NOT NULL").Scan(ctx)
	if err != nil {
		return notPrepared("read the outputs of earlier nodes", err)
	}
	for _, row := range rows {
		c.known[row.Key] = json.RawMessage(*row.Output)
	}
	return nil
}

// fetchFor fetches large texts for a node, each with those of its run; their memory
// is the claim's until [claim.forget].
func (e *engine) fetchFor(ctx context.Context, c *claim, byRun map[string][]*string) error {
	release, err := e.payloads.read(ctx, !c.computed, slices.Concat(slices.Collect(maps.Values(byRun))...))
	if err != nil {
		return err
	}
	for run, texts := range byRun {
		if err := fetch(ctx, e.s.cfg.DB.DB, c.run.TenantID, run, texts...); err != nil {
			release()
			return notPrepared("read the outputs of earlier nodes", err)
		}
	}
	c.forget()
	c.release = release
	return nil
}

// forget gives back the memory of what was fetched for the node.
func (c *claim) forget() {
	if c.release != nil {
		c.release()
		c.release = nil
	}
}
