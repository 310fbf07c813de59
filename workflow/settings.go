package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Settings are how the engine treats the runs of a graph as a whole. They are
// versioned with it. The zero value: a run takes as long as it takes, and its
// failure starts nothing.
type Settings struct {
	Timeout      Duration     `json:"timeout,omitempty" doc:"of a whole run, from when it may begin; the run is then timedOut and its open nodes cancelled; default none, at most 366d"`
	QueueTimeout Duration     `json:"queueTimeout,omitempty" doc:"how long a run, or a node of it that is ready, may wait for its beginning; the run is then timedOut; default without limit, at most 366d"`
	OnFailure    string       `json:"onFailure,omitempty" doc:"id of the workflow that is started once for every run that failed or timed out; its input says which and why"`
	Concurrency  *Concurrency `json:"concurrency,omitempty" doc:"how many runs may be under way at a time; default any number"`
	Priority     Priority     `json:"priority,omitempty" enum:"low,normal,high" doc:"whose nodes begin first when there is no room for all of the tenant's; default normal"`
}

// Priority is how urgent a run is: of the nodes of a tenant that are ready, those
// of the run with the highest priority begin first.
type Priority string

// The priorities.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
)

// rank is the priority in the database, where 0 is normal and more goes first.
func (p Priority) rank() int {
	switch p {
	case PriorityLow:
		return -1
	case PriorityHigh:
		return 1
	}
	return 0
}

func priorityOf(rank int) Priority {
	switch {
	case rank < 0:
		return PriorityLow
	case rank > 0:
		return PriorityHigh
	}
	return PriorityNormal
}

func (g *Graph) settings() Settings {
	if g.Settings == nil {
		return Settings{}
	}
	return *g.Settings
}

// maxRunTimeout is the longest that a run may be given, and may wait.
const maxRunTimeout = 366 * 24 * time.Hour

func (c *checker) settings() {
	s := c.graph.settings()
	limit := func(field string, d Duration) {
		c.faults.Check(d >= 0 && time.Duration(d) <= maxRunTimeout, "settings."+field,
			fmt.Sprintf("must be between 0s and %s", Duration(maxRunTimeout)))
	}
	c.concurrency(s.Concurrency)
	limit("timeout", s.Timeout)
	limit("queueTimeout", s.QueueTimeout)
	c.faults.Check(s.OnFailure == "" || id.Valid(s.OnFailure), "settings.onFailure", "must be the id of a workflow")
	c.faults.Check(slices.Contains([]Priority{"", PriorityLow, PriorityNormal, PriorityHigh}, s.Priority),
		"settings.priority", "must be one of low, normal, high")
}

// handlerReference asks whether the workflow that failures start is there and
// whether the caller may start it: the version pins that it was so.
func (s *Service) handlerReference(ctx context.Context, p *plan, faults *problem.Faults) error {
	handler := p.graph.settings().OnFailure
	if handler == "" {
		return nil
	}
	who, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, handler)
	if err == nil {
		_, err = readWorkflow(ctx, s.cfg.DB.DB, who.TenantID, handler, nil)
	}
	if k := problem.KindOf(err); k != "" && k != problem.NotFound && k != problem.Forbidden {
		return err
	}
	faults.Merge("settings.onFailure", err)
	return nil
}

// settle gives a run that is about to be stored what its graph's settings say.
func (r *runRow) settle(s Settings) {
	r.Priority = s.Priority.rank()
	if s.OnFailure != "" {
		r.OnFailure = &s.OnFailure
	}
	r.begin(s, r.CreatedAt)
}

// begin starts the clocks of a run.
func (r *runRow) begin(s Settings, now time.Time) {
	r.DeadlineAt, r.LookAt = nil, nil
	if s.Timeout > 0 {
		t := now.Add(time.Duration(s.Timeout))
		r.DeadlineAt, r.LookAt = &t, &t
	}
	if s.QueueTimeout > 0 {
		if t := now.Add(time.Duration(s.QueueTimeout)); r.LookAt == nil || t.Before(*r.LookAt) {
			r.LookAt = &t
		}
	}
}
