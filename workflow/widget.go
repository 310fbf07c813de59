package workflow

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// WidgetLink connects a widget of a page with a run. It belongs to who made it, is
// there in every process and after a restart, and goes with its run. Whoever made it
// watches the topic "widget:<id>", which tells of the run in the widget's name.
type WidgetLink struct {
	ID         string    `json:"id"`
	Widget     string    `json:"widget" doc:"as the page names it"`
	Mode       LinkMode  `json:"mode" enum:"execute,subscribe,replay"`
	WorkflowID string    `json:"workflowId" doc:"empty for a test run of a graph that is a draft of none"`
	RunID      string    `json:"runId"`
	CreatedAt  time.Time `json:"createdAt"`
}

// WidgetLinkDetail is a link with what its run has come to.
type WidgetLinkDetail struct {
	WidgetLink
	Status  RunStatus     `json:"status" enum:"queued,running,waiting,succeeded,failed,cancelled,timedOut"`
	Context WidgetContext `json:"context"`
	Waits   []Waiting     `json:"waits" doc:"what the run waits for now, the first 20"`
	Error   *Failure      `json:"error,omitempty" doc:"of the node that failed the run"`
}

// WidgetContext is what a widget shows of a run.
type WidgetContext struct {
	Input   map[string]any `json:"input" doc:"of the run"`
	Nodes   map[string]any `json:"nodes" doc:"by the keys of the nodes that have succeeded, their outputs"`
	Output  any            `json:"output,omitempty" doc:"of the run; absent when it is larger than 8 KB: read the run"`
	Omitted []string       `json:"omitted,omitempty" doc:"keys of nodes whose output is larger than 8 KB, or would make the context larger than 1 MB: read the node"`
}

// LinkMode is how a widget comes by its run.
type LinkMode string

// The modes of a link.
const (
	LinkExecute   LinkMode = "execute"   // starts one
	LinkSubscribe LinkMode = "subscribe" // goes along with one that is there
	LinkReplay    LinkMode = "replay"    // shows one that has ended
)

// NewWidgetLink is what [Service.Connect] needs.
type NewWidgetLink struct {
	Widget string   `json:"widget" minLength:"1" maxLength:"200" doc:"as the page names it"`
	Mode   LinkMode `json:"mode" enum:"execute,subscribe,replay"`

	// Of execute.
	WorkflowID     string         `json:"workflowId,omitempty" maxLength:"100" doc:"of execute: what to start"`
	Input          map[string]any `json:"input,omitempty" doc:"of execute: as the start node declares it"`
	IdempotencyKey string         `json:"idempotencyKey,omitempty" maxLength:"200" doc:"of execute: of the run"`

	// Of the others.
	RunID string `json:"runId,omitempty" maxLength:"100" doc:"of subscribe and replay: the run"`

	// Replaces ends a link of the caller when the new one is made.
	Replaces string `json:"replaces,omitempty" maxLength:"100" doc:"a link of the caller that this one takes the place of, if it is still there"`
}

// WidgetInput answers something that the run of a widget waits for.
type WidgetInput struct {
	WaitID string `json:"waitId,omitempty" maxLength:"100" doc:"which wait; may be left out while the run has one that the caller may answer"`
	Answer
}

const (
	maxWidget      = 200     // characters of a widget's name
	maxLinks       = 256     // of one caller in a tenant; beyond, the oldest go
	maxShownOutput = 8 << 10 // bytes of an output that a widget, and who watches, is shown
	maxContext     = 1 << 20 // bytes of all outputs of a context
	maxLinkWaits   = 20      // waits that a link shows
)

// Connect makes a link between a widget and a run. To execute needs workflow.execute
// on the workflow; every mode needs run.read on the run, which the right to it on the
// workflow gives. A caller has at most 256 links in a tenant: one more ends the oldest.
//
// Errors: those of [Service.Start] in mode execute; NotFound for a run; Conflict for a
// replay of a run that has not ended; Invalid with every fault.
func (s *Service) Connect(ctx context.Context, in NewWidgetLink) (WidgetLinkDetail, error) {
	if err := in.check(); err != nil {
		return WidgetLinkDetail{}, err
	}
	who, err := s.cfg.Authorize(ctx, auth.RunRead, cmp.Or(in.RunID, in.WorkflowID))
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	if in.Mode == LinkExecute {
		return s.executeLinked(ctx, who, in)
	}
	run, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, in.RunID, nil)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	if in.Mode == LinkReplay && !run.Status.Final() {
		return WidgetLinkDetail{}, problem.New(problem.Conflict, "run_not_ended", "a run is replayed when it has ended").Fix("use the mode subscribe")
	}
	return s.link(ctx, who, in, run, false)
}

// Refresh starts the workflow of a link's run again. The link that it returns takes
// the place of the other one, whose topic ends; of two calls at a time one finds it. It
// needs what [Service.Connect] needs to execute. Conflict for a link to a test run.
func (s *Service) Refresh(ctx context.Context, linkID string, input map[string]any) (WidgetLinkDetail, error) {
	old, err := s.ownLink(ctx, linkID)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	who, err := s.cfg.Authorize(ctx, auth.RunRead, old.WorkflowID)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	run, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, old.RunID, nil)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	if run.Test {
		return WidgetLinkDetail{}, problem.New(problem.Conflict, "link_to_test", "a link to a test run cannot be refreshed").Fix("start the test again and connect with its run")
	}
	in := NewWidgetLink{Widget: old.Widget, Mode: LinkExecute, WorkflowID: old.WorkflowID, Input: input, Replaces: old.ID}
	again := StartParams{IdempotencyKey: refreshKey + old.ID}
	again.trigger = again.startedBy(who)
	run, err = s.startLinked(ctx, who, in, again)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	return s.link(ctx, who, in, run, true)
}

// Link reads a link that the caller has made.
func (s *Service) Link(ctx context.Context, linkID string) (WidgetLinkDetail, error) {
	row, err := s.ownLink(ctx, linkID)
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	return s.linkDetail(ctx, row)
}

// Links lists the links that the caller has made to runs that he may read, newest
// first; of one widget unless widget is "".
func (s *Service) Links(ctx context.Context, widget string, r page.Request) (page.Page[WidgetLink], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.RunRead, "run_id", "workflow_id")
	if err != nil {
		return page.Page[WidgetLink]{}, err
	}
	q := s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Where("owner = ?", who.Actor()).Apply(visible)
	if widget != "" {
		q = q.Where("widget = ?", widget)
	}
	return page.List[linkRow, WidgetLink]{
		Key:   func(l WidgetLink) string { return l.ID },
		Query: q,
		Scope: []string{"widgetLinks", who.TenantID, who.Actor(), widget},
		View:  page.Plain((*linkRow).view),
	}.Read(ctx, s.cfg.Pages, r)
}

// Input answers what the run of a link waits for, as [Service.Answer] does, with its
// rights and errors. Conflict for a replay, and when there is not one wait that the
// caller may answer and in names none.
func (s *Service) Input(ctx context.Context, linkID string, in WidgetInput) (Waiting, error) {
	if _, err := s.cfg.Authorize(ctx, auth.RunAnswer, ""); err != nil {
		return Waiting{}, err
	}
	row, err := s.ownLink(ctx, linkID)
	if err != nil {
		return Waiting{}, err
	}
	if row.Mode == LinkReplay {
		return Waiting{}, problem.New(problem.Conflict, "link_replays", "a replay takes no input").Fix("connect in the mode subscribe or execute")
	}
	waitID, err := s.waitOfLink(ctx, row, in.WaitID)
	if err != nil {
		return Waiting{}, err
	}
	return s.Answer(ctx, waitID, in.Answer)
}

// Disconnect ends a link; its run goes on.
func (s *Service) Disconnect(ctx context.Context, linkID string) error {
	row, err := s.ownLink(ctx, linkID)
	if err != nil {
		return err
	}
	if err := auth.FromContext(ctx).MayChange(); err != nil {
		return err
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := deleteLink(ctx, tx, row.TenantID, row.Owner, row.ID)
		return err
	})
}

func (in *NewWidgetLink) check() error {
	var f problem.Faults
	f.Check(in.Widget != "", "widget", "must not be empty")
	f.Check(utf8.RuneCountInString(in.Widget) <= maxWidget, "widget", "is too long")
	f.Check(utf8.ValidString(in.Widget) && !strings.Contains(in.Widget, "\x00"), "widget", "must be a text without NUL characters")
	f.Check(in.Replaces == "" || id.Valid(in.Replaces), "replaces", "is no id")
	switch in.Mode {
	case LinkExecute:
		f.Check(in.WorkflowID != "", "workflowId", "is needed to execute")
		f.Check(in.RunID == "", "runId", "is made by the mode execute")
	case LinkSubscribe, LinkReplay:
		f.Check(in.RunID != "", "runId", "is needed in this mode")
		f.Check(in.WorkflowID == "", "workflowId", "belongs to the mode execute")
		f.Check(in.Input == nil, "input", "belongs to the mode execute")
		f.Check(in.IdempotencyKey == "", "idempotencyKey", "belongs to the mode execute")
	default:
		f.Add("mode", "must be execute, subscribe or replay")
	}
	return f.Err("link_invalid", "the link is not valid")
}

// refreshKey begins the idempotency key of the run that takes the place of a link's, so
// that two refreshes at a time start one.
const refreshKey = "link/"

// executeLinked starts the run of a link, and connects it.
func (s *Service) executeLinked(ctx context.Context, who *auth.Principal, in NewWidgetLink) (WidgetLinkDetail, error) {
	run, err := s.startLinked(ctx, who, in, StartParams{IdempotencyKey: in.IdempotencyKey})
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	return s.link(ctx, who, in, run, false)
}

// startLinked starts a run that the caller may read, also when a key has found it.
func (s *Service) startLinked(ctx context.Context, who *auth.Principal, in NewWidgetLink, params StartParams) (runRow, error) {
	params.WorkflowID, params.Input = in.WorkflowID, in.Input
	started, err := s.Start(ctx, params)
	if err != nil {
		return runRow{}, err
	}
	if _, err := s.cfg.Authorize(ctx, auth.RunRead, started.ID); err != nil {
		return runRow{}, err
	}
	return readRun(ctx, s.cfg.DB.DB, who.TenantID, started.ID, nil)
}

// waitOfLink is the wait that an input is for.
func (s *Service) waitOfLink(ctx context.Context, row linkRow, named string) (string, error) {
	if named != "" {
		wait, err := s.Waiting(ctx, named)
		if err == nil && wait.RunID != row.RunID {
			err = problem.Missing("wait")
		}
		return named, err
	}
	open, err := s.Waits(ctx, WaitFilter{Mine: true, RunID: row.RunID}, page.Request{Limit: 2})
	switch {
	case err != nil:
		return "", err
	case len(open.Items) == 0:
		return "", problem.New(problem.Conflict, "nothing_waits", "the run waits for no answer of the caller")
	case len(open.Items) > 1:
		return "", problem.New(problem.Conflict, "wait_ambiguous", "the run waits for several answers").Fix("name the wait in waitId")
	}
	return open.Items[0].ID, nil
}

// linkDetail reads what the run of a link has come to.
func (s *Service) linkDetail(ctx context.Context, row linkRow) (WidgetLinkDetail, error) {
	detail := WidgetLinkDetail{WidgetLink: row.view()}
	run, err := readRun(ctx, s.cfg.DB.DB, row.TenantID, row.RunID, nil)
	if err != nil {
		return detail, err
	}
	data, err := readRunData(ctx, s.cfg.DB.DB, row.TenantID, row.RunID)
	if err != nil {
		return detail, err
	}
	if data.Output != nil && !shown(*data.Output) {
		data.Output = nil
	}
	var whole RunDetail
	if err := data.into(&whole); err != nil {
		return detail, err
	}
	detail.Status, detail.Error = run.Status, whole.Error
	detail.Context = WidgetContext{Input: whole.Input, Output: whole.Output}
	if detail.Context.Nodes, detail.Context.Omitted, err = s.shownOutputs(ctx, row); err != nil {
		return detail, err
	}
	detail.Waits, err = s.openWaits(ctx, row)
	return detail, err
}

// openWaits are what the run of a link waits for; whoever may read the run may see them.
func (s *Service) openWaits(ctx context.Context, link linkRow) ([]Waiting, error) {
	var rows []waitRow
	err := s.cfg.DB.NewSelect().Model(&rows).Where("w.tenant_id = ?", link.TenantID).Where("w.run_id = ?", link.RunID).
		Where("w.closed_at IS NULL").OrderExpr("w.id").Limit(maxLinkWaits).Scan(ctx)
	if err != nil {
		return nil, err
	}
	waits := make([]Waiting, len(rows))
	for i := range rows {
		if waits[i], err = rows[i].waiting(); err != nil {
			return nil, err
		}
	}
	return waits, nil
}

// shown reports whether an output is small enough for who watches, and stands in its
// row.
func shown[T ~string | ~[]byte](output T) bool {
	return len(output) <= maxShownOutput && (len(output) == 0 || output[0] != '@') // see reference
}

// shownOutputs are the outputs of the nodes that have succeeded, and the keys of those
// that are left out. The large ones are not read.
func (s *Service) shownOutputs(ctx context.Context, link linkRow) (outputs map[string]any, omitted []string, err error) {
	var all []struct {
		ID, Key string
		Size    *int
	}
	db := s.cfg.DB
	err = db.NewSelect().Model((*outputRow)(nil)).Column("id", "key").ColumnExpr("? AS size", bun.Safe(db.Dialect.Bytes("output"))).
		Where("tenant_id = ?", link.TenantID).Where("run_id = ?", link.RunID).Where("status = ?", NodeSucceeded).
		OrderExpr("finished_at, id").Scan(ctx, &all)
	if err != nil {
		return nil, nil, err
	}
	var ids []string
	left := maxContext
	for _, o := range all {
		size := 0
		if o.Size != nil {
			size = *o.Size
		}
		if size > maxShownOutput || size > left {
			omitted = append(omitted, o.Key)
			continue
		}
		left -= size
		ids = append(ids, o.ID)
	}
	outputs = make(map[string]any, len(ids))
	if len(ids) > 0 {
		var rows []outputRow
		err = db.NewSelect().Model(&rows).Column("key", "output").Where("tenant_id = ?", link.TenantID).Where("id IN (?)", bun.List(ids)).
			OrderExpr("finished_at, id").Scan(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			var output any
			switch {
			case row.Output == nil:
			case !shown(*row.Output): // it stands apart
				omitted = append(omitted, row.Key)
				continue
			default:
				if err := decode(*row.Output, &output); err != nil {
					return nil, nil, err
				}
			}
			outputs[row.Key] = output
		}
	}
	slices.Sort(omitted)
	return outputs, slices.Compact(omitted), nil
}

// link stores a link, and returns it with what its run has come to. From before it looks
// on, the events of the run are kept for who watches the link.
func (s *Service) link(ctx context.Context, who *auth.Principal, in NewWidgetLink, run runRow, mustReplace bool) (WidgetLinkDetail, error) {
	if run.Enclosing != nil {
		return WidgetLinkDetail{}, problem.New(problem.Conflict, "run_of_item", "the run is one of a loop's items").Fix("connect with the run around it")
	}
	if err := who.MayChange(); err != nil {
		return WidgetLinkDetail{}, err
	}
	if _, err := s.cfg.Past(ctx, runTopic(run.ID).String(), 0); err != nil && !problem.Is(err, problem.Unavailable) {
		return WidgetLinkDetail{}, err
	}
	row := linkRow{
		ID: id.New(), TenantID: run.TenantID, Widget: in.Widget, Mode: in.Mode, WorkflowID: run.shownWorkflow(), RunID: run.ID,
		Owner: who.Actor(), CreatedAt: s.cfg.Clock.Now(),
	}
	err := s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		replaced, err := deleteLink(ctx, tx, row.TenantID, row.Owner, in.Replaces)
		if err == nil && mustReplace && !replaced {
			err = problem.Missing("widget link")
		}
		if err != nil {
			return err
		}
		return insertLink(ctx, tx, &row)
	})
	if err != nil {
		return WidgetLinkDetail{}, err
	}
	return s.linkDetail(ctx, row)
}
