package node

import (
	"context"
	"fmt"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// waitEvent waits for an event from outside, holding no worker.
type waitEvent struct{}

type waitEventConfig struct {
	Event   string `json:"event" jsonschema:"name of the event"`
	Key     string `json:"key,omitempty" jsonschema:"which event of this name is meant, usually an expression: {{ input.orderId }}"`
	Timeout string `json:"timeout,omitempty" jsonschema:"how long it waits before it takes the port expired, like 10m or 30d; default and at most 366d"`
}

func (waitEvent) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "waitEvent", Title: "Wait for event",
		Description: "Waits until an event of a name and key is sent; the output is the event. An event that came before is kept for a while.",
		Output:      "`id`, `name`, `key` and `data` of the event; `id` and `data` are null when it expired",
		Config:      schemaOf[waitEventConfig](), Ports: []string{workflow.PortSuccess, workflow.PortExpired},
	}
}

func (waitEvent) Check(config map[string]any) error {
	var f problem.Faults
	if name, ok := config["event"].(string); ok {
		f.Check(strings.TrimSpace(name) != "", "event", "must not be empty")
	}
	if timeout, ok := config["timeout"].(string); ok && !strings.Contains(timeout, "{{") {
		d, err := length(timeout)
		f.Merge("timeout", err)
		f.Check(err != nil || d > 0, "timeout", "must be longer than 0")
	}
	return f.Err("graph_invalid", "the wait is not valid")
}

func (waitEvent) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	w := &workflow.Wait{}
	w.Event, _ = call.Config["event"].(string)
	if w.Event == "" {
		return workflow.Result{}, problem.New(problem.Invalid, "event_name_missing", "the name of the event is empty")
	}
	if key := call.Config["key"]; key != nil { // a number or a text
		w.EventKey = fmt.Sprint(key)
	}
	timeout, _ := call.Config["timeout"].(string)
	if timeout != "" {
		d, err := length(timeout)
		if err != nil {
			return workflow.Result{}, err
		}
		w.Timeout = max(d, least)
	}
	return workflow.Result{Wait: w, Output: map[string]any{"id": nil, "name": w.Event, "key": w.EventKey, "data": nil}}, nil
}
