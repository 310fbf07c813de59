package workflow

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// What schedules and webhooks have in common: both start runs that nobody asked
// for in person.

// trigger is the row of a schedule or a webhook.
type trigger interface {
	entry(action string) audit.Entry
	state() map[string]any
}

// insertTrigger stores a new trigger and records that it was made.
func (s *Service) insertTrigger(ctx context.Context, tx bun.IDB, noun string, row trigger) error {
	if err := s.cfg.Admit(ctx, tx, row.entry("").TenantID, noun+"s"); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return nameTaken(err, noun)
	}
	entry := row.entry(noun + ".create")
	if err := s.cfg.Own(ctx, tx, noun, entry.ObjectID); err != nil {
		return err
	}
	entry.After = row.state()
	return s.cfg.Audit(ctx, tx, entry)
}

// deleteTrigger removes the trigger that find finds; noun is what it is.
func deleteTrigger[R trigger](ctx context.Context, s *Service, noun, triggerID string, find finder[R]) error {
	who, err := s.cfg.Authorize(ctx, auth.Permission(noun+".delete"), triggerID)
	if err != nil {
		return err
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := find(ctx, tx, who.TenantID, triggerID, s.cfg.DB.Dialect.Lock)
		if err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model(&row).Where("tenant_id = ?", who.TenantID).Where("id = ?", triggerID).Exec(ctx); err != nil {
			return err
		}
		entry := row.entry(noun + ".delete")
		entry.Before = row.state()
		return s.cfg.Audit(ctx, tx, entry)
	})
}

// reservedKeys begin the idempotency keys that triggers give their runs. Whoever
// could choose such a key could keep a trigger from starting its run.
var reservedKeys = []string{"failure/", refreshKey, "retry/", "schedule/", "webhook/"}

// reserved reports whether a caller may not choose the key.
func (in StartParams) reserved() bool {
	for _, prefix := range reservedKeys {
		if in.trigger == "" && strings.HasPrefix(in.IdempotencyKey, prefix) {
			return true
		}
	}
	return false
}

// startedBy is what started a run.
func (in StartParams) startedBy(who *auth.Principal) Trigger {
	switch {
	case in.trigger != "":
		return in.trigger
	case who.Kind == auth.KindService:
		return TriggerGo
	}
	return TriggerAPI
}

// checkTrigger finds the faults in what a trigger refers to: the workflow must
// be there, whoever sets the trigger up must have the right to start it, and the
// input must fit the version that is published, if one is.
func (s *Service) checkTrigger(ctx context.Context, who *auth.Principal, workflowID string, input *string, f *problem.Faults) error {
	_, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, workflowID)
	var w workflowRow
	if err == nil {
		w, err = readWorkflow(ctx, s.cfg.DB.DB, who.TenantID, workflowID, nil)
	}
	if problem.Is(err, problem.NotFound) {
		f.Add("workflowId", "is not a workflow of this tenant")
		return nil
	}
	if err != nil || input == nil || w.PublishedVersion == 0 {
		return err
	}
	p, err := s.planOf(ctx, s.cfg.DB.DB, who.TenantID, workflowID, w.PublishedVersion)
	if err != nil {
		return err
	}
	given, err := inputOf(*input)
	if err != nil {
		return err
	}
	_, err = p.input(StartParams{Input: given})
	if problem.Is(err, problem.Invalid) {
		for _, fault := range problem.Of(err).Faults {
			f.Add(fault.Path, fault.Message)
		}
		return nil
	}
	return err
}

func inputOf(text string) (map[string]any, error) {
	var input map[string]any
	return input, decode(text, &input)
}

// ofWorkflow narrows a list of triggers, unless the id is "".
func ofWorkflow(workflowID string) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		if workflowID == "" {
			return q
		}
		return q.Where("workflow_id = ?", workflowID)
	}
}

// databaseNow is the time by which triggers are judged.
func (s *Service) databaseNow(ctx context.Context, db bun.IDB) (time.Time, error) {
	var millis int64
	err := db.NewRaw("SELECT "+s.cfg.DB.Dialect.NowMillis()).Scan(ctx, &millis)
	return time.UnixMilli(millis).UTC(), err
}

// beginWith begins a run that store stores, with whatever belongs to it, in one
// transaction.
func (e *engine) beginWith(ctx context.Context, b *beginning, store func(ctx context.Context, tx bun.IDB) error) error {
	defer e.s.telemetry.begin(ctx, &b.run)()
	if err := e.s.cfg.DB.InTx(ctx, store); err != nil {
		return err
	}
	e.begun(ctx, b)
	return nil
}

// begun does what follows the commit of a run that was stored in a transaction of
// its own.
func (e *engine) begun(ctx context.Context, b *beginning) {
	if b.existing {
		return
	}
	for i := range b.victims {
		e.terminated(ctx, &b.victims[i].run, b.victims[i].nodes, nil)
	}
	e.s.announce(ctx, &b.run)
	e.s.telemetry.started(&b.run)
	e.dispatch(b.hint())
}

// failureOf is an error in the words of a record.
func failureOf(err error) *Failure {
	p := problem.Of(err)
	return &Failure{Kind: p.Kind, Code: p.Code, Message: p.Message, Remedy: p.Remedy, Faults: p.Faults}
}

// encodable reports whether the input of a trigger can be stored.
func encodable(input map[string]any) (string, bool) {
	b, err := json.Marshal(input)
	return string(b), err == nil && len(b) <= maxTriggerInput
}
