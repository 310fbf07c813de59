package jetadmin_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// What a node logs is kept with its run, and the timeline says when each attempt
// was queued, started and finished.
func Example_watch() {
	type config struct {
		Order int `json:"order"`
	}
	charge := workflow.NodeFunc(workflow.NodeSpec{Type: "charge"}, func(_ context.Context, call *workflow.Call, c config) (any, error) {
		if call.Attempt == 1 {
			call.Logger.Warn("the bank is closed", "order", c.Order)
			return nil, problem.New(problem.Unavailable, "bank_closed", "the bank is closed")
		}
		call.Logger.Info("charged", "order", c.Order)
		return nil, nil
	})
	ctx, app, end := open(jetadmin.Config{Nodes: []workflow.Node{charge}})
	defer end()

	id, err := publish(ctx, app, "Charge", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "charge", Type: "charge", Config: map[string]any{"order": 7}, Policy: &workflow.Policy{
				Retry: &workflow.Retry{Max: 2, Delay: workflow.Duration(time.Millisecond)},
			}},
		},
		Edges: []workflow.Edge{{From: "start", To: "charge"}},
	})
	check(err)
	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id})
	check(err)
	_, err = app.Workflows().Wait(ctx, run.ID)
	check(err)

	lines, err := app.Workflows().Logs(ctx, run.ID, workflow.LogFilter{Node: "charge"}, jetadmin.PageRequest{})
	check(err)
	for _, l := range lines.Items {
		fmt.Println(l.Attempt, l.Level, l.Message, l.Attributes)
	}
	timeline, err := app.Workflows().Timeline(ctx, run.ID)
	check(err)
	for _, a := range timeline.Nodes[1].Attempts {
		fmt.Println(a.Number, a.Status, *a.RanMS < 10_000, a.Unavailable)
	}
	// Output:
	// 1 warn the bank is closed map[order:7]
	// 2 info charged map[order:7]
	// 1 failed true []
	// 2 succeeded true [readyAt]
}
