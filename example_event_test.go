package jetadmin_test

import (
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A run that waits for an event. The event may come first: it is kept for a while.
func Example_event() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	id, err := publish(ctx, app, "Ship when paid", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "paid", Type: "waitEvent", Config: map[string]any{"event": "payment", "key": "{{ input.order }}", "timeout": "14d"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.paid.data.cents }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "paid"}, {From: "paid", To: "end"}},
	})
	check(err)
	event, err := app.Workflows().SendEvent(ctx, workflow.NewEvent{Name: "payment", Key: "A-17", Data: map[string]any{"cents": 4200}, ID: "evt_1"})
	check(err)
	fmt.Println(event.Status)

	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"order": "A-17"}})
	check(err)
	ended, err := app.Workflows().Wait(ctx, run.ID)
	check(err)
	fmt.Println(ended.Status, ended.Output)
	// Output:
	// kept
	// succeeded 4200
}
