package jetadmin_test

import (
	"context"
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A function of the host that runs for every item of a list, two at a time; one of
// the items may fail.
func Example_forEach() {
	type parcel struct {
		To string `json:"to"`
	}
	ship := func(_ context.Context, call *workflow.Call, p parcel) (any, error) {
		if p.To == "" {
			return nil, problem.New(problem.Invalid, "no_address", "the parcel has no address")
		}
		return "parcel to " + p.To, nil
	}
	ctx, app, end := open(jetadmin.Config{Nodes: []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "ship"}, ship)}})
	defer end()

	shipping, err := publish(ctx, app, "Shipping", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "each", Type: "forEach", Config: map[string]any{"items": "{{ input.cities }}", "concurrency": 2, "maxFailures": 1}},
			{Key: "ship", Type: "ship", Parent: "each", Config: map[string]any{"to": "{{ item }}"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.each }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "each"}, {From: "each", To: "end"}},
	})
	check(err)

	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: shipping, Input: map[string]any{"cities": []string{"Rome", "", "Oslo"}}})
	check(err)
	ended, err := app.Workflows().Wait(ctx, run.ID)
	check(err)
	output := ended.Output.(map[string]any)
	fmt.Println(ended.Status, output["failed"], "failed")
	for _, result := range output["results"].([]any) {
		fmt.Println(result)
	}

	// Output:
	// succeeded 1 failed
	// parcel to Rome
	// <nil>
	// parcel to Oslo
}
