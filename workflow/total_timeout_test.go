package workflow_test

import (
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// The time that a node may take in all holds while it waits, whatever for.
func TestANodeThatWaitsIsHeldToItsTotalTimeout(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(hang()))
		hanging := b.publish(t, chain(step("hang", "hang", nil)))
		for _, n := range []workflow.GraphNode{
			step("n", "delay", map[string]any{"duration": "1h"}),
			step("n", "waitEvent", map[string]any{"event": "never"}),
			step("n", "approval", map[string]any{"title": "?"}),
			step("n", "form", map[string]any{"title": "?", "fields": map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "string"}}}}),
			step("n", "subWorkflow", map[string]any{"workflowId": hanging}),
		} {
			t.Run(n.Type, func(t *testing.T) {
				n.Policy = &workflow.Policy{TotalTimeout: workflow.Duration(300 * time.Millisecond), OnError: workflow.OnErrorBranch}
				d := b.run(t, b.publish(t, workflow.Graph{
					Nodes: []workflow.GraphNode{step("start", "start", nil), n, step("end", "end", map[string]any{"output": "{{ steps.n.error.code }}"})},
					Edges: []workflow.Edge{edge("start", "n"), edgeOn("n", "error", "end")},
				}), nil)
				if d.Status != workflow.RunSucceeded || d.Output != "node_total_timeout" {
					t.Errorf("%s with %v: %+v", d.Status, d.Output, d.Error)
				}
			})
		}
	})
}

// What ends before is not touched by it.
func TestAWaitThatExpiresInTimeExpires(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		long := &workflow.Policy{TotalTimeout: workflow.Duration(time.Minute)}
		g := approving(map[string]any{"deadline": "100ms"})
		g.Nodes[1].Policy = long
		if d := b.run(t, b.publish(t, g), nil); port(d) != "expired" {
			t.Errorf("%s on port %q: %+v", d.Status, port(d), d.Error)
		}
		nap := chain(step("nap", "delay", map[string]any{"duration": "100ms"}))
		nap.Nodes[1].Policy = long
		if d := b.run(t, b.publish(t, nap), nil); d.Status != workflow.RunSucceeded {
			t.Errorf("%s: %+v", d.Status, d.Error)
		}
	})
}
