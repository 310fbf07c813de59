package jetadmin_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// How the runs of a workflow are treated as a whole: one at a time for each
// customer, the others wait for their turn; each has an hour; and when one fails,
// another workflow hears of it.
func Example_settings() {
	ctx, app, end := open(jetadmin.Config{Logger: slog.New(slog.DiscardHandler)})
	defer end()

	flows := app.Workflows()

	alarm, err := publish(ctx, app, "Alarm", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "page", Type: "approval", Config: map[string]any{"title": "{{ input.node }}: {{ input.error.message }}", "allowStarter": true}},
		},
		Edges: []workflow.Edge{{From: "start", To: "page"}},
	})
	check(err)
	bill, err := publish(ctx, app, "Bill", workflow.Graph{
		Settings: &workflow.Settings{
			Concurrency: &workflow.Concurrency{Max: 1, Key: "input.customer", Policy: workflow.ConcurrencyQueue},
			OnFailure:   alarm,
			Priority:    workflow.PriorityHigh,
			Timeout:     workflow.Duration(time.Hour),
		},
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "paid", Type: "waitEvent", Config: map[string]any{"event": "paid", "key": "{{ input.bill }}"}},
			{Key: "end", Type: "end", Config: map[string]any{"failed": "{{ steps.paid.data.cents == 0 }}", "message": "nothing was paid"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "paid"}, {From: "paid", To: "end"}},
	})
	check(err)

	runs := map[int]string{}
	for n, customer := range []string{"ada", "ada", "grace"} {
		run, err := flows.Start(ctx, workflow.StartParams{WorkflowID: bill, Input: map[string]any{"customer": customer, "bill": n}})
		check(err)
		runs[n] = run.ID
		fmt.Println(customer, "held:", run.Held, "priority:", run.Priority, "timeout:", run.DeadlineAt != nil)
	}
	for n, cents := range []int{4200, 0} {
		_, err := flows.SendEvent(ctx, workflow.NewEvent{Name: "paid", Key: fmt.Sprint(n), Data: map[string]any{"cents": cents}})
		check(err)
		ended, err := flows.Wait(ctx, runs[n])
		check(err)
		fmt.Println("bill", n, ended.Status)
	}
	page, err := asked(ctx, app)
	check(err)
	fmt.Println(page.Title)
	// Output:
	// ada held: false priority: high timeout: true
	// ada held: true priority: high timeout: false
	// grace held: false priority: high timeout: true
	// bill 0 succeeded
	// bill 1 failed
	// end: nothing was paid
}
