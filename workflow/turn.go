package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// turn goes on with a loop whose node waits: it fails when too many of its items
// have, begins as many of the others as there is room for, and succeeds when all
// have ended. ok = false: the loop goes on.
func (e *engine) turn(ctx context.Context, c *claim) (o outcome, ok bool, err error) {
	var loop loopRow
	var begun []*beginning
	err = e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		begun = nil
		if err := e.holdParent(ctx, tx, c, NodeWaiting); err != nil {
			return err
		}
		if loop, err = readLoop(ctx, tx, &c.node); err != nil {
			return err
		}
		if err := loop.count(ctx, tx); err != nil || loop.Failed > loop.MaxFailures {
			return err
		}
		begun, err = e.beginItems(ctx, tx, c, loop.Concurrency-(loop.Begun-loop.Ended))
		loop.Begun += len(begun)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&loop).Column("begun", "ended", "failed").WherePK().Where("tenant_id = ?", loop.TenantID).Exec(ctx)
		return err
	})
	switch {
	case errors.Is(err, errNotOurs): // it waits no more
		return outcome{}, false, nil
	case err != nil:
		return outcome{}, false, err
	}
	e.itemsBegun(ctx, begun)
	e.s.events.loop(&c.node, &loop)
	switch {
	case loop.Failed > loop.MaxFailures:
		o, err = e.tooManyFailed(ctx, c, &loop)
	case loop.Ended == loop.Items:
		return e.collect(ctx, c, &loop)
	default:
		return outcome{}, false, nil
	}
	return o, err == nil, err
}

// count looks how many of the items that have begun have ended. The run with the
// loop is locked, so that none begins meanwhile.
func (l *loopRow) count(ctx context.Context, tx bun.IDB) error {
	var open int
	err := tx.NewRaw(`SELECT
			(SELECT count(*) FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.parent_run_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ? AND r.finished_at IS NULL),
			(SELECT count(*) FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ? AND r.status IN ('failed', 'cancelled', 'timedOut'))`,
		l.TenantID, l.RunID, l.NodeID, l.Attempt, l.TenantID, l.NodeID, l.Attempt).Scan(ctx, &open, &l.Failed)
	l.Ended = l.Begun - open
	return err
}

// recount says anew how many items have begun: the run of one that was taken over
// may have been deleted.
func (l *loopRow) recount(ctx context.Context, db bun.IDB) error {
	_, err := db.NewRaw(`UPDATE ?schema.jet_run_loop SET begun = (SELECT count(i.item_run_id) FROM ?schema.jet_run_item AS i WHERE i.tenant_id = ? AND i.node_id = ? AND i.attempt = ?)
		WHERE tenant_id = ? AND node_id = ? AND attempt = ?`, l.TenantID, l.NodeID, l.Attempt, l.TenantID, l.NodeID, l.Attempt).Exec(ctx)
	return err
}

// beginItems stores the runs of the next items.
func (e *engine) beginItems(ctx context.Context, tx bun.IDB, c *claim, room int) ([]*beginning, error) {
	if room <= 0 {
		return nil, nil
	}
	var next []itemRow
	err := tx.NewSelect().Model(&next).Where("tenant_id = ?", c.run.TenantID).Where("node_id = ?", c.node.ID).Where("attempt = ?", c.node.Attempt).
		Where("item_run_id IS NULL").OrderExpr("item_index").Limit(int64(room)).Scan(ctx)
	if err != nil || len(next) == 0 {
		return nil, err
	}
	now := e.s.cfg.Clock.Now()
	begun := make([]*beginning, len(next))
	indexes := make([]int, len(next))
	for i, item := range next {
		begun[i], indexes[i] = newItem(c, item, now), item.ItemIndex
	}
	if err := insertRuns(ctx, tx, begun); err != nil {
		return nil, err
	}
	_, err = tx.NewRaw(`UPDATE ?schema.jet_run_item AS i SET item_run_id = r.id, value = NULL FROM ?schema.jet_run AS r
		WHERE i.tenant_id = ? AND i.node_id = ? AND i.attempt = ? AND i.item_index IN (?)
			AND r.tenant_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ? AND r.item_index = i.item_index`,
		c.run.TenantID, c.node.ID, c.node.Attempt, bun.List(indexes), c.run.TenantID, c.node.ID, c.node.Attempt).Exec(ctx)
	return begun, err
}

// itemsBegun does what follows the commit of runs of items.
func (e *engine) itemsBegun(ctx context.Context, begun []*beginning) {
	for _, b := range begun {
		e.s.events.run(ctx, &b.run, nil)
		e.s.telemetry.started(&b.run)
	}
	if len(begun) > 0 {
		e.dispatch(Hint{begun[0].run.TenantID, len(begun) * len(begun[0].ready)})
	}
}

// itemError is why an item failed, in the output of its loop.
type itemError struct {
	Index   int          `json:"index"`
	RunID   string       `json:"runId"`
	Kind    problem.Kind `json:"kind"`
	Code    string       `json:"code"`
	Message string       `json:"message"`
}

// itemResult is what an item came to.
type itemResult struct {
	ItemIndex int
	RunID     string
	Status    RunStatus
	Output    *string
	Error     *string
}

func (r *itemResult) failure() itemError {
	p := childProblem(&runRow{ID: r.RunID}, &runDataRow{Error: r.Error})
	return itemError{Index: r.ItemIndex, RunID: r.RunID, Kind: p.Kind, Code: p.Code, Message: p.Message}
}

// results reads what items came to, in their order.
func (e *engine) results(ctx context.Context, n *nodeRow, after, limit int, also string) (rows []itemResult, err error) {
	err = e.s.cfg.DB.NewRaw(`SELECT i.item_index, r.id AS run_id, r.status, d.output, d.error FROM ?schema.jet_run_item AS i
			JOIN ?schema.jet_run AS r ON r.id = i.item_run_id JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
		WHERE i.tenant_id = ? AND i.node_id = ? AND i.attempt = ? AND i.item_index > ? AND r.tenant_id = ? AND d.tenant_id = ? `+also+`
		ORDER BY i.item_index LIMIT ?`, n.TenantID, n.ID, n.Attempt, after, n.TenantID, n.TenantID, limit).Scan(ctx, &rows)
	return rows, err
}

// tooManyFailed is the failure of a loop: that of the first item that failed, with
// where it was.
func (e *engine) tooManyFailed(ctx context.Context, c *claim, loop *loopRow) (outcome, error) {
	rows, err := e.results(ctx, &c.node, -1, 1, "AND r.status IN ('failed', 'cancelled', 'timedOut')")
	if err != nil || len(rows) == 0 {
		return outcome{}, err
	}
	first := childProblem(&runRow{ID: rows[0].RunID}, &runDataRow{Error: rows[0].Error})
	p := problem.Newf(first.Kind, first.Code, "item %d: %s", rows[0].ItemIndex, first.Message)
	p.Remedy, p.Faults = first.Remedy, first.Faults
	if loop.MaxFailures > 0 {
		p.Message = fmt.Sprintf("more than %d items failed, the first of them %s", loop.MaxFailures, p.Message)
	}
	return e.failed(c, p), nil
}

// resultsPage is how many results are read at a time.
const resultsPage = 200

// collect makes the output of a loop whose items have ended. ok = false: the run of
// an item that was taken over is not there any more, so the item begins anew.
func (e *engine) collect(ctx context.Context, c *claim, loop *loopRow) (o outcome, ok bool, err error) {
	list := &resultList{errors: []itemError{}}
	for last := -1; list.count < loop.Items; {
		rows, err := e.results(ctx, &c.node, last, resultsPage, "")
		if err != nil {
			return outcome{}, false, err
		}
		if len(rows) == 0 {
			e.tender.add(parentOf(&c.node))
			return outcome{}, false, loop.recount(ctx, e.s.cfg.DB.DB)
		}
		for i := range rows {
			if err := e.addResult(ctx, c, list, &rows[i]); problem.Is(err, problem.TooLarge) {
				return e.failed(c, err), true, nil
			} else if err != nil {
				return outcome{}, false, err
			}
		}
		last = rows[len(rows)-1].ItemIndex
	}
	return outcome{status: NodeSucceeded, port: PortSuccess, output: list.output()}, true, nil
}

func (e *engine) addResult(ctx context.Context, c *claim, list *resultList, r *itemResult) error {
	if r.Status != RunSucceeded {
		list.fail(r.failure())
		return nil
	}
	text := "null"
	if r.Output != nil {
		text = *r.Output
	}
	release, err := e.payloads.read(ctx, true, []*string{&text})
	if err != nil {
		return err
	}
	defer release()
	if err := fetch(ctx, e.s.cfg.DB.DB, c.run.TenantID, r.RunID, &text); err != nil {
		return err
	}
	return list.add(text)
}

// resultList is the output of a loop in the making.
type resultList struct {
	results bytes.Buffer
	count   int
	failed  int
	errors  []itemError
}

func (l *resultList) add(text string) error {
	if l.results.Len()+len(text) > MaxOutput {
		return problem.Newf(problem.TooLarge, "node_output_too_large", "the results of the items have more than %d bytes together", MaxOutput).
			Fix("let the body return less: its last node decides what is kept of an item")
	}
	if l.count > 0 {
		l.results.WriteByte(',')
	}
	l.count++
	l.results.WriteString(text)
	return nil
}

func (l *resultList) fail(e itemError) {
	l.failed++
	if len(l.errors) < MaxItemErrors {
		l.errors = append(l.errors, e)
	}
	_ = l.add("null") // four bytes; the check of the whole output counts them
}

func (l *resultList) output() json.RawMessage {
	out := []byte(`{"count":` + strconv.Itoa(l.count) + `,"failed":` + strconv.Itoa(l.failed) + `,"errors":` + encode(l.errors) + `,"results":[`)
	return append(append(out, l.results.Bytes()...), "]}"...)
}
