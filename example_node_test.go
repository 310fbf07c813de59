package jetadmin_test

import (
	"context"
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// refund is the configuration of the node: its form and the check of a draft
// come from this struct.
type refund struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// refundNode makes a function of the host a step of workflows. Its error is
// shown to who may see the run when it is a problem; any other is only logged.
func refundNode() workflow.Node {
	spec := workflow.NodeSpec{Type: "refund", Title: "Refund", Description: "Gives money back."}
	return workflow.NodeFunc(spec, func(_ context.Context, call *workflow.Call, c refund) (any, error) {
		if c.Cents <= 0 {
			return nil, problem.New(problem.Invalid, "nothing_to_refund", "the amount must be positive")
		}
		// A node may be tried again after a crash: hand on call.IdempotencyKey to
		// whoever must not pay twice.
		return map[string]any{"receipt": fmt.Sprintf("%s-%d", c.Order, c.Cents), "attempt": call.Attempt}, nil
	})
}

// A function of the host as a node of a workflow, with a typed configuration.
func Example_node() {
	ctx, app, end := open(jetadmin.Config{Nodes: []workflow.Node{refundNode()}})
	defer end()

	id, err := publish(ctx, app, "Complaint", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "refund", Type: "refund", Config: map[string]any{"order": "{{ input.order }}", "cents": "{{ input.cents }}"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.refund.receipt }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "refund"}, {From: "refund", To: "end"}},
	})
	check(err)

	for _, cents := range []int{4200, 0} {
		run, err := app.Workflows().Start(ctx, workflow.StartParams{
			WorkflowID: id, Input: map[string]any{"order": "A-17", "cents": cents},
		})
		check(err)
		ended, err := app.Workflows().Wait(ctx, run.ID)
		check(err)
		if ended.Error != nil {
			fmt.Println(ended.Status, ended.Error.Message)
			continue
		}
		fmt.Println(ended.Status, ended.Output)
	}
	// Output:
	// succeeded A-17-4200
	// failed the amount must be positive
}
