package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// respond answers whoever started the run and waits.
type respond struct{}

type respondConfig struct {
	Status  int               `json:"status,omitempty" jsonschema:"HTTP status, 200 to 599; default 200"`
	Headers map[string]string `json:"headers,omitempty" jsonschema:"headers that describe the body, and any that begins with X-"`
	Body    any               `json:"body,omitempty" jsonschema:"sent as JSON, or as it is when it is a text"`
}

func (respond) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "respond", Once: true, Title: "Respond", Config: schemaOf[respondConfig](),
		Description: "Answers a webhook that waits, with a status, headers and a body. The first answer of a run counts; the run goes on.",
		Output:      "`status`",
	}
}

func (respond) Check(config map[string]any) error {
	var f problem.Faults
	switch status := config["status"].(type) {
	case float64:
		f.Check(status >= 200 && status <= 599, "status", "must be between 200 and 599")
	case int:
		f.Check(status >= 200 && status <= 599, "status", "must be between 200 and 599")
	}
	headers, _ := config["headers"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		f.Check(workflow.ResponseHeader(name), "headers."+name, "is not a header that a run may set")
		value, _ := headers[name].(string)
		f.Check(!strings.ContainsAny(value, "\r\n\x00"), "headers."+name, "must not hold a line break")
	}
	return f.Err("graph_invalid", "the response is not valid")
}

func (respond) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c respondConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	r := &workflow.Response{Status: c.Status, Headers: c.Headers}
	if r.Status == 0 {
		r.Status = 200
	}
	contentType := "text/plain; charset=utf-8"
	switch body := call.Config["body"].(type) { // where numbers are as they were written
	case nil:
	case string:
		r.Body = []byte(body)
	default:
		b, err := json.Marshal(body)
		if err != nil {
			return workflow.Result{}, fmt.Errorf("write the body: %w", err)
		}
		r.Body, contentType = b, "application/json"
	}
	if len(r.Body) > 0 && !hasHeader(r.Headers, "Content-Type") {
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers["Content-Type"] = contentType
	}
	return workflow.Result{Response: r, Output: map[string]any{"status": r.Status}}, nil
}

func hasHeader(headers map[string]string, name string) bool {
	for k := range headers {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}
