package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Answer ends a wait that people can answer: it is checked by the node that
// waits, and the run goes on at once. Of several answers one counts, and none
// counts after the deadline or the end of the run.
//
// Errors: NotFound also for a wait that the caller may neither answer nor see;
// Forbidden for one that he may see and others may answer; Conflict when it has
// ended; Invalid with every fault of the answer.
func (s *Service) Answer(ctx context.Context, waitID string, in Answer) (Waiting, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunAnswer, "")
	if err != nil {
		return Waiting{}, err
	}
	row, err := s.visibleWait(ctx, who, waitID)
	if err != nil {
		return Waiting{}, err
	}
	if err := row.answerable(who); err != nil {
		if problem.Is(err, problem.Forbidden) {
			s.cfg.Denied(ctx, audit.Denial{TenantID: who.TenantID, Action: string(auth.RunAnswer), ObjectType: "run", ObjectID: row.RunID, Code: problem.Of(err).Code})
		}
		return Waiting{}, err
	}
	if len(in.Comment) > maxComment {
		var f problem.Faults
		f.Addf("comment", "must have at most %d characters", maxComment)
		return Waiting{}, f.Err("answer_invalid", "the answer is not valid")
	}
	if err := s.engine.answer(ctx, row, Answered{Answer: in, By: who.Actor(), UserID: who.UserID, At: s.cfg.Clock.Now()}); err != nil {
		return Waiting{}, err
	}
	return row.waiting()
}

// answerable says why a caller may not answer a wait that he may see.
func (r *waitRow) answerable(who *auth.Principal) error {
	assigned, err := r.assigned(who)
	switch {
	case err != nil:
		return err
	case r.EventName != "":
		return problem.New(problem.Conflict, "wait_for_event", "an event ends this wait, not an answer").Fix("send the event")
	case !assigned:
		return problem.New(problem.Forbidden, "not_assigned", "others are asked to answer this")
	case r.bars(who):
		return problem.New(problem.Forbidden, "own_request", "whoever started the run may not answer this")
	}
	return r.ended()
}

// assigned reports whether the caller is one of those who are asked.
func (r *waitRow) assigned(who *auth.Principal) (bool, error) {
	if r.EventName != "" {
		return false, nil
	}
	w, err := r.ask()
	own := namesOf(who)
	return slices.ContainsFunc(w.Assignees.names(), func(name string) bool { return slices.Contains(own, name) }), err
}

func (r *waitRow) bars(who *auth.Principal) bool { return r.Barred != "" && r.Barred == who.UserID }

// ended is a Conflict for a wait that nobody can answer any more.
func (r *waitRow) ended() error {
	switch r.State {
	case waitAnswered:
		return problem.New(problem.Conflict, "wait_answered", "this has been answered already")
	case waitExpired:
		return errWaitExpired()
	case waitCancelled:
		return problem.New(problem.Conflict, "run_ended", "the run has ended already")
	}
	return nil
}

func errWaitExpired() error {
	return problem.New(problem.Conflict, "wait_expired", "the time to answer this is over")
}

// answer ends the node of a wait with what somebody answered.
func (e *engine) answer(ctx context.Context, row *waitRow, a Answered) error {
	o, err := e.judge(ctx, row, a)
	if err != nil {
		return err
	}
	kept := encode(Answer{Approved: a.Approved, Comment: a.Comment}) // the values are the node's output
	c := &closing{wait: row, from: []waitState{waitOpen}, to: waitAnswered, by: a.By, answer: &kept}
	c.also = func(ctx context.Context, tx bun.IDB) error {
		return e.s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: row.TenantID, Action: "run.answer", ObjectType: "run", ObjectID: row.RunID,
			Detail: map[string]any{"waitId": row.ID, "workflowId": row.WorkflowID, "node": row.Key, "port": o.port},
		})
	}
	done, err := e.closeWait(ctx, c, o, fenceAnswer)
	if err != nil || done {
		return err
	}
	return e.whyNot(ctx, row)
}

// judge lets the node make its outcome of an answer.
func (e *engine) judge(ctx context.Context, row *waitRow, a Answered) (outcome, error) {
	run, err := readRun(ctx, e.s.cfg.DB.DB, row.TenantID, row.RunID, nil)
	if err != nil {
		return outcome{}, err
	}
	p, err := e.s.planOf(ctx, e.s.cfg.DB.DB, run.TenantID, run.WorkflowID, run.WorkflowVersion)
	if err != nil {
		return outcome{}, err
	}
	asked, err := row.ask()
	if err != nil {
		return outcome{}, err
	}
	n := p.nodes[row.Key]
	result := Result{Output: map[string]any{"approved": a.Approved, "comment": a.Comment, "values": a.Values, "by": a.By, "at": a.At}}
	if node, ok := n.nodeType.node.(Answerer); ok {
		if result, err = node.Answer(asked, a); err != nil {
			return outcome{}, err
		}
	}
	result = Result{Output: result.Output, Port: cmp.Or(result.Port, PortSuccess)}
	if err := result.Check(n.ports); err != nil {
		return outcome{}, err
	}
	result.Output, err = encodeOutput(result.Output)
	return success(result), err
}

// whyNot tells whoever came too late what was faster.
func (e *engine) whyNot(ctx context.Context, row *waitRow) error {
	now, err := readWait(ctx, e.s.cfg.DB.DB, row.TenantID, row.ID)
	if err != nil {
		return err
	}
	if err := now.ended(); err != nil {
		return err
	}
	return errWaitExpired() // and the agenda is about to say so
}

// closeWait ends a wait and its node in one transaction. false: something else
// has ended one of them.
func (e *engine) closeWait(ctx context.Context, c *closing, o outcome, f fence) (bool, error) {
	var n nodeRow
	err := e.s.cfg.DB.NewSelect().Model(&n).Where("tenant_id = ?", c.wait.TenantID).Where("id = ?", c.wait.NodeID).Scan(ctx)
	if err != nil {
		return false, fmt.Errorf("read the node of a wait: %w", err)
	}
	if n.Attempt != c.wait.Attempt {
		return false, nil
	}
	done, err := e.settle(ctx, n, o, f, c)
	if errors.Is(err, errWaitClosed) {
		return false, nil
	}
	if done {
		e.tellWait(ctx, c.wait)
	}
	return done, err
}

// expireWait ends the node of a wait that nothing ended in time.
func (e *engine) expireWait(ctx context.Context, row *waitRow, n *nodeRow) error {
	if row.State == waitMet { // in time, and its process died
		return e.deliver(ctx, row)
	}
	o, err := e.expiry(ctx, row, n)
	if err != nil {
		return err
	}
	_, err = e.closeWait(ctx, &closing{wait: row, from: []waitState{waitNew, waitOpen}, to: waitExpired}, o, fenceTimer)
	return err
}

// expiry is what a wait comes to that nothing ended in time: what its node said
// or, when the time of the node in all is over with it, the failure of that.
func (e *engine) expiry(ctx context.Context, row *waitRow, n *nodeRow) (outcome, error) {
	run, err := readRun(ctx, e.s.cfg.DB.DB, row.TenantID, row.RunID, nil)
	if err != nil {
		return outcome{}, err
	}
	p, err := e.s.planOf(ctx, e.s.cfg.DB.DB, run.TenantID, run.WorkflowID, run.WorkflowVersion)
	if err != nil {
		return outcome{}, err
	}
	policy := p.nodes[row.Key].policy
	if total := time.Duration(policy.TotalTimeout); total > 0 && n.ReadyAt != nil && !row.Deadline.Before(n.ReadyAt.Add(total)) {
		f := failureOf(policy.overrun())
		f.Node = row.Key
		return outcome{status: NodeFailed, failure: f}, nil
	}
	return outcome{status: NodeSucceeded, port: PortExpired, output: []byte(row.ExpiredOutput)}, nil
}
