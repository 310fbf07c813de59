package workflow_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A version comes back as the draft; what runs is what was published last.
func TestAVersionIsRestored(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
		second := chain(step("b", "transform", map[string]any{"value": 2}))
		w, err := b.Update(b.ctx, flow, workflow.Update{Draft: &second})
		if err != nil {
			t.Fatal(err)
		}
		if w, err = b.RestoreVersion(b.ctx, flow, 1, w.Version); err != nil || w.Draft.Nodes[1].Key != "a" || w.PublishedVersion != 1 {
			t.Fatalf("restored: %+v, %v", w, err)
		}
		refused := func(ctx context.Context, workflowID string, number, version int, want problem.Kind) {
			t.Helper()
			if _, err := b.RestoreVersion(ctx, workflowID, number, version); problem.KindOf(err) != want {
				t.Errorf("want %s, got %v", want, err)
			}
		}
		refused(b.ctx, flow, 2, 0, problem.NotFound)
		refused(b.ctx, id.New(), 1, 0, problem.NotFound)
		refused(as(newTenant(t, db), "*"), flow, 1, 0, problem.NotFound)
		refused(as(b.tenant, auth.WorkflowRead), flow, 1, 0, problem.Forbidden)
		refused(b.ctx, flow, 1, w.Version-1, problem.Stale)
	})
}
