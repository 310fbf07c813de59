package node

import (
	"context"
	"maps"
	"slices"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// form waits for data that somebody fills in.
type form struct{}

type formConfig struct {
	asking
	Fields map[string]any `json:"fields" jsonschema:"JSON Schema of the values, an object, without references; its defaults are filled in"`
}

func (form) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "form", Title: "Form", Description: "Waits until somebody has filled in the fields; the output has the values.",
		Output: "`values`, `comment`, `by`, `userId`, `at`; `values` is null when it expired",
		Config: schemaOf[formConfig](), Ports: []string{workflow.PortSuccess, workflow.PortExpired},
	}
}

func (form) Check(config map[string]any) error {
	var f problem.Faults
	asking{}.check(&f, config)
	if fields, ok := config["fields"]; ok {
		schema := checkSchema(&f, "fields", fields)
		f.Check(schema == nil || len(schema.Properties) > 0, "fields", "must have at least one property")
	}
	return f.Err("graph_invalid", "the form is not valid")
}

// Assignees are those named in the graph.
func (form) Assignees(config map[string]any) workflow.Assignees { return asking{}.named(config) }

func (form) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c formConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	w, err := c.wait(call)
	if err != nil {
		return workflow.Result{}, err
	}
	w.Form, _ = call.Config["fields"].(map[string]any)
	if _, err := objectSchema(w.Form); err != nil {
		return workflow.Result{}, problem.New(problem.Invalid, "form_invalid", "the fields are not a valid JSON Schema").Because(err)
	}
	return workflow.Result{Wait: w, Output: submission{}}, nil
}

// submission is the output of a form.
type submission struct {
	Values  map[string]any `json:"values"` // null when it expired
	Comment string         `json:"comment"`
	By      any            `json:"by"`
	UserID  any            `json:"userId"`
	At      any            `json:"at"`
}

// Answer checks the values, and names every fault of them at once.
func (form) Answer(w workflow.Wait, a workflow.Answered) (workflow.Result, error) {
	var f problem.Faults
	f.Check(a.Approved == nil, "approved", "is not a part of this answer")
	schema, err := objectSchema(w.Form)
	if err != nil {
		return workflow.Result{}, err
	}
	values := a.Values
	if values == nil {
		values = map[string]any{}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		_, known := schema.Schema().Properties[name]
		f.Check(known, "values."+name, "is not a field of the form")
	}
	values, err = filled(schema, values)
	f.Merge("values", err)
	if err := f.Err("answer_invalid", "the answer is not valid"); err != nil {
		return workflow.Result{}, err
	}
	return workflow.Result{Output: submission{Values: values, Comment: a.Comment, By: a.By, UserID: a.UserID, At: a.At}}, nil
}
