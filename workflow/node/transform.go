package node

import (
	"context"

	"github.com/jetadmin/jetadmin/workflow"
)

// transform computes a value.
type transform struct{}

type transformConfig struct {
	Value any `json:"value" jsonschema:"the output: a text with {{ expressions }}, or an object or array of such texts"`
}

func (transform) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "transform", Title: "Transform", Description: "Computes a value from the input and earlier outputs.",
		Output: "the value",
		Config: schemaOf[transformConfig](), Pure: true,
	}
}

func (transform) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	return workflow.Result{Output: call.Config["value"]}, nil
}
