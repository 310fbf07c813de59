package realtime

import (
	"encoding/json"

	"github.com/jetadmin/jetadmin/problem"
)

// socketIOWidgets are the events about widgets that clients send, by their names in the
// reference product, and how each becomes a request. They are answered by events, not
// by acknowledgements.
var socketIOWidgets = map[string]func(s *socketIO, a socketIOWidget) (request, error){
	widgetConnect:    (*socketIO).connectWidget,
	widgetRefresh:    (*socketIO).refreshWidget,
	widgetInput:      (*socketIO).inputWidget,
	widgetDisconnect: (*socketIO).disconnectWidget,
}

const (
	widgetConnect    = "widget_workflow_connect"
	widgetRefresh    = "widget_refresh"
	widgetInput      = "widget_send_input"
	widgetDisconnect = "widget_workflow_disconnect"
)

// maxWidgets is how many widgets a connection may have connected.
const maxWidgets = 128

// socketIOWidget is the argument of an event about a widget.
type socketIOWidget struct {
	WidgetID   string          `json:"widgetID"`
	WorkflowID string          `json:"workflowID"`
	Mode       string          `json:"mode"`
	Params     json.RawMessage `json:"inputParams"`
	InstanceID string          `json:"instanceID"`
	TenantID   string          `json:"tenantID"`
	InputType  string          `json:"inputType"`
	Data       json.RawMessage `json:"data"`
	RequestID  string          `json:"collectionRequestID"`
}

// widgetLink is what a client has connected a widget with.
type widgetLink struct{ id, tenantID, runID string }

// widgetNote goes with a request about a widget to its reply.
type widgetNote struct {
	event, widgetID, tenantID string
	inputType, runID, linkID  string
}

func (s *socketIO) widgetRequest(id, name string, text []byte) (request, error) {
	var a socketIOWidget
	if json.Unmarshal(text, &a) != nil || a.WidgetID == "" {
		return request{ID: id}, problem.New(problem.Invalid, "argument_invalid", "the argument is an object with a string widgetID")
	}
	r, err := socketIOWidgets[name](s, a)
	r.note.event, r.note.widgetID = name, a.WidgetID
	return r, err
}

// toTenant is a request to the topic of a tenant, which takes what is about widgets.
func toTenant(tenantID, kind string, data any) request {
	return request{Op: opSend, Topic: "tenant:" + tenantID, Type: kind, Data: encode(data), note: &widgetNote{tenantID: tenantID}}
}

func (s *socketIO) connectWidget(a socketIOWidget) (r request, err error) {
	if a.TenantID == "" {
		err = problem.New(problem.Invalid, "argument_invalid", "tenantID is missing")
	}
	if _, again := s.widgets[a.WidgetID]; !again && len(s.widgets) >= maxWidgets {
		err = problem.Newf(problem.Conflict, "too_many_widgets", "a connection has at most %d connected widgets", maxWidgets)
	}
	return toTenant(a.TenantID, "widget.connect", struct {
		Widget     string          `json:"widget"`
		Mode       string          `json:"mode"`
		WorkflowID string          `json:"workflowId,omitempty"`
		Input      json.RawMessage `json:"input,omitempty"`
		RunID      string          `json:"runId,omitempty"`
		Replaces   string          `json:"replaces,omitempty"`
	}{a.WidgetID, a.Mode, ifExecute(a.Mode, a.WorkflowID), ifExecute(a.Mode, a.Params), a.InstanceID, s.widgets[a.WidgetID].id}), err
}

// ifExecute leaves out what clients of the reference product send in each mode.
func ifExecute[T ~string | ~[]byte](mode string, value T) (none T) {
	if mode == "execute" {
		return value
	}
	return none
}

func (s *socketIO) refreshWidget(a socketIOWidget) (request, error) {
	link, err := s.linkOf(a)
	return toTenant(link.tenantID, "widget.refresh", struct {
		LinkID string          `json:"linkId"`
		Input  json.RawMessage `json:"input,omitempty"`
	}{link.id, a.Params}), err
}

// inputWidget takes what a form submits, and what does not say approved, for the values
// of a form, and the rest for the answer to an approval.
func (s *socketIO) inputWidget(a socketIOWidget) (request, error) {
	link, err := s.linkOf(a)
	var said struct {
		LinkID   string          `json:"linkId"`
		WaitID   string          `json:"waitId,omitempty"`
		Approved *bool           `json:"approved,omitempty"`
		Comment  string          `json:"comment,omitempty"`
		Values   json.RawMessage `json:"values,omitempty"`
	}
	if a.InputType == "form_submit" || json.Unmarshal(a.Data, &said) != nil || said.Approved == nil {
		said.Approved, said.Comment, said.Values = nil, "", a.Data
	}
	said.LinkID, said.WaitID = link.id, a.RequestID
	r := toTenant(link.tenantID, "widget.input", said)
	r.note.inputType, r.note.runID = a.InputType, link.runID
	return r, err
}

func (s *socketIO) disconnectWidget(a socketIOWidget) (request, error) {
	link, err := s.linkOf(a)
	r := toTenant(link.tenantID, "widget.disconnect", struct {
		LinkID string `json:"linkId"`
	}{link.id})
	r.note.linkID = link.id
	return r, err
}

func (s *socketIO) linkOf(a socketIOWidget) (widgetLink, error) {
	link, ok := s.widgets[a.WidgetID]
	if !ok {
		return link, problem.New(problem.NotFound, "widget_not_connected", "the widget is not connected")
	}
	return link, nil
}

// follow watches what a widget was connected with, in place of what it was before.
func (s *socketIO) follow(r request, said json.RawMessage, refused error) (next []request) {
	switch {
	case r.note == nil:
		return nil
	case r.note.event == widgetDisconnect && (refused == nil || problem.Is(refused, problem.NotFound)): // it may be gone already
		delete(s.widgets, r.note.widgetID)
		return []request{{Op: opUnsubscribe, Topic: "widget:" + r.note.linkID}}
	case refused != nil || r.note.event == widgetInput:
		return nil
	}
	if old, ok := s.widgets[r.note.widgetID]; ok {
		next = append(next, request{Op: opUnsubscribe, Topic: "widget:" + old.id})
		delete(s.widgets, r.note.widgetID)
	}
	var link connectedLink
	if json.Unmarshal(said, &link) != nil || link.ID == "" {
		return next
	}
	if s.widgets == nil {
		s.widgets = map[string]widgetLink{}
	}
	s.widgets[r.note.widgetID] = widgetLink{link.ID, r.note.tenantID, link.RunID}
	return append(next, request{Op: opSubscribe, Topic: "widget:" + link.ID, Since: new(int64)})
}

// connectedLink is what the tenant's topic answers to a connect.
type connectedLink struct {
	ID         string          `json:"id"`
	WorkflowID string          `json:"workflowId"`
	RunID      string          `json:"runId"`
	Mode       string          `json:"mode"`
	Status     string          `json:"status"`
	Context    json.RawMessage `json:"context"`
	Waits      []struct{ ID, Key, Type, Title, Deadline string }
}

// widgetReply is the event that answers one about a widget.
func widgetReply(r reply) []byte {
	note := r.note
	switch {
	case r.Op == opError:
		return emit("widget_workflow_error", map[string]any{
			"widgetID": note.widgetID,
			"error":    map[string]any{"code": widgetFailures[note.event], "message": r.Detail, "reason": r.Code, "recoverable": passing[r.Code]},
		})
	case note.event == widgetInput:
		return emit("widget_input_received", map[string]any{
			"widgetID": note.widgetID, "instanceID": note.runID, "inputType": note.inputType, "success": true,
		})
	case note.event == widgetDisconnect:
		return emit("widget_workflow_disconnected", map[string]any{"widgetID": note.widgetID, "success": true})
	}
	var link connectedLink
	if json.Unmarshal(r.Data, &link) != nil {
		return nil
	}
	return emit("widget_workflow_connected", map[string]any{
		"widgetID": note.widgetID, "instanceID": link.RunID, "workflowID": link.WorkflowID, "mode": link.Mode,
		"initialContext": link.Context, "workflowStatus": word(runWords, link.Status), "collectionRequests": collectionRequests(link),
	})
}

// passing are the codes of what may go well another time.
var passing = map[string]bool{
	string(problem.Unavailable): true, string(problem.Timeout): true, string(problem.RateLimited): true, string(problem.Internal): true,
	"start_timeout": true,
}

// collectionRequests are what the run waits for already.
func collectionRequests(link connectedLink) []any {
	requests := make([]any, len(link.Waits))
	for i, w := range link.Waits {
		requests[i] = map[string]any{
			"instanceID": link.RunID, "nodeID": w.Key, "collectionRequestID": w.ID, "collectionType": w.Type,
			"collectionConfig": map[string]any{"title": w.Title, "deadline": w.Deadline},
		}
	}
	return requests
}

var widgetFailures = map[string]string{
	widgetConnect: "CONNECTION_FAILED", widgetRefresh: "REFRESH_FAILED", widgetInput: "INPUT_FAILED", widgetDisconnect: "DISCONNECT_FAILED",
}

func widgetContext(data json.RawMessage) (string, any) {
	var e struct {
		Widget, Key, Status string
		Output              json.RawMessage
		Error               *failure
	}
	if json.Unmarshal(data, &e) != nil {
		return "", nil
	}
	update := map[string]any{
		"widgetID": e.Widget, "type": "NODE_COMPLETE", "nodeID": e.Key, "outputVariable": e.Key,
		"status": word(nodeWords, e.Status), "error": e.Error.text(),
	}
	if e.Output != nil {
		update["value"] = e.Output
	}
	return "widget_context_update", update
}

// widgetStatus has a name only for the end of a run, as statusUpdate.
func widgetStatus(data json.RawMessage) (string, any) {
	var e struct {
		Widget, RunID, Status string
		Error                 *failure
	}
	if json.Unmarshal(data, &e) != nil || runWords[e.Status] == "" {
		return "", nil
	}
	return "widget_workflow_status", map[string]any{
		"widgetID": e.Widget, "instanceID": e.RunID, "status": runWords[e.Status], "error": e.Error.text(),
	}
}

// widgetWait has a name only for what still waits.
func widgetWait(data json.RawMessage) (string, any) {
	var e struct{ Widget, RunID, WaitID, Key, Type, Status, Title, Deadline string }
	if json.Unmarshal(data, &e) != nil || e.Status != "open" {
		return "", nil
	}
	return "workflow_data_collection_request", map[string]any{
		"widgetID": e.Widget, "instanceID": e.RunID, "nodeID": e.Key, "collectionRequestID": e.WaitID, "collectionType": e.Type,
		"collectionConfig": map[string]any{"title": e.Title, "deadline": e.Deadline},
	}
}
