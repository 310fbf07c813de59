package jetadmin_test

import (
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A workflow that other workflows run as one of their nodes.
func Example_subworkflow() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	price, err := publish(ctx, app, "Price", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "gross", Type: "transform", Config: map[string]any{"value": "{{ input.net * 119 / 100 }}"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.gross }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "gross"}, {From: "gross", To: "end"}},
	})
	check(err)
	offer, err := publish(ctx, app, "Offer", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "price", Type: "subWorkflow", Config: map[string]any{"workflowId": price, "input": map[string]any{"net": "{{ input.net }}"}}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "that makes {{ steps.price }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "price"}, {From: "price", To: "end"}},
	})
	check(err)

	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: offer, Input: map[string]any{"net": 200}})
	check(err)
	ended, err := app.Workflows().Wait(ctx, run.ID)
	check(err)
	fmt.Println(ended.Status, ended.Output)

	// Output:
	// succeeded that makes 238
}
