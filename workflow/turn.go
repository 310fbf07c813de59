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
		if begun, err = e.beginItems(ctx, tx, c, &loop); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&loop).Column("begun", "ended", "failed", "next").WherePK().Where("tenant_id = ?", loop.TenantID).Exec(ctx)
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
	_, err := db.NewRaw(`UPDATE ?schema.jet_run_loop SET next = 0, begun = items - (SELECT count(*) FROM ?schema.jet_run_item AS i
			WHERE i.tenant_id = ? AND i.node_id = ? AND i.attempt = ? AND i.item_run_id IS NULL)
		WHERE tenant_id = ? AND node_id = ? AND attempt = ?`, l.TenantID, l.NodeID, l.Attempt, l.TenantID, l.NodeID, l.Attempt).Exec(ctx)
	return err
}

// beginItems stores the runs of the next items, as many as there is room for. Items
// are looked for and deleted by ranges of their indexes, whatever the planner believes
// of the tables.
func (e *engine) beginItems(ctx context.Context, tx bun.IDB, c *claim, l *loopRow) ([]*beginning, error) {
	room := l.Concurrency - (l.Begun - l.Ended)
	if room <= 0 || l.Begun == l.Items {
		return nil, nil
	}
	var next []itemRow
	err := tx.NewSelect().Model(&next).Where("tenant_id = ?", l.TenantID).Where("node_id = ?", l.NodeID).Where("attempt = ?", l.Attempt).
		Where("item_index >= ?", l.Next).Where("item_run_id IS NULL").OrderExpr("node_id, attempt, item_index").Limit(int64(room)).Scan(ctx)
	if err != nil || len(next) == 0 {
		return nil, err
	}
	now := e.s.cfg.Clock.Now()
	begun := make([]*beginning, len(next))
	for i, item := range next {
		begun[i] = newItem(c, item, now)
	}
	if err := insertRuns(ctx, tx, begun); err != nil {
		return nil, err
	}
	first, last := next[0].ItemIndex, next[len(next)-1].ItemIndex
	_, err = tx.NewDelete().Model((*itemRow)(nil)).Where("tenant_id = ?", l.TenantID).Where("node_id = ?", l.NodeID).Where("attempt = ?", l.Attempt).
		Where("item_index BETWEEN ? AND ?", first, last).Where("item_run_id IS NULL").Exec(ctx)
	l.Begun, l.Next = l.Begun+len(next), last+1
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

func (r *itemResult) problem() *problem.Error {
	return childProblem(&runRow{ID: r.RunID}, &runDataRow{Error: r.Error})
}

func (r *itemResult) failure() itemError {
	p := r.problem()
	return itemError{Index: r.ItemIndex, RunID: r.RunID, Kind: p.Kind, Code: p.Code, Message: p.Message}
}

// results reads what items came to, in their order: those of this attempt, and those
// that it has from the one before.
func (e *engine) results(ctx context.Context, l *loopRow, after int) (rows []itemResult, err error) {
	err = e.s.cfg.DB.NewRaw(`SELECT * FROM (SELECT r.item_index, r.id AS run_id, r.status, d.output, d.error FROM ?schema.jet_run AS r
				JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
			WHERE r.tenant_id = ?0 AND d.tenant_id = ?0 AND r.parent_node_id = ?1 AND r.parent_attempt = ?2 AND r.item_index > ?3
			ORDER BY r.parent_node_id, r.parent_attempt, r.item_index LIMIT ?4) AS own
		UNION ALL SELECT * FROM (SELECT i.item_index, r.id AS run_id, r.status, d.output, d.error FROM ?schema.jet_run_item AS i
				JOIN ?schema.jet_run AS r ON r.id = i.item_run_id JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
			WHERE i.tenant_id = ?0 AND r.tenant_id = ?0 AND d.tenant_id = ?0 AND i.node_id = ?1 AND i.attempt = ?2 AND i.item_index > ?3
			ORDER BY i.node_id, i.attempt, i.item_index LIMIT ?4) AS taken
		ORDER BY item_index LIMIT ?4`, l.TenantID, l.NodeID, l.Attempt, after, resultsPage).Scan(ctx, &rows)
	return rows, err
}

// firstFailed is the first item that failed in this attempt.
func (e *engine) firstFailed(ctx context.Context, l *loopRow) (r itemResult, err error) {
	err = e.s.cfg.DB.NewRaw(`SELECT r.item_index, r.id AS run_id, r.status, d.error FROM ?schema.jet_run AS r JOIN ?schema.jet_run_data AS d ON d.run_id = r.id
		WHERE r.tenant_id = ?0 AND d.tenant_id = ?0 AND r.parent_node_id = ?1 AND r.parent_attempt = ?2 AND r.status IN ('failed', 'cancelled', 'timedOut')
		ORDER BY r.item_index LIMIT 1`, l.TenantID, l.NodeID, l.Attempt).Scan(ctx, &r)
	return r, err
}

// tooManyFailed is the failure of a loop: that of the first item that failed, with
// where it was.
func (e *engine) tooManyFailed(ctx context.Context, c *claim, loop *loopRow) (outcome, error) {
	item, err := e.firstFailed(ctx, loop)
	if err != nil {
		return outcome{}, err
	}
	first := item.problem()
	p := problem.Newf(first.Kind, first.Code, "item %d: %s", item.ItemIndex, first.Message)
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
		rows, err := e.results(ctx, loop, last)
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
