package workflow

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// What schedules and webhooks have in common: both start runs that nobody asked
// for in person.

// reservedKeys begin the idempotency keys that triggers give their runs. Whoever
// could choose such a key could keep a trigger from starting its run.
var reservedKeys = []string{"failure/", "retry/", "schedule/", "webhook/"}

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

// begun does what follows the commit of a run that was stored in a transaction of
// its own.
func (e *engine) begun(ctx context.Context, b *beginning) {
	if b.existing {
		return
	}
	for i := range b.victims {
		e.terminated(ctx, &b.victims[i], nil, nil)
	}
	e.s.announce(ctx, &b.run)
	e.dispatch(b.hints())
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

func nameTaken(err error, noun string) error {
	if store.IsUnique(err) {
		return problem.Newf(problem.Conflict, "name_taken", "a %s of this name is already there", noun).Because(err)
	}
	return err
}

func staleTrigger(noun string) error {
	return problem.Newf(problem.Stale, "version_stale", "the %s was changed since it was read", noun).
		Fix("read it again and repeat the change")
}
