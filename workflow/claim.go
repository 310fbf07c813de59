package workflow

import (
	"context"
	"encoding/json"
	"fmt"
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

	// known are outputs that the worker has seen on its way along the run, so that
	// they need not be read again.
	known map[string]json.RawMessage

	successor string // the token under which the worker may take a successor

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

// chains reports whether the worker may go on with a successor of the node.
func (c *claim) chains() bool {
	return c.steps < maxChainSteps && time.Since(c.since) < maxChainTime
}

// next is the claim of a successor that was taken in the transaction that
// finished this one.
func (c *claim) next(n nodeRow) *claim {
	return &claim{node: n, run: c.run, plan: c.plan, input: c.input, known: c.known, steps: c.steps + 1, since: c.since}
}

// claim takes a node that is ready. nil without an error: somebody else has it,
// or it is not ready any more.
func (e *engine) claim(ctx context.Context, h Hint) (*claim, error) {
	db, token := e.s.cfg.DB, id.New()
	c := &claim{known: make(map[string]json.RawMessage), since: time.Now()}
	e.inFlight.hold(token)
	err := db.NewRaw(`UPDATE ?schema.jet_run_node SET status = 'running', token = ?, worker_id = ?, attempt = attempt + 1,
			wake_at = NULL, started_at = ?, finished_at = NULL
		WHERE id = ? AND tenant_id = ? AND status = 'ready' AND (wake_at IS NULL OR wake_at <= ?) RETURNING *`,
		token, e.workerID, e.s.cfg.Clock.Now(), h.NodeID, h.TenantID, bun.Safe(db.Dialect.Now())).Scan(ctx, &c.node)
	if err == nil {
		if err = e.load(ctx, c); err == nil {
			return c, nil
		}
		e.handBack(ctx, &c.node)
	}
	e.inFlight.release(token)
	if store.IsMissing(err) && c.node.ID == "" {
		return nil, nil
	}
	return nil, err
}

// load reads the run of a claimed node.
func (e *engine) load(ctx context.Context, c *claim) (err error) {
	db := e.s.cfg.DB
	if c.run, err = readRun(ctx, db.DB, c.node.TenantID, c.node.RunID, nil); err != nil {
		return fmt.Errorf("read the run: %w", err)
	}
	if c.plan, err = e.s.planOf(ctx, db.DB, c.run.TenantID, c.run.WorkflowID, c.run.WorkflowVersion); err != nil {
		return fmt.Errorf("read the version: %w", err)
	}
	data, err := readRunData(ctx, db.DB, c.run.TenantID, c.run.ID)
	if err != nil {
		return fmt.Errorf("read the input: %w", err)
	}
	if err := decode(data.Input, &c.input); err != nil {
		return err
	}
	if c.run.Status == RunQueued {
		if err := e.markRunning(ctx, c); err != nil {
			return err
		}
	}
	e.s.events.node(ctx, &c.node, "", nil)
	return nil
}

func (e *engine) markRunning(ctx context.Context, c *claim) error {
	now := e.s.cfg.Clock.Now()
	n, err := store.Changed(e.s.cfg.DB.NewUpdate().Model((*runRow)(nil)).Set("status = ?", RunRunning).Set("started_at = ?", now).
		Where("id = ?", c.run.ID).Where("tenant_id = ?", c.run.TenantID).Where("status = ?", RunQueued).Exec(ctx))
	if err == nil && n == 1 {
		c.run.Status, c.run.StartedAt = RunRunning, &now
		e.s.events.run(ctx, &c.run, nil)
	}
	return err
}

// principal is who a node acts as: the run, on behalf of whoever started it,
// with the rights that were pinned when the version was published.
func (c *claim) principal() *auth.Principal {
	p := auth.ServicePrincipal(c.run.TenantID, "run", c.plan.granted...)
	p.UserID = c.run.OnBehalfOf
	return p
}

// outputs gives the outputs of the nodes that this one reads, by key. A node
// that was skipped or failed has none.
func (e *engine) outputs(ctx context.Context, c *claim) (map[string]any, error) {
	var missing []string
	for _, key := range c.def().needs {
		if _, ok := c.known[key]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		var rows []outputRow
		err := e.s.cfg.DB.NewSelect().Model(&rows).Column("key", "output").Where("tenant_id = ?", c.run.TenantID).
			Where("run_id = ?", c.run.ID).Where("key IN (?)", bun.List(missing)).Where("status = ?", NodeSucceeded).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: read the outputs of earlier nodes: %w", errNotPrepared, err)
		}
		for _, row := range rows {
			if row.Output != nil {
				c.known[row.Key] = json.RawMessage(*row.Output)
			}
		}
	}
	outputs := make(map[string]any, len(c.def().needs))
	for _, key := range c.def().needs {
		raw, ok := c.known[key]
		if !ok {
			continue
		}
		var v any
		if err := decode(string(raw), &v); err != nil {
			return nil, err
		}
		outputs[key] = v
	}
	return outputs, nil
}
