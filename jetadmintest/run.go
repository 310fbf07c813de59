package jetadmintest

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

// runLimit is how long a run may take in a test.
const runLimit = 30 * time.Second

// Publish saves a workflow, publishes it, and returns its id.
func (a *App) Publish(ctx context.Context, in workflow.NewWorkflow) (workflowID string) {
	a.t.Helper()
	w, err := a.Workflows().Create(ctx, in)
	must(a.t, "save the workflow", err)
	_, err = a.Workflows().Publish(ctx, w.ID, w.Version)
	must(a.t, "publish the workflow", err)
	return w.ID
}

// Run starts a workflow and returns its run at its end, whichever that is. A run
// that takes more than 30 seconds ends the test.
func (a *App) Run(ctx context.Context, in workflow.StartParams) workflow.RunDetail {
	a.t.Helper()
	run, err := a.Workflows().Start(ctx, in)
	must(a.t, "start the workflow", err)
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	ended, err := a.Workflows().Wait(ctx, run.ID)
	must(a.t, "wait for the end of the run", err)
	return ended
}
