package workflow

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Each is a loop: the body of the node runs once for every item, as a run of its
// own. The node waits for them, holding no worker, and its output is the object
//
//	{"results": […], "count": 3, "failed": 1, "errors": [{"index": 1, "code": …, "message": …}]}
//
// in which results has what every item came to, in the order of the items, null
// for those that failed, and errors the first [MaxItemErrors] of these.
//
// Another attempt at the node runs only the items that have not succeeded, or are
// not what they were.
type Each struct {
	Items []any // at most MaxItems

	// Concurrency is how many items run at a time: 1 to MaxItemConcurrency; 0 =
	// DefaultItemConcurrency.
	Concurrency int

	// MaxFailures is how many items may fail. One more fails the node, and the items
	// that are under way are cancelled.
	MaxFailures int
}

// The bounds of loops.
const (
	MaxItems               = 100_000
	MaxItemErrors          = 100
	MaxItemConcurrency     = 1000
	DefaultItemConcurrency = 10
)

func (each *Each) check() error {
	var f problem.Faults
	f.Check(len(each.Items) <= MaxItems, "items", fmt.Sprintf("must not be more than %d", MaxItems))
	f.Check(each.Concurrency >= 0 && each.Concurrency <= MaxItemConcurrency, "concurrency", fmt.Sprintf("must be between 1 and %d", MaxItemConcurrency))
	f.Check(each.MaxFailures >= 0, "maxFailures", "must not be negative")
	return f.Err("loop_invalid", "the node asks for a loop that is not possible")
}

type loopRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_loop,alias:l"`

	TenantID    string
	RunID       string
	NodeID      string `bun:",pk"`
	Attempt     int    `bun:",pk"`
	Items       int
	Begun       int // items that have a run
	Ended       int // of these, the ones whose run has ended
	Failed      int // of these, the ones that did not succeed
	Next        int // no item before this index has yet to begin
	Concurrency int
	MaxFailures int
}

type itemRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_item,alias:i"`

	TenantID  string
	RunID     string // with the loop
	NodeID    string `bun:",pk"`
	Attempt   int    `bun:",pk"`
	ItemIndex int    `bun:",pk"`
	Value     string // JSON, or a reference relative to the run
	ItemRunID *string
}

// itemBatch is how many items a statement stores.
const itemBatch = 1000

// startEach stores the items of a loop. The row of the loop comes last: with it
// the items are complete, and an attempt that lost its process goes on with them.
func (e *engine) startEach(ctx context.Context, c *claim, r *Result) error {
	if !c.loops() {
		return problem.New(problem.Internal, "node_without_body", "the node asks for a loop, and its type has no body")
	}
	if c.node.ID == "" {
		return problem.New(problem.Internal, "node_not_stored", "the node has no row yet")
	}
	if err := c.deeper(); err != nil {
		return err
	}
	r.waits = true
	return e.endure(ctx, c, func() error { return e.storeItems(ctx, c, r.Each) })
}

func (e *engine) storeItems(ctx context.Context, c *claim, each *Each) error {
	if _, err := readLoop(ctx, e.s.cfg.DB.DB, &c.node); !store.IsMissing(err) {
		return err
	}
	err := e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewDelete().Model((*itemRow)(nil)).Where("tenant_id = ?", c.run.TenantID).Where("node_id = ?", c.node.ID).Where("attempt = ?", c.node.Attempt).Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	loop := loopRow{
		TenantID: c.run.TenantID, RunID: c.run.ID, NodeID: c.node.ID, Attempt: c.node.Attempt, Items: len(each.Items),
		Concurrency: cmp.Or(each.Concurrency, DefaultItemConcurrency), MaxFailures: each.MaxFailures,
	}
	first := 0
	for chunk := range slices.Chunk(each.Items, itemBatch) {
		taken, err := e.storeChunk(ctx, c, chunk, first)
		if err != nil {
			return err
		}
		first += len(chunk)
		loop.Begun, loop.Ended = loop.Begun+taken, loop.Ended+taken
	}
	return e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewInsert().Model(&loop).Exec(ctx)
		return err
	})
}

// forParent is a transaction for a claim that is still good.
func (e *engine) forParent(ctx context.Context, c *claim, do func(context.Context, bun.IDB) error) error {
	return e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := e.holdParent(ctx, tx, c, NodeRunning); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// storeChunk stores items, and says how many of them have the run that succeeded
// for them in the attempt before.
func (e *engine) storeChunk(ctx context.Context, c *claim, items []any, first int) (taken int, err error) {
	earlier, err := e.earlierItems(ctx, &c.node, first, first+len(items))
	if err != nil {
		return 0, err
	}
	rows := make([]itemRow, len(items))
	for i, v := range items {
		value, err := e.itemOf(ctx, c, v)
		if err != nil {
			return 0, err
		}
		rows[i] = itemRow{TenantID: c.run.TenantID, RunID: c.run.ID, NodeID: c.node.ID, Attempt: c.node.Attempt, ItemIndex: first + i, Value: value}
		if before, ok := earlier[first+i]; ok && before.Input == value {
			rows[i].ItemRunID = &before.RunID
			taken++
		}
	}
	return taken, e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewInsert().Model(&rows).Exec(ctx)
		return err
	})
}

// earlierItem is an item that succeeded in the attempt before.
type earlierItem struct {
	ItemIndex int
	RunID     string
	Input     string
}

func (e *engine) earlierItems(ctx context.Context, n *nodeRow, from, to int) (map[int]earlierItem, error) {
	var rows []earlierItem
	err := e.s.cfg.DB.NewRaw(`SELECT r.item_index, r.id AS run_id, d.input FROM ?schema.jet_run AS r JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
			WHERE r.tenant_id = ?0 AND d.tenant_id = ?0 AND r.parent_node_id = ?1 AND r.parent_attempt = ?2 AND r.item_index >= ?3 AND r.item_index < ?4 AND r.status = ?5
		UNION ALL SELECT i.item_index, r.id AS run_id, d.input FROM ?schema.jet_run_item AS i
				JOIN ?schema.jet_run AS r ON r.id = i.item_run_id JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
			WHERE i.tenant_id = ?0 AND r.tenant_id = ?0 AND d.tenant_id = ?0 AND i.node_id = ?1 AND i.attempt = ?2 AND i.item_index >= ?3 AND i.item_index < ?4 AND r.status = ?5`,
		n.TenantID, n.ID, n.Attempt-1, from, to, RunSucceeded).Scan(ctx, &rows)
	earlier := make(map[int]earlierItem, len(rows))
	for _, row := range rows {
		earlier[row.ItemIndex] = row
	}
	return earlier, err
}

// keepItems lets the loops of a retried run take over the items that had succeeded:
// they are those of an attempt before the first.
func (b *beginning) keepItems(ctx context.Context, tx bun.IDB) error {
	for _, n := range slices.Concat(b.ready, b.held) {
		if !b.plan.nodes[n.Key].nodeType.spec.Container {
			continue
		}
		var was nodeRow
		err := tx.NewSelect().Model(&was).Where("tenant_id = ?", n.TenantID).Where("run_id = ?", *b.run.RerunOf).Where("key = ?", n.Key).Scan(ctx)
		if store.IsMissing(err) {
			continue // the run had not come to it
		}
		if err == nil {
			err = n.keepItems(ctx, tx, &was)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *nodeRow) keepItems(ctx context.Context, tx bun.IDB, was *nodeRow) error {
	const into = `INSERT INTO ?schema.jet_run_item (tenant_id, run_id, node_id, attempt, item_index, value, item_run_id) `
	_, err := tx.NewRaw(into+`SELECT tenant_id, ?, ?, 0, item_index, '', id FROM ?schema.jet_run
		WHERE tenant_id = ? AND parent_node_id = ? AND parent_attempt = ? AND status = ?`, n.RunID, n.ID, was.TenantID, was.ID, was.Attempt, RunSucceeded).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(into+`SELECT tenant_id, ?, ?, 0, item_index, '', item_run_id FROM ?schema.jet_run_item
		WHERE tenant_id = ? AND node_id = ? AND attempt = ? AND item_run_id IS NOT NULL`, n.RunID, n.ID, was.TenantID, was.ID, was.Attempt).Exec(ctx)
	return err
}

// readLoop reads the loop that the last attempt at a node has begun.
func readLoop(ctx context.Context, db bun.IDB, n *nodeRow) (row loopRow, err error) {
	err = db.NewSelect().Model(&row).Where("tenant_id = ?", n.TenantID).Where("node_id = ?", n.ID).Where("attempt = ?", n.Attempt).Scan(ctx)
	return row, err
}

// hasLoop reports whether the last attempt at a node has begun a loop. One of a
// type with a body may have done something else.
func hasLoop(ctx context.Context, db bun.IDB, c *claim) (bool, error) {
	if !c.loops() {
		return false, nil
	}
	_, err := readLoop(ctx, db, &c.node)
	if store.IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// readLoops reads the loops of a run.
func readLoops(ctx context.Context, db bun.IDB, run *runRow) (rows []loopRow, err error) {
	err = db.NewSelect().Model(&rows).Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Scan(ctx)
	return rows, err
}

// items says how far the last attempt at a loop has come; nil for what is none, and
// before its items are stored.
func (n *nodeRow) items(loops []loopRow) *Items {
	i := slices.IndexFunc(loops, func(l loopRow) bool { return l.NodeID == n.ID && l.Attempt == n.Attempt })
	if i < 0 {
		return nil
	}
	return loops[i].items()
}

func (l *loopRow) items() *Items {
	return &Items{Total: l.Items, Begun: l.Begun, Ended: l.Ended, Failed: l.Failed}
}
