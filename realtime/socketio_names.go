package realtime

import (
	"encoding/json"
	"strconv"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime/internal/eio"
)

// socketIORequests are the events about topics that clients send, by their names in
// the reference product, and what they are here; those about widgets are in
// socketIOWidgets. Its ai_chat_* are absent: there is nothing behind them yet.
var socketIORequests = map[string]struct {
	op    string
	topic func(socketIOArgument) string
}{
	"workflow_run_join":  {opSubscribe, socketIOArgument.run},
	"workflow_run_leave": {opUnsubscribe, socketIOArgument.run},
	"join_room":          {opSubscribe, socketIOArgument.room},
	"leave_room":         {opUnsubscribe, socketIOArgument.room},
}

// socketIOArgument is the argument of an event: an object, or the name alone.
type socketIOArgument struct {
	RunID string `json:"runId"`
	Room  string `json:"room"`
	Since *int64 `json:"since"`
}

func (a socketIOArgument) run() string  { return "run:" + a.RunID }
func (a socketIOArgument) room() string { return a.Room }

func parseSocketIOArgument(text []byte) (a socketIOArgument, err error) {
	var name string
	if json.Unmarshal(text, &name) == nil {
		return socketIOArgument{RunID: name, Room: name}, nil
	}
	if text == nil || json.Unmarshal(text, &a) != nil || a.Since != nil && *a.Since < 0 {
		return a, problem.New(problem.Invalid, "argument_invalid", "the argument is an object with a string runId or room, and an integer since that is not negative")
	}
	return a, nil
}

// socketIORequest is the request that an event makes.
func (s *socketIO) requestOf(p eio.Packet) (request, error) {
	var r request
	if p.ID != eio.NoID {
		r.ID = strconv.FormatInt(p.ID, 10)
	}
	name, text, err := eio.Arguments(p.Data)
	if err != nil {
		return r, errProtocol
	}
	if socketIOWidgets[name] != nil {
		return s.widgetRequest(r.ID, name, text)
	}
	known, ok := socketIORequests[name]
	if !ok {
		return r, problem.New(problem.Invalid, "event_unknown", "there is no such event")
	}
	a, err := parseSocketIOArgument(text)
	if err != nil {
		return r, err
	}
	r.Op, r.Topic, r.Since = known.op, known.topic(a), a.Since
	return r, nil
}

// translation gives an event the name and the payload that it has in the reference
// product; "" where it has none for this news.
type translation func(data json.RawMessage) (name string, payload any)

// socketIOEvents are the events that have a name in the reference product, by the kind
// of their topic.
var socketIOEvents = map[string]map[string]translation{
	"run":    {"run.node.updated": nodeUpdate, "run.updated": statusUpdate, "run.wait": collectionRequest},
	"widget": {"widget.context": widgetContext, "widget.status": widgetStatus, "widget.wait": widgetWait},
}

// socketIOEvent is the name and the payload of an event. What the reference product
// has no name for comes under its own.
func socketIOEvent(t Topic, e PastEvent) (name string, payload any) {
	if translate := socketIOEvents[t.Kind][e.Type]; translate != nil {
		if name, payload = translate(e.Data); name != "" {
			return name, payload
		}
	}
	return e.Type, e.Data
}

// failure is the part of a run's failure that the reference product has.
type failure struct {
	Message string `json:"message"`
}

func (f *failure) text() *string {
	if f == nil {
		return nil
	}
	return &f.Message
}

// The words of the reference product; others are the same in both.
var (
	nodeWords = map[string]string{"succeeded": "success", "failed": "error", "waiting": "suspended"}
	runWords  = map[string]string{"succeeded": "COMPLETED", "failed": "FAILED", "timedOut": "FAILED", "cancelled": "CANCELLED"}
)

// word is a status in the words of the reference product.
func word(words map[string]string, status string) string {
	if known, ok := words[status]; ok {
		return known
	}
	return status
}

func nodeUpdate(data json.RawMessage) (string, any) {
	var e struct {
		RunID  string   `json:"runId"`
		Key    string   `json:"key"`
		Status string   `json:"status"`
		Error  *failure `json:"error"`

		Output json.RawMessage `json:"output"`
	}
	if json.Unmarshal(data, &e) != nil {
		return "", nil
	}
	return "workflow_node_update", struct {
		InstanceID string          `json:"instanceID"`
		NodeID     string          `json:"nodeID"`
		Status     string          `json:"status"`
		Output     json.RawMessage `json:"output,omitempty"`
		Error      *string         `json:"error"`
	}{e.RunID, e.Key, word(nodeWords, e.Status), e.Output, e.Error.text()}
}

// statusUpdate has a name only for the end of a run: clients of the reference
// product take every status for the last one.
func statusUpdate(data json.RawMessage) (string, any) {
	var e struct {
		ID     string   `json:"id"`
		Status string   `json:"status"`
		Error  *failure `json:"error"`
	}
	if json.Unmarshal(data, &e) != nil || runWords[e.Status] == "" {
		return "", nil
	}
	return "workflow_status_update", struct {
		InstanceID string  `json:"instanceID"`
		Status     string  `json:"status"`
		Error      *string `json:"error"`
	}{e.ID, runWords[e.Status], e.Error.text()}
}

// collectionRequest has a name only for what still waits.
func collectionRequest(data json.RawMessage) (string, any) {
	var e struct {
		ID       string `json:"id"`
		RunID    string `json:"runId"`
		Key      string `json:"key"`
		Type     string `json:"type"`
		Status   string `json:"status"`
		Title    string `json:"title"`
		Deadline string `json:"deadline"`
	}
	if json.Unmarshal(data, &e) != nil || e.Status != "open" {
		return "", nil
	}
	type config struct {
		Title    string `json:"title"`
		Deadline string `json:"deadline"`
	}
	return "workflow_data_collection_request", struct {
		InstanceID string `json:"instanceID"`
		NodeID     string `json:"nodeID"`
		RequestID  string `json:"collectionRequestID"`
		Type       string `json:"collectionType"`
		Config     config `json:"collectionConfig"`
	}{e.RunID, e.Key, e.ID, e.Type, config{e.Title, e.Deadline}}
}
