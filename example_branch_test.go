package jetadmin_test

import (
	"context"
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// Ways that a run can take: by the value of an input, side by side with a join
// behind, and round a node that fails.
func Example_branch() {
	type parcel struct {
		Country string `json:"country"`
	}
	ship := workflow.NodeFunc(workflow.NodeSpec{Type: "ship"}, func(_ context.Context, _ *workflow.Call, p parcel) (any, error) {
		if p.Country == "CH" {
			return nil, problem.New(problem.Conflict, "customs", "customs have questions")
		}
		return "on its way to " + p.Country, nil
	})
	ctx, app, end := open(jetadmin.Config{Nodes: []workflow.Node{ship}})
	defer end()

	id, err := publish(ctx, app, "Send", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "where", Type: "switch", Config: map[string]any{
				"value": "{{ input.country }}", "cases": []any{map[string]any{"equals": "US", "port": "refused"}},
			}},
			{Key: "ship", Type: "ship", Config: map[string]any{"country": "{{ input.country }}"}, Policy: &workflow.Policy{OnError: workflow.OnErrorBranch}},
			{Key: "invoice", Type: "transform", Config: map[string]any{"value": "invoiced"}},
			{Key: "both", Type: "transform", Policy: &workflow.Policy{Join: workflow.JoinAllSucceeded}, Config: map[string]any{"value": "{{ steps.ship }}, {{ steps.invoice }}"}},
			{Key: "done", Type: "end", Config: map[string]any{"output": "{{ steps.both }}"}},
			{Key: "refused", Type: "end", Config: map[string]any{"output": "not to {{ input.country }}"}},
			{Key: "asked", Type: "end", Config: map[string]any{"output": "{{ steps.ship.error.message }}"}},
		},
		Edges: []workflow.Edge{
			{From: "start", To: "where"},
			{From: "where", Port: "refused", To: "refused"},
			{From: "where", Port: "default", To: "ship"}, {From: "where", Port: "default", To: "invoice"},
			{From: "ship", To: "both"}, {From: "invoice", To: "both"}, {From: "both", To: "done"},
			{From: "ship", Port: "error", To: "asked"},
		},
	})
	check(err)
	for _, country := range []string{"US", "FR", "CH"} {
		run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"country": country}})
		check(err)
		ended, err := app.Workflows().Wait(ctx, run.ID)
		check(err)
		fmt.Println(ended.Status, ended.Output)
	}
	// Output:
	// succeeded not to US
	// succeeded on its way to FR, invoiced
	// succeeded customs have questions
}
