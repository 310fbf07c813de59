package node

import (
	"context"

	"github.com/jetadmin/jetadmin/workflow"
)

// end gives the run its output, and may fail or stop it.
type end struct{}

type endConfig struct {
	Output    any    `json:"output,omitempty" jsonschema:"the run's output"`
	Failed    bool   `json:"failed,omitempty" jsonschema:"end the run as failed"`
	Message   string `json:"message,omitempty" jsonschema:"why it failed"`
	Terminate bool   `json:"terminate,omitempty" jsonschema:"end the run now and cancel its other nodes"`
}

func (end) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: workflow.TypeEnd, Title: "End", Description: "Gives the run its output, and may fail or stop it.",
		Output: "what `output` says; the run's output is that of its end, or an object of all by key when several were reached",
		Config: schemaOf[endConfig](), Pure: true,
	}
}

func (end) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c endConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	if c.Failed && c.Message == "" {
		c.Message = "the workflow ended the run as failed"
	}
	// The output is taken from the expanded configuration, not from the struct:
	// there its numbers are as they were written.
	return workflow.Result{
		Output: call.Config["output"],
		End:    &workflow.End{Failed: c.Failed, Message: c.Message, Terminate: c.Terminate},
	}, nil
}
