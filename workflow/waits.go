package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// WaitStatus is where a wait stands. All but the first are final.
type WaitStatus string

// The statuses of a wait.
const (
	WaitOpen      WaitStatus = "open"
	WaitAnswered  WaitStatus = "answered"  // by somebody, or by its event
	WaitExpired   WaitStatus = "expired"   // nothing ended it in time
	WaitCancelled WaitStatus = "cancelled" // the run ended first
)

// Waiting is a node of a run that waits, or has waited, for people or an event.
type Waiting struct {
	ID         string         `json:"id"`
	RunID      string         `json:"runId"`
	WorkflowID string         `json:"workflowId"`
	Key        string         `json:"key" doc:"of the node"`
	Type       string         `json:"type" doc:"of the node: approval, form, waitEvent or one of the host's"`
	Status     WaitStatus     `json:"status" enum:"open,answered,expired,cancelled"`
	Title      string         `json:"title,omitempty"`
	Message    string         `json:"message,omitempty"`
	Form       map[string]any `json:"form,omitempty" doc:"what is asked for; for a form the JSON Schema of its values"`
	Assignees  Assignees      `json:"assignees" doc:"who may answer; empty = whoever holds run.answer"`
	NotStarter bool           `json:"notStarter,omitempty" doc:"whoever started the run may not answer"`
	Event      string         `json:"event,omitempty" doc:"name of the event that ends it"`
	EventKey   string         `json:"eventKey,omitempty"`
	Deadline   time.Time      `json:"deadline"`
	CreatedAt  time.Time      `json:"createdAt"`
	ClosedAt   *time.Time     `json:"closedAt,omitempty"`
	AnsweredBy string         `json:"answeredBy,omitempty"`
	Answer     *Answer        `json:"answer,omitempty" doc:"the decision and the comment; the values of a form are the node's output"`
}

// WaitFilter narrows a list of open waits. Zero fields do not.
type WaitFilter struct {
	Mine  bool // only those that the caller may answer
	RunID string
	Type  string // of the node
}

// Waits lists open waits, newest first. Those that the caller may answer take
// run.answer; the list of all takes run.list as well.
func (s *Service) Waits(ctx context.Context, f WaitFilter, r page.Request) (page.Page[Waiting], error) {
	who, err := s.cfg.Authorize(ctx, auth.RunAnswer, "")
	if err != nil {
		return page.Page[Waiting]{}, err
	}
	whose, visible := "mine", func(q *bun.SelectQuery) *bun.SelectQuery { return q }
	if !f.Mine {
		if _, visible, err = s.cfg.Visible(ctx, auth.RunList, "w.run_id", "w.workflow_id"); err != nil {
			return page.Page[Waiting]{}, err
		}
		whose = "all"
	}
	q := s.cfg.DB.NewSelect().Apply(visible).Where("w.tenant_id = ?", who.TenantID).Where("w.closed_at IS NULL").
		Where("w.deadline > ?", s.cfg.Clock.Now())
	if f.Mine {
		q = q.Where("w.barred = '' OR w.barred <> ?", who.UserID).Where(`EXISTS (SELECT 1 FROM ?schema.jet_wait_assignee AS a
			WHERE a.tenant_id = w.tenant_id AND a.wait_id = w.id AND a.assignee IN (?))`, bun.List(namesOf(who)))
	}
	if f.RunID != "" {
		q = q.Where("w.run_id = ?", f.RunID)
	}
	if f.Type != "" {
		q = q.Where("w.type = ?", f.Type)
	}
	p, err := page.List[waitRow, Waiting]{
		Key:   func(w Waiting) string { return w.ID },
		Query: q,
		Scope: []string{"waits", who.TenantID, whose, f.RunID, f.Type},
		View:  (*waitRow).waiting,
	}.Read(ctx, s.cfg.Pages, r)
	if err == nil && f.Mine {
		p.Items, err = s.unrefused(ctx, p.Items)
	}
	return p, err
}

// unrefused are the waits of runs that the caller is not denied to read: the page that
// they are of may have fewer entries than were asked for.
func (s *Service) unrefused(ctx context.Context, waits []Waiting) ([]Waiting, error) {
	kept := make([]Waiting, 0, len(waits))
	for _, w := range waits {
		refused, err := s.cfg.Refused(ctx, auth.RunRead, w.RunID)
		if err != nil {
			return nil, err
		}
		if !refused {
			kept = append(kept, w)
		}
	}
	return kept, nil
}

// Waiting reads a wait, open or not. It is there for whoever is asked to answer
// it and for whoever may read its run; NotFound for anybody else.
func (s *Service) Waiting(ctx context.Context, waitID string) (Waiting, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunAnswer, "")
	if err != nil {
		return Waiting{}, err
	}
	row, err := s.visibleWait(ctx, who, waitID)
	if err != nil {
		return Waiting{}, err
	}
	return row.waiting()
}

func (s *Service) visibleWait(ctx context.Context, who *auth.Principal, waitID string) (*waitRow, error) {
	if !id.Valid(waitID) {
		return nil, problem.Missing("wait")
	}
	row, err := readWait(ctx, s.cfg.DB.DB, who.TenantID, waitID)
	if err != nil {
		return nil, err
	}
	refused, err := s.cfg.Refused(ctx, auth.RunRead, row.RunID)
	if err != nil {
		return nil, err
	}
	if refused {
		return nil, problem.Missing("wait")
	}
	assigned, err := row.assigned(who)
	if err != nil || assigned && !row.bars(who) {
		return row, err
	}
	readable, err := s.cfg.Authorize.May(ctx, auth.RunRead, row.RunID)
	if err != nil {
		return nil, err
	}
	if !readable {
		return nil, problem.Missing("wait")
	}
	return row, nil
}

func (r *waitRow) waiting() (Waiting, error) {
	asked, err := r.ask()
	w := Waiting{
		ID: r.ID, RunID: r.RunID, WorkflowID: r.WorkflowID, Key: r.Key, Type: r.Type, Status: r.State.status(), Title: r.Title, Message: r.Message,
		Form: asked.Form, Assignees: asked.Assignees, NotStarter: asked.NotStarter, Event: r.EventName, EventKey: r.EventKey,
		Deadline: r.Deadline, CreatedAt: r.CreatedAt, ClosedAt: r.ClosedAt, AnsweredBy: r.AnsweredBy,
	}
	if r.Answer != nil && err == nil {
		err = json.Unmarshal([]byte(*r.Answer), &w.Answer)
	}
	return w, err
}

func (s waitState) status() WaitStatus {
	switch s {
	case waitNew, waitOpen, waitMet:
		return WaitOpen
	}
	return WaitStatus(s)
}
