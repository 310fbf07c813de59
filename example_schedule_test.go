package jetadmin_test

import (
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A workflow that starts by itself every working day. Whatever the number of
// processes, each planned time starts one run.
func Example_schedule() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	report, err := publish(ctx, app, "Report", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "end", Type: "end", Config: map[string]any{"output": "report of {{ input.country }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "end"}},
	})
	check(err)

	// Before it is saved: when would it fire?
	times, err := app.Workflows().PreviewSchedule(ctx, "30 7 * * mon-fri", "Europe/Berlin", 5)
	check(err)
	fmt.Println(len(times), "times, each at", times[0].Local[len("2006-01-02T"):len("2006-01-02T15:04")])

	schedule, err := app.Workflows().CreateSchedule(ctx, workflow.NewSchedule{
		WorkflowID: report, Name: "Working days", Expression: "30 7 * * mon-fri", Zone: "Europe/Berlin",
		Input:   map[string]any{"country": "DE"},
		Overlap: workflow.OverlapSkip, // not while the run before is under way
		CatchUp: workflow.CatchUpLast, // once after a time without any process
	})
	check(err)
	fmt.Println("fires next at the first of them:", schedule.NextAt.Equal(times[0].At))

	pause := false
	schedule, err = app.Workflows().UpdateSchedule(ctx, schedule.ID, workflow.ScheduleUpdate{Enabled: &pause, Version: schedule.Version})
	check(err)
	fmt.Println("paused:", schedule.NextAt == nil)

	_, err = app.Workflows().PreviewSchedule(ctx, "30 7 31 2 *", "Europe/Paris", 1)
	fmt.Println(err)
	// Output:
	// 5 times, each at 07:30
	// fires next at the first of them: true
	// paused: true
	// the schedule is not valid: expression is for a day that no month has
}
