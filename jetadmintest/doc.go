// Package jetadmintest runs an App inside of a host's tests: a whole control
// plane on a database file of the test's own, with a tenant and its owner.
//
//	func TestRefund(t *testing.T) {
//		app := jetadmintest.Start(t, jetadmin.Config{Nodes: []workflow.Node{refundNode}})
//		ctx := app.Owner.Context(t.Context())
//		id := app.Publish(ctx, workflow.NewWorkflow{Name: "refund", Draft: graph})
//		run := app.Run(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"order": 7}})
//		if run.Status != workflow.RunSucceeded { … }
//	}
//
// What goes wrong outside of what is tested ends the test by Fatal, so that a
// test reads as what it is about. Nothing is shared between two Apps; tests may
// run in parallel. Everything is stopped and removed when the test ends.
package jetadmintest
