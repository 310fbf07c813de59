package node

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

// subWorkflow runs another workflow.
type subWorkflow struct{}

type subWorkflowConfig struct {
	WorkflowID string         `json:"workflowId" jsonschema:"id of a workflow of the tenant; not an expression. Its published version is run, the newest one when the node begins"`
	Input      map[string]any `json:"input,omitempty" jsonschema:"as the start node of that workflow declares it"`
	Wait       *bool          `json:"wait,omitempty" jsonschema:"default true: the output is that of the run, and its failure is the node's. false: the output is {runId}, and nothing follows from the end of the run"`
}

func (subWorkflow) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "subWorkflow", Title: "Workflow", Description: "Runs another workflow and takes its output.",
		Output: "that of the run; with `wait` false: runId",
		Limits: []string{
			"16 runs above one another, each begun by the one above",
			"holds no worker while it waits; `policy.totalTimeout` bounds the wait, `policy.timeout` only the start",
			"a retry starts a new run",
			"when the node's run ends first, the one that it waits for is cancelled",
		},
		Config: schemaOf[subWorkflowConfig](), Literals: []string{"workflowId"},
	}
}

// Grants names the workflow. Its id is read from the graph, never from an
// expression, so that what a version may start is known when it is published.
func (subWorkflow) Grants(config map[string]any) []auth.Grant {
	workflowID, _ := config["workflowId"].(string)
	return []auth.Grant{{Permission: auth.WorkflowExecute, ObjectID: workflowID}}
}

func (subWorkflow) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c subWorkflowConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	// From the expanded configuration, where numbers are as they were written.
	input, _ := call.Config["input"].(map[string]any)
	return workflow.Result{Start: &workflow.SubRun{
		WorkflowID: c.WorkflowID, Input: input, Detached: c.Wait != nil && !*c.Wait,
	}}, nil
}
