package workflow_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/workflow"
)

// While there is no room, runs of all priorities come up, the high ones last.
// Their nodes begin by priority, and those of one priority in their order.
func TestNodesBeginByPriority(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		var mu sync.Mutex
		var order []string
		began, release := make(chan struct{}), make(chan struct{})
		b := setup(t, db, queue, func(c *workflow.Config) { c.Slots = 1 }, withNodes(
			fn("hold", func(context.Context, *workflow.Call) (any, error) {
				close(began)
				<-release
				return nil, nil
			}),
			fn("note", func(_ context.Context, call *workflow.Call) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, call.Input["name"].(string))
				return nil, nil
			}),
		))
		start := func(g workflow.Graph, p workflow.Priority, names ...string) (ids []string) {
			g.Settings = &workflow.Settings{Priority: p}
			w := b.publish(t, g)
			for _, name := range names {
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, Input: map[string]any{"name": name}})
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, r.ID)
			}
			return ids
		}
		start(chain(step("hold", "hold", nil)), "", "hold")
		<-began
		g := chain(step("note", "note", nil))
		ids := slices.Concat(
			start(g, workflow.PriorityLow, "low 1", "low 2"), start(g, "", "normal 1", "normal 2"), start(g, workflow.PriorityHigh, "high 1", "high 2"))
		close(release)
		for _, runID := range ids {
			b.wait(t, runID)
		}
		want := []string{"high 1", "high 2", "normal 1", "normal 2", "low 1", "low 2"}
		if !slices.Equal(order, want) {
			t.Errorf("they began in the order %q", order)
		}
	})
}
