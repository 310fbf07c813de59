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

// After an outage: everything that failed is run again by one call, and doing so
// twice repeats nothing twice.
func Example_bulk() {
	var down atomic.Bool // the bank
	down.Store(true)
	pay := workflow.NodeFunc(workflow.NodeSpec{Type: "pay"}, func(context.Context, *workflow.Call, struct{}) (any, error) {
		if down.Load() {
			return nil, errors.New("no answer")
		}
		return "paid", nil
	})
	ctx, app, end := open(jetadmin.Config{Logger: slog.New(slog.DiscardHandler), Nodes: []workflow.Node{pay}})
	defer end()

	id, err := publish(ctx, app, "Pay", workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "pay", Type: "pay"}},
		Edges: []workflow.Edge{{From: "start", To: "pay"}},
	})
	check(err)
	flows := app.Workflows()
	for range 3 {
		run, err := flows.Start(ctx, workflow.StartParams{WorkflowID: id})
		check(err)
		ended, err := flows.Wait(ctx, run.ID)
		check(err)
		fmt.Println(ended.Status)
	}

	down.Store(false)
	for range 2 {
		result, err := flows.RetryRuns(ctx, workflow.Bulk{WorkflowID: id, Status: workflow.RunFailed}, workflow.VersionLatest)
		check(err)
		fmt.Println("retried:", result.Done, "more:", result.More)
	}
	runs, err := flows.Runs(ctx, workflow.RunFilter{WorkflowID: id}, jetadmin.PageRequest{Limit: 1})
	check(err)
	ended, err := flows.Wait(ctx, runs.Items[0].ID)
	check(err)
	fmt.Println("the newest:", ended.Status)
	// Output:
	// failed
	// failed
	// failed
	// retried: 3 more: false
	// retried: 0 more: false
	// the newest: succeeded
}
