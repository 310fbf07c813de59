package workflow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Concurrency bounds how many runs of a workflow are under way at a time, in all
// processes together, whichever versions they execute. Test runs, and the runs that
// their nodes begin, are not counted. Nor is a run that another one of the limit
// waits for, directly or through runs in between: it runs in that one's place. No
// run cancels one that it descends from; it waits for its place instead.
type Concurrency struct {
	Max    int               `json:"max" minimum:"1" maximum:"10000" doc:"runs at a time; the newest start tells it"`
	Key    string            `json:"key,omitempty" doc:"expression of input and tenant, as in input.customerId: each of its values has a limit of its own; default one for the workflow"`
	Policy ConcurrencyPolicy `json:"policy,omitempty" enum:"queue,reject,cancelOldest" doc:"what becomes of a start beyond the limit; default queue"`
}

// ConcurrencyPolicy is what becomes of a start for which there is no room.
type ConcurrencyPolicy string

// The policies.
const (
	ConcurrencyQueue        ConcurrencyPolicy = "queue"        // the run is held, and begins in its turn
	ConcurrencyReject       ConcurrencyPolicy = "reject"       // there is no run
	ConcurrencyCancelOldest ConcurrencyPolicy = "cancelOldest" // the run begins, and the oldest is cancelled
)

const maxConcurrency = 10_000

// concurrency checks the setting and compiles its key.
func (c *checker) concurrency(s *Concurrency) {
	if s == nil {
		return
	}
	const path = "settings.concurrency"
	c.faults.Check(s.Max >= 1 && s.Max <= maxConcurrency, path+".max", "must be between 1 and 10000")
	c.faults.Check(slices.Contains([]ConcurrencyPolicy{"", ConcurrencyQueue, ConcurrencyReject, ConcurrencyCancelOldest}, s.Policy),
		path+".policy", "must be one of queue, reject, cancelOldest")
	if s.Key == "" {
		return
	}
	key, err := expr.ParseExpression(s.Key)
	if err != nil {
		c.faults.Merge(path+".key", err)
		return
	}
	for _, r := range key.Refs() {
		if r.Root != "input" && r.Root != "tenant" {
			c.faults.Addf(path+".key", "uses %s, which does not exist here", r.Root)
		}
	}
	c.plan.slotKey = key
}

// runSlot names what runs compete for.
type runSlot struct{ tenantID, workflowID, key string }

func (r *runRow) slot() runSlot { return runSlot{r.TenantID, r.WorkflowID, *r.SlotKey} }

func compareSlots(a, b runSlot) int {
	return cmp.Or(cmp.Compare(a.tenantID, b.tenantID), cmp.Compare(a.workflowID, b.workflowID), cmp.Compare(a.key, b.key))
}

// maxSlotKey is the longest key that is stored as it is.
const maxSlotKey = 200

// limit makes a run that is about to be stored compete for room, if its graph
// says so.
func (b *beginning) limit() error {
	if b.plan.graph.settings().Concurrency == nil || b.run.Status.Final() || b.run.Test {
		return nil
	}
	key := ""
	if b.plan.slotKey != nil {
		v, err := b.plan.slotKey.Eval(expr.Env{"input": b.input, "tenant": map[string]any{"id": b.run.TenantID}, "now": b.run.CreatedAt})
		if err != nil {
			return problem.New(problem.Invalid, "concurrency_key_invalid", "the key of the workflow's concurrency limit has no value for this input").Because(err)
		}
		if key = encode(v); len(key) > maxSlotKey {
			sum := sha256.Sum256([]byte(key))
			key = hex.EncodeToString(sum[:])
		}
	}
	b.run.SlotKey = &key
	return nil
}

// hold keeps a run from beginning: nothing of it is ready.
func (b *beginning) hold() {
	for _, n := range b.ready {
		n.Status, n.ReadyAt = NodePending, nil
	}
	b.held, b.ready, b.run.Held = b.ready, nil, true
	b.run.waitOnly(b.plan.graph.settings())
}

// unhold undoes hold, for a transaction that is repeated.
func (b *beginning) unhold() {
	if !b.run.Held {
		return
	}
	for _, n := range b.held {
		n.Status, n.ReadyAt = NodeReady, &b.run.CreatedAt
	}
	b.held, b.ready, b.run.Held = nil, b.held, false
	b.run.begin(b.plan.graph.settings(), b.run.CreatedAt)
}

// waitOnly lets the clock of waiting alone run.
func (r *runRow) waitOnly(s Settings) {
	s.Timeout = 0
	r.begin(s, r.CreatedAt)
}

// slotPatience is when a slot with runs that are held is looked at in any case.
const slotPatience = 5 * time.Second

// compete gives a run that is about to be stored its place: it begins, is held,
// is refused, or takes the place of the oldest. The row of the slot is locked for
// the rest of the transaction, so that starts and admissions see each other.
func (b *beginning) compete(ctx context.Context, tx bun.IDB) error {
	b.victims = nil
	b.unhold()
	s, limit := b.run.slot(), b.plan.graph.settings().Concurrency
	if err := enterSlot(ctx, tx, s, limit.Max); err != nil {
		return err
	}
	if b.run.IdempotencyKey != nil { // a second start takes nobody's place
		if err := b.find(ctx, tx); err == nil || !store.IsMissing(err) {
			return err
		}
	}
	admitted, err := inSlot(ctx, tx, s, false, limit.Max)
	if err != nil {
		return err
	}
	held, err := inSlot(ctx, tx, s, true, 1)
	if err != nil {
		return err
	}
	room, queue := len(admitted) < limit.Max, limit.Policy == "" || limit.Policy == ConcurrencyQueue
	oldest := b.oldestBeside(admitted)
	switch {
	case room && !(queue && len(held) > 0):
		return nil
	case limit.Policy == ConcurrencyReject:
		return problem.New(problem.RateLimited, "concurrency_limit", "as many runs are under way as the workflow allows").
			Fix("try again when one has ended")
	case queue || oldest < 0:
		b.hold()
		return lookAtSlot(ctx, tx, s, b.run.CreatedAt.Add(slotPatience))
	}
	return b.replace(ctx, tx, admitted[oldest])
}

// enterSlot locks the row of a slot.
func enterSlot(ctx context.Context, tx bun.IDB, s runSlot, most int) error {
	_, err := tx.NewRaw(`INSERT INTO ?schema.jet_run_slot (tenant_id, workflow_id, key, most) VALUES (?, ?, ?, ?)
		ON CONFLICT (tenant_id, workflow_id, key) DO UPDATE SET most = EXCLUDED.most`, s.tenantID, s.workflowID, s.key, most).Exec(ctx)
	return err
}

// inSlot lists open runs of a slot, oldest first.
func inSlot(ctx context.Context, tx bun.IDB, s runSlot, held bool, limit int) (rows []runRow, err error) {
	err = tx.NewSelect().Model(&rows).Where("tenant_id = ?", s.tenantID).Where("workflow_id = ?", s.workflowID).Where("slot_key = ?", s.key).
		Where("held = ?", held).Where("finished_at IS NULL").OrderExpr("id").Limit(int64(limit)).Scan(ctx)
	return rows, err
}

// victim is a run that was cancelled to make room, with the nodes that were
// cancelled with it.
type victim struct {
	run   runRow
	nodes []nodeRow
}

// replace cancels the run whose place is taken. One that ended meanwhile has left
// it by itself.
func (b *beginning) replace(ctx context.Context, tx bun.IDB, v runRow) error {
	now := b.run.CreatedAt
	n, err := store.Changed(tx.NewUpdate().Model((*runRow)(nil)).Set("status = ?", RunCancelled).Set("finished_at = ?", now).
		Set("open_nodes = 0").Set("waiting_nodes = 0").
		Where("id = ?", v.ID).Where("tenant_id = ?", v.TenantID).Where("finished_at IS NULL").Exec(ctx))
	if err != nil || n == 0 {
		return err
	}
	v.Status, v.FinishedAt, v.OpenNodes, v.WaitingNodes = RunCancelled, &now, 0, 0
	if err := cancelWaits(ctx, tx, &v, now); err != nil {
		return err
	}
	nodes, err := cancelNodes(ctx, tx, &v, now)
	b.victims = []victim{{v, nodes}}
	return err
}

// beginLimited is begin for a run that competes for room.
func (e *engine) beginLimited(ctx context.Context, b *beginning) error {
	return e.beginWith(ctx, b, func(ctx context.Context, tx bun.IDB) error { return insertRuns(ctx, tx, []*beginning{b}) })
}
