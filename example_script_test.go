package jetadmin_test

import (
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// invoice is the body of a function: it sees input and returns the output of its
// node. Its braces are JavaScript, not templates.
const invoice = `
const net = input.lines.reduce((sum, line) => sum + line.count * line.cents, 0);
if (net === 0) throw new Error("an invoice of nothing");
console.log("lines:", input.lines.length);
return { net, gross: Math.round(net * (1 + input.rate)) };
`

// A step in JavaScript. It runs in a sandbox, with limits of time and memory, and
// reaches nothing but its input.
func Example_script() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	id, err := publish(ctx, app, "Invoice", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "sum", Type: "script", Config: map[string]any{
				"source":  invoice,
				"input":   map[string]any{"lines": "{{ input.lines }}", "rate": 0.2},
				"timeout": "10s",
				"memory":  16, // MB
			}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.sum }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "sum"}, {From: "sum", To: "end"}},
	})
	check(err)

	for _, count := range []int{3, 0} {
		line := map[string]any{"count": count, "cents": 450}
		run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"lines": []any{line}}})
		check(err)
		ended, err := app.Workflows().Wait(ctx, run.ID)
		check(err)
		if ended.Error != nil {
			fmt.Println(ended.Status, ended.Error.Message)
			continue
		}
		output := ended.Output.(map[string]any)
		fmt.Println(ended.Status, output["net"], output["gross"])
		logged, err := app.Workflows().Logs(ctx, run.ID, workflow.LogFilter{}, jetadmin.PageRequest{})
		check(err)
		fmt.Println("logged:", logged.Items[0].Message)
	}
	// Output:
	// succeeded 1350 1620
	// logged: lines: 1
	// failed line 3: Error: an invoice of nothing
}
