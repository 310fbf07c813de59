package jetadmin_test

import (
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A run that asks somebody. It may wait for days, through restarts, and holds
// nothing meanwhile.
func Example_approval() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	id, err := publish(ctx, app, "Refund", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			// Whoever starts a run may not approve it, unless the node allows it.
			{Key: "boss", Type: "approval", Config: map[string]any{"title": "Refund {{ input.order }}?", "roles": []any{"owner"}, "deadline": "3d", "allowStarter": true}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.boss.comment }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "boss"}, {From: "boss", Port: "approved", To: "end"}},
	})
	check(err)
	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"order": "A-17"}})
	check(err)

	question, err := asked(ctx, app)
	check(err)
	fmt.Println(question.Title)
	_, err = app.Workflows().Answer(ctx, question.ID, workflow.Answer{Approved: new(true), Comment: "within the budget"})
	check(err)

	ended, err := app.Workflows().Wait(ctx, run.ID)
	check(err)
	fmt.Println(ended.Status, ended.Output)
	// Output:
	// Refund A-17?
	// succeeded within the budget
}
