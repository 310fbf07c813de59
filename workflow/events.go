package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// The kinds of events on the topic "run:<id>"; "workflow:<id>" has the first, of all
// runs of the workflow that are not the items of a loop.
const (
	EventRun  = "run.updated"      // data: RunEvent
	EventNode = "run.node.updated" // data: NodeEvent
	EventLog  = "run.log"          // data: LogEvent
	EventWait = "run.wait"         // data: WaitEvent

	EventItems = "run.items.updated" // data: ItemsEvent
)

// RunEvent says where a run stands now.
type RunEvent struct {
	ID     string    `json:"id"`
	Status RunStatus `json:"status"`
	Error  *Failure  `json:"error,omitempty"`
}

// NodeEvent says where a node of a run stands now.
type NodeEvent struct {
	RunID   string     `json:"runId"`
	Key     string     `json:"key"`
	Status  NodeStatus `json:"status"`
	Attempt int        `json:"attempt"`
	Port    string     `json:"port,omitempty"`
	Error   *Failure   `json:"error,omitempty"`

	// Output is what the node has come to, when that has at most 8 KB: otherwise read
	// the node.
	Output json.RawMessage `json:"output,omitempty"`
}

// ItemsEvent says how far a loop has come.
type ItemsEvent struct {
	RunID string `json:"runId"`
	Key   string `json:"key"`
	Items Items  `json:"items"`
}

// LogEvent is a line that a node has just logged, or (Dropped > 0) says how many
// lines are left out here because they came too fast: [Service.Logs] has them.
type LogEvent struct {
	RunID      string          `json:"runId"`
	ID         string          `json:"id,omitempty"`
	Node       string          `json:"node,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	Seq        int             `json:"seq,omitempty"`
	At         *time.Time      `json:"at,omitempty"`
	Level      LogLevel        `json:"level,omitempty"`
	Message    string          `json:"message,omitempty"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
	Truncated  bool            `json:"truncated,omitempty"`
	Dropped    int             `json:"dropped,omitempty"`
}

// WaitEvent says that a node of a run waits for people or an event, or no longer
// does. The topic "tenant:<id>" hears of it too, with the id of the wait alone.
type WaitEvent struct {
	ID       string     `json:"id"` // of the wait
	RunID    string     `json:"runId"`
	Key      string     `json:"key"`
	Type     string     `json:"type"`
	Status   WaitStatus `json:"status"`
	Title    string     `json:"title,omitempty"`
	Deadline time.Time  `json:"deadline"`
}

// EventKey names the state that the event tells: a newer one makes it worthless.
func (e RunEvent) EventKey() string { return "run:" + e.ID }

// EventKey names the state that the event tells: a newer one makes it worthless.
func (e NodeEvent) EventKey() string { return "node:" + e.Key }

// EventKey names the state that the event tells: a newer one makes it worthless.
func (e ItemsEvent) EventKey() string { return "items:" + e.Key }

// EventKey names the state that the event tells: a newer one makes it worthless.
func (e WaitEvent) EventKey() string { return "wait:" + e.ID }

// startsByHand is how many runs in a second, and at once, may be taken for such
// as somebody watches from the start.
const startsByHand = 20

func runTopic(runID string) topic { return topic{"run", runID} }

// announce tells of a run that was just started. A person who did it is likely to
// watch, so its events are kept from this first one on, whether or not he does
// already. Of another's run nobody knows the id yet, and a flood is not started by hand.
func (s *Service) announce(ctx context.Context, r *runRow) {
	status := r.Status
	if status == RunRunning { // its first node was claimed together with the start
		status = RunQueued
	}
	e := event{kind: EventRun, data: RunEvent{ID: r.ID, Status: status}}
	s.events.ofWorkflow(r, e)
	if who := auth.FromContext(ctx); who != nil && who.Kind == auth.KindUser && s.byHand.Allow() {
		e.awaited = true
		s.events.send(runTopic(r.ID), e)
	}
}

func (o *outlet) run(_ context.Context, r *runRow, f *Failure) {
	e := event{kind: EventRun, data: RunEvent{ID: r.ID, Status: r.Status, Error: f}}
	o.send(runTopic(r.ID), e)
	o.ofWorkflow(r, e)
}

// ofWorkflow tells whoever watches the workflow of a run.
func (o *outlet) ofWorkflow(r *runRow, e event) {
	if workflowID := r.shownWorkflow(); workflowID != "" && r.Enclosing == nil {
		o.send(topic{"workflow", workflowID}, e)
	}
}

func (o *outlet) node(_ context.Context, n *nodeRow, port string, f *Failure, output json.RawMessage) {
	if !shown(output) {
		output = nil
	}
	o.send(runTopic(n.RunID), event{kind: EventNode, data: NodeEvent{
		RunID: n.RunID, Key: n.Key, Status: n.Status, Attempt: n.Attempt, Port: port, Error: f, Output: output,
	}})
}

func (o *outlet) items(n *nodeRow, l *loopRow) {
	o.send(runTopic(n.RunID), event{kind: EventItems, data: ItemsEvent{RunID: n.RunID, Key: n.Key, Items: l.items()}})
}

func (o *outlet) wait(w *waitRow) {
	o.send(runTopic(w.RunID), event{kind: EventWait, data: WaitEvent{
		ID: w.ID, RunID: w.RunID, Key: w.Key, Type: w.Type, Status: w.State.status(), Title: w.Title, Deadline: w.Deadline,
	}})
}

func (o *outlet) log(l *logRow) {
	e := LogEvent{
		RunID: l.RunID, ID: l.ID, Node: l.Key, Attempt: l.Attempt, Seq: l.Seq, At: &l.At, Level: l.Level, Message: l.Message, Truncated: l.Truncated,
	}
	if l.Attributes != nil {
		e.Attributes = json.RawMessage(*l.Attributes)
	}
	o.send(runTopic(l.RunID), event{kind: EventLog, data: e})
}
