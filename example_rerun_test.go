package jetadmin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A run that failed half-way goes on in a new one, which does not do again what
// was done; a test run tries a graph without anything going out.
func Example_rerun() {
	var down atomic.Bool // the shipping service
	down.Store(true)
	charge := workflow.NodeFunc(workflow.NodeSpec{Type: "charge"}, func(context.Context, *workflow.Call, struct{}) (any, error) {
		fmt.Println("charged")
		return "receipt 7", nil
	})
	ship := workflow.NodeFunc(workflow.NodeSpec{Type: "ship"}, func(context.Context, *workflow.Call, struct{}) (any, error) {
		if down.Load() {
			return nil, errors.New("no answer")
		}
		fmt.Println("shipped")
		return nil, nil
	})
	ctx, app, end := open(jetadmin.Config{Logger: slog.New(slog.DiscardHandler), Nodes: []workflow.Node{charge, ship}})
	defer end()

	g := workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"}, {Key: "charge", Type: "charge"}, {Key: "ship", Type: "ship"},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.charge }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "charge"}, {From: "charge", To: "ship"}, {From: "ship", To: "end"}},
	}
	id, err := publish(ctx, app, "Order", g)
	check(err)
	flows := app.Workflows()

	run, err := flows.Start(ctx, workflow.StartParams{WorkflowID: id})
	check(err)
	failed, err := flows.Wait(ctx, run.ID)
	check(err)
	fmt.Println(failed.Status, "at", failed.Error.Node)

	down.Store(false)
	again, err := flows.Retry(ctx, run.ID, workflow.VersionSame)
	check(err)
	ended, err := flows.Wait(ctx, again.ID)
	check(err)
	fmt.Println(ended.Status, ended.Output, ended.RerunOf == run.ID)

	test, err := flows.Test(ctx, workflow.TestParams{WorkflowID: id, Graph: g, Pins: map[string]workflow.Pin{
		"charge": {Output: "no receipt"}, "ship": {},
	}})
	check(err)
	tested, err := flows.Wait(ctx, test.ID)
	check(err)
	fmt.Println(tested.Status, tested.Output)
	// Output:
	// charged
	// failed at ship
	// shipped
	// succeeded receipt 7 true
	// succeeded no receipt
}
