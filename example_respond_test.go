package jetadmin_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// A workflow that answers whoever started it, and then goes on by itself: the
// sender waits for the answer and not for the rest.
func Example_respond() {
	ctx, app, end := open(jetadmin.Config{Logger: slog.New(slog.DiscardHandler)})
	defer end()

	id, err := publish(ctx, app, "Sign up", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "answer", Type: "respond", Config: map[string]any{
				"status": 201, "headers": map[string]any{"Location": "/people/{{ input.body.name }}"}, "body": map[string]any{"hello": "{{ input.body.name }}"},
			}},
			{Key: "tell", Type: "notify", Config: map[string]any{
				"message": "{{ input.body.name }} has signed up", "channels": []any{map[string]any{"type": "log"}}, // or a webhook
			}},
		},
		Edges: []workflow.Edge{{From: "start", To: "answer"}, {From: "answer", To: "tell"}},
	})
	check(err)
	hook, secret, err := app.Workflows().CreateWebhook(ctx, workflow.NewWebhook{WorkflowID: id, Name: "Page", Wait: workflow.Duration(10 * time.Second)})
	check(err)
	answer := deliver(app, hook.Path, secret, "1", `{"name":"grace"}`)
	fmt.Println(answer.Code, answer.Header().Get("Location"), answer.Body)

	runs, err := app.Workflows().Runs(ctx, workflow.RunFilter{WorkflowID: id}, jetadmin.PageRequest{})
	check(err)
	ended, err := app.Workflows().Wait(ctx, runs.Items[0].ID)
	check(err)
	logged, err := app.Workflows().Logs(ctx, ended.ID, workflow.LogFilter{Node: "tell"}, jetadmin.PageRequest{})
	check(err)
	fmt.Println(ended.Status, logged.Items[0].Message)
	// Output:
	// 201 /people/grace {"hello":"grace"}
	// succeeded grace has signed up
}
