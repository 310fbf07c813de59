package workflow

import (
	"encoding/json"
	"time"
)

// The kinds of events on the topic "widget:<id>" of a link: what the run's topic tells,
// as far as a widget shows it, under the same numbers.
const (
	EventWidgetContext = "widget.context" // data: WidgetContextEvent; a node has ended
	EventWidgetStatus  = "widget.status"  // data: WidgetStatusEvent
	EventWidgetWait    = "widget.wait"    // data: WidgetWaitEvent
)

// WidgetEvent names the link that an event is for.
type WidgetEvent struct {
	LinkID string `json:"linkId"`
	Widget string `json:"widget"`
	RunID  string `json:"runId"`
}

// WidgetContextEvent says what a node of the run has come to.
type WidgetContextEvent struct {
	WidgetEvent
	Key    string          `json:"key"`
	Status NodeStatus      `json:"status"`
	Port   string          `json:"port,omitempty"`
	Output json.RawMessage `json:"output,omitempty"` // when it has at most 8 KB: otherwise read the node
	Error  *Failure        `json:"error,omitempty"`
}

// WidgetStatusEvent says where the run stands.
type WidgetStatusEvent struct {
	WidgetEvent
	Status RunStatus `json:"status"`
	Error  *Failure  `json:"error,omitempty"`
}

// WidgetWaitEvent says that the run waits for an answer, or no longer does.
type WidgetWaitEvent struct {
	WidgetEvent
	WaitID   string     `json:"waitId"`
	Key      string     `json:"key"`
	Type     string     `json:"type"`
	Status   WaitStatus `json:"status"`
	Title    string     `json:"title,omitempty"`
	Deadline time.Time  `json:"deadline"`
}

// Show is an event of the link's run in the widget's words; "" = a widget does not show
// it.
func (l WidgetLink) Show(kind string, data json.RawMessage) (shown string, _ any) {
	about := WidgetEvent{LinkID: l.ID, Widget: l.Widget, RunID: l.RunID}
	switch kind {
	case EventNode:
		var e NodeEvent
		if json.Unmarshal(data, &e) != nil || e.Status != NodeSucceeded && e.Status != NodeFailed {
			return "", nil
		}
		return EventWidgetContext, WidgetContextEvent{about, e.Key, e.Status, e.Port, e.Output, e.Error}
	case EventRun:
		var e RunEvent
		if json.Unmarshal(data, &e) != nil {
			return "", nil
		}
		return EventWidgetStatus, WidgetStatusEvent{about, e.Status, e.Error}
	case EventWait:
		var e WaitEvent
		if json.Unmarshal(data, &e) != nil {
			return "", nil
		}
		return EventWidgetWait, WidgetWaitEvent{about, e.ID, e.Key, e.Type, e.Status, e.Title, e.Deadline}
	}
	return "", nil
}
