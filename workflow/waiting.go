package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// Wait makes a node wait for people or for an event. The wait is a row: for as
// long as it lasts there is no goroutine and no slot for it, and the engine may
// be restarted as often as it likes.
//
// A node asks for it in its [Result], whose Output is then what the node comes
// to, on port [PortExpired], when nothing has happened in time. The node's spec
// names that port.
type Wait struct {
	// Title and Message tell people what is asked of them: at most 200 and 4000
	// characters.
	Title, Message string

	// Form describes what they are to send, as the node likes it. Who may answer
	// sees it. At most 64 KB of JSON.
	Form map[string]any

	// Assignees are who may answer. Without any, whoever holds run.answer.
	Assignees Assignees

	// NotStarter keeps the person who started the run from answering.
	NotStarter bool

	// Event, when set, is the name of the event that ends the wait, on port
	// success, with [Event] as the node's output; then nobody answers it. EventKey
	// is what the event's key has to be. At most 200 characters each.
	Event, EventKey string

	// Timeout is how long it waits at most. 0 = [MaxWait], which is the longest.
	Timeout time.Duration
}

// MaxWait is the longest wait.
const MaxWait = 366 * 24 * time.Hour

// PortExpired is the port of a wait that nothing ended in time.
const PortExpired = "expired"

// Assignees names people: anybody who is one of the users or has one of the
// roles. Roles are given by id or by the key of a default role ("operator").
type Assignees struct {
	Roles []string `json:"roles,omitempty" doc:"ids of roles"`
	Users []string `json:"users,omitempty" doc:"ids of users"`
}

// Everybody reports whether nobody is named.
func (a Assignees) Everybody() bool { return len(a.Roles)+len(a.Users) == 0 }

// Assigner is a Node whose configuration names people. They are looked up when a
// draft is saved and when it is published.
type Assigner interface {
	// Assignees lists those that are known before the run: no templates.
	Assignees(config map[string]any) Assignees
}

// Answerer is a Node that turns what somebody answered into the port and the
// output of the node, or into an Invalid error with everything that is wrong
// with it. The answer of a node without this ability is its output.
type Answerer interface {
	Answer(w Wait, a Answered) (Result, error)
}

// Answer is what a person sends: for an approval the decision, for a form the
// values.
type Answer struct {
	Approved *bool          `json:"approved,omitempty" doc:"the decision, for an approval"`
	Comment  string         `json:"comment,omitempty" maxLength:"4000" doc:"for whoever reads the run later"`
	Values   map[string]any `json:"values,omitempty" doc:"the fields by name, for a form"`
}

// Answered is an answer, with who gave it.
type Answered struct {
	Answer
	By     string // as in records, e.g. "user:<id>"
	UserID string // the person; of an API key, its owner
	At     time.Time
}

const (
	maxWaitTitle   = 200
	maxWaitMessage = 4000
	maxWaitForm    = 64 << 10
	maxAssignees   = 100
	maxEventName   = 200
	maxComment     = 4000
)

func (w *Wait) check() error {
	var f problem.Faults
	f.Check(len(w.Title) <= maxWaitTitle, "title", fmt.Sprintf("must have at most %d characters", maxWaitTitle))
	f.Check(len(w.Message) <= maxWaitMessage, "message", fmt.Sprintf("must have at most %d characters", maxWaitMessage))
	f.Check(len(w.Event) <= maxEventName, "event", fmt.Sprintf("must have at most %d characters", maxEventName))
	f.Check(len(w.EventKey) <= maxEventName, "key", fmt.Sprintf("must have at most %d characters", maxEventName))
	for field, text := range map[string]string{"title": w.Title, "message": w.Message, "event": w.Event, "key": w.EventKey} {
		f.Check(!strings.Contains(text, "\x00"), field, "must not hold a NUL character")
	}
	f.Check(w.Timeout >= 0 && w.Timeout <= MaxWait, "timeout", "must be between 0 and 366 days")
	f.Check(len(w.Assignees.Roles)+len(w.Assignees.Users) <= maxAssignees, "assignees", fmt.Sprintf("must not be more than %d", maxAssignees))
	if w.Form != nil {
		form, err := json.Marshal(w.Form)
		f.Check(err == nil, "form", "must be what JSON can hold")
		f.Check(len(form) <= maxWaitForm, "form", fmt.Sprintf("must not be larger than %d bytes as JSON", maxWaitForm))
	}
	return f.Err("wait_invalid", "the node asks for a wait that is not possible")
}

// outcome is the waiting itself: output is what the node comes to without an
// answer.
func (w *Wait) outcome(output []byte) outcome {
	o := outcome{status: NodeWaiting, output: output, wait: w, delay: w.Timeout}
	if o.delay == 0 {
		o.delay = MaxWait
	}
	return o
}

// Check says why the engine cannot go on with the result of a node that has the
// ports: it takes another one, or it asks for a wait or a loop, or gives a response, that is
// not possible.
func (r *Result) Check(ports []string) error {
	port := cmp.Or(r.Port, PortSuccess)
	if r.Wait != nil {
		port = PortExpired
		if err := r.Wait.check(); err != nil {
			return err
		}
	}
	if !slices.Contains(ports, port) {
		// Every edge would be dead, and the run would succeed without a word.
		return problem.New(problem.Internal, "node_port_unknown", "the node took a port that it does not have")
	}
	if r.Each != nil {
		if r.Start != nil || r.Wait != nil || r.Sleep > 0 {
			return problem.New(problem.Internal, "node_waits_twice", "the node asks for a loop and for something else to wait for")
		}
		if err := r.Each.check(); err != nil {
			return err
		}
	}
	return r.Response.check()
}

// assign looks up whom a node names for its wait.
func (e *engine) assign(ctx context.Context, c *claim, w *Wait) error {
	if w == nil || w.Assignees.Everybody() {
		return nil
	}
	return e.endure(ctx, c, func() error {
		found, err := e.s.cfg.Assignees(ctx, w.Assignees)
		if err == nil {
			w.Assignees = found
		}
		return err
	})
}

// people looks up whom a node of a graph names.
func (s *Service) people(ctx context.Context, n *planNode) error {
	a, ok := n.nodeType.node.(Assigner)
	if !ok {
		return nil
	}
	_, err := s.cfg.Assignees(ctx, a.Assignees(n.def.Config))
	return err
}
