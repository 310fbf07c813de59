package workflow_test

import (
	"context"
	"fmt"
	"strings"
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

// A run whose node types a process does not have can be looked at there, if not executed.
func TestRunsOfNodeTypesThatAreGone(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *workflow.Config) {
			c.Nodes = append(c.Nodes, workflow.NodeFunc(workflow.NodeSpec{Type: "odd"}, func(context.Context, *workflow.Call, struct{}) (any, error) { return 7, nil }))
		})
		run := b.run(t, b.publish(t, chain(workflow.GraphNode{Key: "odd", Type: "odd"})), nil)
		other := newBundle(t, db)
		seen, err := other.Run(b.ctx, run.ID)
		if err != nil || len(seen.Nodes) != len(run.Nodes) || seen.Status != workflow.RunSucceeded {
			t.Errorf("got %+v %v", seen, err)
		}
		if line, err := other.Timeline(b.ctx, run.ID); err != nil || len(line.Nodes) == 0 {
			t.Errorf("got %+v %v", line, err)
		}
		if node, err := other.RunNode(b.ctx, run.ID, "odd"); err != nil || len(node.Attempts) != 1 || fmt.Sprint(node.Attempts[0].Output) != "7" {
			t.Errorf("got %+v %v", node, err)
		}
		if _, err := other.Start(b.ctx, workflow.StartParams{WorkflowID: run.WorkflowID}); !strings.Contains(problem.Of(err).Remedy, "Config.Nodes") {
			t.Errorf("a start: %+v", problem.Of(err))
		}
	})
}
