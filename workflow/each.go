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

// A statement stores at most so many items, of so many bytes.
const (
	itemBatch      = 1000
	itemBatchBytes = 1 << 20
)

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
	db := e.s.cfg.DB
	if _, err := readLoop(ctx, db.DB, &c.node); !store.IsMissing(err) {
		return err
	}
	if err := e.endItems(ctx, c); err != nil {
		return err
	}
	before, err := lastLoop(ctx, db.DB, &c.node, c.node.Attempt-1)
	if err != nil {
		return err
	}
	err = e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		// What is older than the attempt before is of no use, nor is what a process left
		// that died here.
		_, err := tx.NewDelete().Model((*itemRow)(nil)).Where("tenant_id = ?", c.run.TenantID).Where("node_id = ?", c.node.ID).Where("attempt <> ?", before).Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	loop := loopRow{
		TenantID: c.run.TenantID, RunID: c.run.ID, NodeID: c.node.ID, Attempt: c.node.Attempt, Items: len(each.Items),
		Concurrency: cmp.Or(each.Concurrency, DefaultItemConcurrency), MaxFailures: min(each.MaxFailures, len(each.Items)),
	}
	if loop.Begun, err = e.storeChunks(ctx, c, each.Items, before); err != nil {
		return err
	}
	loop.Ended = loop.Begun
	return e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		// It may be there: a commit whose answer was lost can end after it was looked for.
		_, err := tx.NewInsert().Model(&loop).On("CONFLICT DO NOTHING").Exec(ctx)
		return err
	})
}

// endItems cancels the items that earlier attempts have left open, and waits until
// none is: what succeeds meanwhile need not be done again, and no item runs twice at
// the same time.
func (e *engine) endItems(ctx context.Context, c *claim) error {
	for pause := heldPause; ; pause = min(pause*2, maxHeldPause) {
		open, err := e.s.cfg.DB.NewSelect().Model((*runRow)(nil)).Where("tenant_id = ?", c.run.TenantID).Where("parent_run_id = ?", c.run.ID).
			Where("parent_node_id = ?", c.node.ID).Where("parent_attempt < ?", c.node.Attempt).Where("finished_at IS NULL").Where("NOT detached").Count(ctx)
		if err != nil || open == 0 {
			return err
		}
		if err := e.cancelUnwanted(ctx, c.run.ID); err != nil {
			return err
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// forParent is a transaction for a claim that is still good.
func (e *engine) forParent(ctx context.Context, c *claim, do func(context.Context, bun.IDB) error) error {
	return e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := e.holdParent(ctx, tx, c, NodeRunning, e.s.cfg.DB.Dialect.Lock); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// storeChunks stores items, and says how many of them have the run that succeeded
// for them in an earlier attempt.
func (e *engine) storeChunks(ctx context.Context, c *claim, items []any, before int) (taken int, err error) {
	var rows []itemRow
	size, total := 0, 0
	for i, v := range items {
		value, err := e.itemOf(ctx, c, v)
		if err != nil {
			return 0, err
		}
		rows = append(rows, itemRow{TenantID: c.run.TenantID, RunID: c.run.ID, NodeID: c.node.ID, Attempt: c.node.Attempt, ItemIndex: i, Value: value})
		size, total = size+len(value), total+len(value)
		if total > MaxRunOutput {
			return 0, problem.Newf(problem.TooLarge, "items_too_large", "the items have more than %d bytes together", MaxRunOutput).
				Fix("let the list hold what identifies an item, and the body read the rest")
		}
		if len(rows) < itemBatch && size < itemBatchBytes && i < len(items)-1 {
			continue
		}
		n, err := e.storeChunk(ctx, c, rows, before)
		if err != nil {
			return 0, err
		}
		taken += n
		rows, size = rows[:0], 0
	}
	return taken, nil
}

func (e *engine) storeChunk(ctx context.Context, c *claim, rows []itemRow, before int) (taken int, err error) {
	return taken, e.forParent(ctx, c, func(ctx context.Context, tx bun.IDB) error {
		taken = 0
		earlier, err := e.earlierItems(ctx, tx, &c.node, before, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].ItemRunID = nil
			if was, ok := earlier[rows[i].ItemIndex]; ok && was.Input == rows[i].Value {
				rows[i].ItemRunID = &was.RunID
				taken++
			}
		}
		_, err = tx.NewInsert().Model(&rows).Exec(ctx)
		return err
	})
}

// earlierItem is an item that succeeded in an earlier attempt.
type earlierItem struct {
	ItemIndex int
	RunID     string
	Input     string
}

// earlierItems reads those among some items, and keeps their runs from being
// deleted until the end of the transaction.
func (e *engine) earlierItems(ctx context.Context, tx bun.IDB, n *nodeRow, before int, among []itemRow) (map[int]earlierItem, error) {
	own := `SELECT r.item_index, r.id AS run_id, d.input FROM ?schema.jet_run AS r JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
		WHERE r.tenant_id = ?0 AND d.tenant_id = ?0 AND r.parent_node_id = ?1 AND r.parent_attempt = ?2 AND r.item_index BETWEEN ?3 AND ?4 AND r.status = ?5 `
	taken := `SELECT i.item_index, r.id AS run_id, d.input FROM ?schema.jet_run_item AS i
			JOIN ?schema.jet_run AS r ON r.id = i.item_run_id JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
		WHERE i.tenant_id = ?0 AND r.tenant_id = ?0 AND d.tenant_id = ?0 AND i.node_id = ?1 AND i.attempt = ?2 AND i.item_index BETWEEN ?3 AND ?4 AND r.status = ?5 `
	earlier := make(map[int]earlierItem)
	for _, query := range []string{own, taken} {
		var rows []earlierItem
		err := tx.NewRaw(query+e.s.cfg.DB.Dialect.ForUpdateOf("r"), n.TenantID, n.ID, before, among[0].ItemIndex, among[len(among)-1].ItemIndex, RunSucceeded).Scan(ctx, &rows)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			earlier[row.ItemIndex] = row
		}
	}
	return earlier, nil
}

// lastLoop is the last attempt at a node, up to one, that has begun a loop; 0 =
// none, and what a retried run has kept are the items of that.
func lastLoop(ctx context.Context, db bun.IDB, n *nodeRow, most int) (attempt int, err error) {
	err = db.NewSelect().Model((*loopRow)(nil)).ColumnExpr("COALESCE(MAX(attempt), 0)").
		Where("tenant_id = ?", n.TenantID).Where("node_id = ?", n.ID).Where("attempt <= ?", most).Scan(ctx, &attempt)
	return attempt, err
}

// keepItems lets the loops of a retried run take over the items that had succeeded:
// they are those of an attempt before the first.
func (b *beginning) keepItems(ctx context.Context, tx bun.IDB, d store.Dialect) error {
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
			err = n.keepItems(ctx, tx, d, &was)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *nodeRow) keepItems(ctx context.Context, tx bun.IDB, d store.Dialect, was *nodeRow) error {
	last, err := lastLoop(ctx, tx, was, was.Attempt)
	if err != nil {
		return err
	}
	const into = `INSERT INTO ?schema.jet_run_item (tenant_id, run_id, node_id, attempt, item_index, value, item_run_id) `
	_, err = tx.NewRaw(into+`SELECT r.tenant_id, ?, ?, 0, r.item_index, '', r.id FROM ?schema.jet_run AS r
		WHERE r.tenant_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ? AND r.status = ? `+d.ForUpdateOf("r"),
		n.RunID, n.ID, was.TenantID, was.ID, last, RunSucceeded).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(into+`SELECT i.tenant_id, ?, ?, 0, i.item_index, '', r.id FROM ?schema.jet_run_item AS i JOIN ?schema.jet_run AS r ON r.id = i.item_run_id
		WHERE i.tenant_id = ? AND r.tenant_id = ? AND i.node_id = ? AND i.attempt = ? `+d.ForUpdateOf("r"),
		n.RunID, n.ID, was.TenantID, was.TenantID, was.ID, last).Exec(ctx)
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
	items := loops[i].items()
	if n.FinishedAt != nil { // those that were under way have been cancelled
		items.Ended = items.Begun
	}
	return &items
}

func (l *loopRow) items() Items {
	return Items{Total: l.Items, Begun: l.Begun, Ended: l.Ended, Failed: l.Failed}
}
