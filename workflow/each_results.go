package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/problem"
)

// itemError is why an item failed, in the output of its loop.
type itemError struct {
	Index   int          `json:"index"`
	RunID   string       `json:"runId"`
	Kind    problem.Kind `json:"kind"`
	Code    string       `json:"code"`
	Message string       `json:"message"`
}

// maxItemMessage is where the message of an item is cut off there; its run has all
// of it.
const maxItemMessage = 500

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
	e := itemError{Index: r.ItemIndex, RunID: r.RunID, Kind: p.Kind, Code: p.Code, Message: p.Message}
	if len(e.Message) > maxItemMessage {
		n := maxItemMessage
		for !utf8.RuneStart(e.Message[n]) {
			n--
		}
		e.Message = e.Message[:n] + "…"
	}
	return e
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
		WHERE r.tenant_id = ?0 AND d.tenant_id = ?0 AND r.parent_node_id = ?1 AND r.parent_attempt = ?2 AND (r.status = 'failed' OR r.status = 'cancelled' OR r.status = 'timedOut')
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

// collect makes the output of a loop whose items have ended.
func (e *engine) collect(ctx context.Context, c *claim, loop *loopRow) (o outcome, ok bool, err error) {
	list := &resultList{errors: []itemError{}}
	for last := -1; list.count < loop.Items; {
		rows, err := e.results(ctx, loop, last)
		if err != nil {
			return outcome{}, false, err
		}
		if len(rows) == 0 { // taken over, and deleted just now
			return e.failed(c, problem.New(problem.Unavailable, "item_lost", "the run of an item is not there any more").Fix("try again")), true, nil
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
	output := list.output()
	if len(output) > MaxOutput {
		return e.failed(c, errResultsTooLarge()), true, nil
	}
	return outcome{status: NodeSucceeded, port: PortSuccess, output: output}, true, nil
}

func (e *engine) addResult(ctx context.Context, c *claim, list *resultList, r *itemResult) error {
	if r.Status != RunSucceeded {
		return list.fail(r.failure())
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
		return errResultsTooLarge()
	}
	if l.count > 0 {
		l.results.WriteByte(',')
	}
	l.count++
	l.results.WriteString(text)
	return nil
}

func errResultsTooLarge() error {
	return problem.Newf(problem.TooLarge, "node_output_too_large", "the results of the items have more than %d bytes together", MaxOutput).
		Fix("let the body return less: its last node decides what is kept of an item")
}

func (l *resultList) fail(e itemError) error {
	l.failed++
	if len(l.errors) < MaxItemErrors {
		l.errors = append(l.errors, e)
	}
	return l.add("null")
}

func (l *resultList) output() json.RawMessage {
	out := []byte(`{"count":` + strconv.Itoa(l.count) + `,"failed":` + strconv.Itoa(l.failed) + `,"errors":` + encode(l.errors) + `,"results":[`)
	return append(append(out, l.results.Bytes()...), "]}"...)
}
