package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
)

// waitState is where a wait stands in the database.
type waitState string

const (
	waitNew       waitState = "new"  // for an event, and whether one is kept was not looked at yet
	waitOpen      waitState = "open" // for whatever ends it
	waitMet       waitState = "met"  // its event is there, and the end of the node is owed
	waitAnswered  waitState = "answered"
	waitExpired   waitState = "expired"
	waitCancelled waitState = "cancelled"
)

type waitRow struct {
	bun.BaseModel `bun:"table:?schema.jet_wait,alias:w"`

	ID            string `bun:",pk"`
	TenantID      string
	RunID         string
	WorkflowID    string
	NodeID        string
	Key           string
	Attempt       int
	Type          string
	State         waitState
	Title         string
	Message       string
	Form          *string
	Assignees     string
	Barred        string // id of the user who may not answer; "" = nobody
	EventName     string // "" = it waits for people
	EventKey      string
	EventID       *string // the event that met it
	ExpiredOutput string
	CreatedAt     time.Time
	Deadline      time.Time
	ClosedAt      *time.Time
	AnsweredBy    string
	Answer        *string
}

type assigneeRow struct {
	bun.BaseModel `bun:"table:?schema.jet_wait_assignee,alias:a"`

	TenantID string
	WaitID   string `bun:",pk"`
	Assignee string `bun:",pk"`
}

// The names of assignees in their rows.
const (
	anybody    = "anybody"
	rolePrefix = "role:"
	userPrefix = "user:"
)

func (a Assignees) names() []string {
	if a.Everybody() {
		return []string{anybody}
	}
	var names []string
	for _, r := range a.Roles {
		names = append(names, rolePrefix+r)
	}
	for _, u := range a.Users {
		names = append(names, userPrefix+u)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesOf are the assignees that a caller is.
func namesOf(who *auth.Principal) []string {
	own := Assignees{Roles: who.Roles}
	if who.UserID != "" {
		own.Users = []string{who.UserID}
	}
	names := own.names()
	if !own.Everybody() {
		names = append(names, anybody)
	}
	return names
}

// saveWaits stores what nodes that are about to wait wait for, in the transaction
// that lets them wait.
func (s *settlement) saveWaits(ctx context.Context) error {
	var waits []*waitRow
	var assignees []assigneeRow
	for _, t := range s.batch {
		if t.lost || t.steps[0].outcome.wait == nil {
			continue
		}
		t.waits = s.newWait(t)
		waits = append(waits, t.waits)
		if t.waits.EventName != "" {
			continue
		}
		for _, name := range t.steps[0].outcome.wait.Assignees.names() {
			assignees = append(assignees, assigneeRow{TenantID: t.waits.TenantID, WaitID: t.waits.ID, Assignee: name})
		}
	}
	if len(waits) == 0 {
		return nil
	}
	if _, err := s.tx.NewInsert().Model(&waits).Exec(ctx); err != nil || len(assignees) == 0 {
		return err
	}
	_, err := s.tx.NewInsert().Model(&assignees).Exec(ctx)
	return err
}

func (s *settlement) newWait(t *transition) *waitRow {
	n, o := &t.claim.node, t.steps[0].outcome
	w, run := o.wait, &s.runs[n.RunID].run
	row := &waitRow{
		ID: id.New(), TenantID: n.TenantID, RunID: n.RunID, WorkflowID: run.WorkflowID, NodeID: n.ID, Key: n.Key, Attempt: n.Attempt,
		Type: t.claim.def().def.Type, State: waitOpen, Title: w.Title, Message: w.Message, Assignees: encode(w.Assignees),
		EventName: w.Event, EventKey: w.EventKey, ExpiredOutput: string(o.output),
		CreatedAt: s.now, Deadline: s.now.Add(o.delay),
	}
	if w.Event != "" {
		row.State = waitNew
	}
	if w.NotStarter {
		row.Barred = run.OnBehalfOf
	}
	if w.Form != nil {
		row.Form = new(encode(w.Form))
	}
	return row
}

// waiting does what follows the commit of a wait.
func (e *engine) waiting(ctx context.Context, w *waitRow) {
	e.tellWait(ctx, w)
	if w.EventName != "" {
		e.lookForEvent(ctx, w)
	}
}

// tellWait tells whoever watches the run, and whoever may have to answer: he need
// not be able to watch the run.
func (e *engine) tellWait(ctx context.Context, w *waitRow) {
	e.s.events.wait(w)
	e.guard("Publish", func() {
		e.s.cfg.Publish(context.WithoutCancel(ctx), "tenant:"+w.TenantID, EventWait, map[string]any{"id": w.ID})
	})
}

// closing is the end of a wait, for the transaction that ends its node.
type closing struct {
	wait   *waitRow
	from   []waitState // any other: something else was faster
	to     waitState
	by     string // who answered; "" = nobody
	answer *string
	also   func(ctx context.Context, tx bun.IDB) error // more for the same transaction
}

// errWaitClosed says that a wait has ended in another way: the transaction that
// was about to end it is rolled back.
var errWaitClosed = errors.New("the wait has ended in another way")

// closeWaits ends the waits whose nodes end.
func (s *settlement) closeWaits(ctx context.Context) error {
	for _, t := range s.batch {
		if t.lost || t.closing == nil {
			continue
		}
		if err := t.closing.store(ctx, s.tx, s.now); err != nil {
			return err
		}
	}
	return nil
}

func (c *closing) store(ctx context.Context, tx bun.IDB, now time.Time) error {
	n, err := store.Changed(tx.NewUpdate().Model((*waitRow)(nil)).Set("state = ?", c.to).Set("closed_at = ?", now).
		Set("answered_by = ?", c.by).Set("answer = ?", c.answer).
		Where("tenant_id = ?", c.wait.TenantID).Where("id = ?", c.wait.ID).Where("state IN (?)", bun.List(c.from)).Exec(ctx))
	switch {
	case err != nil:
		return err
	case n == 0:
		return errWaitClosed
	}
	c.wait.State, c.wait.ClosedAt, c.wait.AnsweredBy, c.wait.Answer = c.to, &now, c.by, c.answer
	if c.also == nil {
		return nil
	}
	return c.also(ctx, tx)
}

// cancelWaits closes what the open nodes of a run that ends wait for, also what
// they wait for since this transaction.
func (s *settlement) cancelWaits(ctx context.Context, p *progress) error {
	waits := p.stored.WaitingNodes > 0
	for _, t := range s.batch {
		waits = waits || t.waits != nil && t.waits.RunID == p.run.ID
	}
	if !waits {
		return nil
	}
	return cancelWaits(ctx, s.tx, &p.run, s.now)
}

// cancelWaits closes every wait of a run.
func cancelWaits(ctx context.Context, tx bun.IDB, run *runRow, now time.Time) error {
	_, err := tx.NewUpdate().Model((*waitRow)(nil)).Set("state = ?", waitCancelled).Set("closed_at = ?", now).
		Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Where("closed_at IS NULL").Exec(ctx)
	return err
}

func readWait(ctx context.Context, db bun.IDB, tenantID, waitID string) (*waitRow, error) {
	row, err := find[waitRow](ctx, db, tenantID, waitID, "wait", nil)
	return &row, err
}

// waitOf is what a node waits for; nil for one that only sleeps.
func waitOf(ctx context.Context, db bun.IDB, n *nodeRow) (*waitRow, error) {
	row := new(waitRow)
	err := db.NewSelect().Model(row).Where("tenant_id = ?", n.TenantID).Where("node_id = ?", n.ID).Where("attempt = ?", n.Attempt).Scan(ctx)
	if store.IsMissing(err) {
		return nil, nil
	}
	return row, err
}

// ask is the wait as its node asked for it.
func (r *waitRow) ask() (Wait, error) {
	w := Wait{Title: r.Title, Message: r.Message, NotStarter: r.Barred != "", Event: r.EventName, EventKey: r.EventKey}
	if r.Form != nil {
		if err := decode(*r.Form, &w.Form); err != nil {
			return w, err
		}
	}
	return w, json.Unmarshal([]byte(r.Assignees), &w.Assignees)
}
