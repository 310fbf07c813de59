package workflow_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func TestRunFollowsTheBranchThatMatches(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		g := workflow.Graph{
			Nodes: []workflow.GraphNode{
				step("start", "start", map[string]any{"input": map[string]any{
					"type": "object", "properties": map[string]any{"limit": map[string]any{"type": "integer", "default": 1}},
				}}),
				step("rows", "query", map[string]any{"queryId": "q"}),
				step("many", "condition", map[string]any{"branches": []any{
					map[string]any{"port": "yes", "when": "steps.rows.rowCount > input.limit"},
				}}),
				step("good", "transform", map[string]any{"value": map[string]any{"n": "{{ steps.rows.rowCount * 10 }}"}}),
				step("bad", "transform", map[string]any{"value": "few"}),
				step("end", "end", map[string]any{"output": "{{ steps?.good ?? 'none' }}"}),
			},
			Edges: []workflow.Edge{
				edge("start", "rows"), edge("rows", "many"), edgeOn("many", "yes", "good"), edgeOn("many", "default", "bad"),
				edge("good", "end"), edge("bad", "end"),
			},
		}
		d := b.run(t, b.publish(t, g), nil)
		if d.Status != workflow.RunSucceeded {
			t.Fatalf("status %s, error %+v, nodes %v", d.Status, d.Error, statuses(d))
		}
		got := statuses(d)
		want := map[string]workflow.NodeStatus{"start": "succeeded", "rows": "succeeded", "many": "succeeded", "good": "succeeded", "bad": "skipped", "end": "succeeded"}
		for k, w := range want {
			if got[k] != w {
				t.Errorf("node %s is %s, want %s", k, got[k], w)
			}
		}
		t.Logf("%+v", d.Output)
	})
}

func TestStartOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		for _, workflowID := range []string{"", "nowhere", "*", id.New(), "01890a5d-ac96-774b-bcce-b302099a8057\x00"} {
			if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: workflowID}); !problem.Is(err, problem.NotFound) {
				t.Errorf("%q: %v", workflowID, err)
			}
		}
	})
}
