package workflow_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

var concurrencyPolicies = []workflow.ConcurrencyPolicy{workflow.ConcurrencyQueue, workflow.ConcurrencyReject, workflow.ConcurrencyCancelOldest}

// publishOnTop publishes a graph that refers to the workflow itself.
func (b *bundle) publishOnTop(t *testing.T, graph func(self string) workflow.Graph) string {
	t.Helper()
	self := b.publish(t, chain())
	draft := graph(self)
	if _, err := b.Update(b.ctx, self, workflow.Update{Draft: &draft}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(b.ctx, self, 0); err != nil {
		t.Fatal(err)
	}
	return self
}

// A workflow that runs itself, or another that runs it, would wait for its own
// place, or cancel what waits for it.
func TestARecursionRunsInThePlaceOfItsAncestor(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for _, policy := range concurrencyPolicies {
			one := workflow.Concurrency{Max: 1, Policy: policy}
			direct := b.publishOnTop(t, func(self string) workflow.Graph {
				return with(calling(self), workflow.Settings{Concurrency: &one})
			})
			indirect := b.publishOnTop(t, func(self string) workflow.Graph {
				between := b.publish(t, with(calling(self), workflow.Settings{Concurrency: &one}))
				return with(calling(between), workflow.Settings{Concurrency: &one})
			})
			for name, w := range map[string]string{"direct": direct, "indirect": indirect} {
				if d := b.run(t, w, map[string]any{"n": 1}); d.Status != workflow.RunFailed || d.Error.Code != "runs_too_deep" {
					t.Errorf("%s, %s: %s %+v", policy, name, d.Status, d.Error)
				}
			}
		}
		eventually(t, func() bool { return count(t, b, "jet_run_slot") == 0 })
	})
}

// A run that its parent does not wait for cancels none of its ancestors: it waits
// for their places.
func TestARunDoesNotCancelItsAncestors(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, release := make(chan struct{}, 99), make(chan struct{})
		b := setup(t, db, withNodes(fn("gate", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		})))
		one := workflow.Concurrency{Max: 1, Policy: workflow.ConcurrencyCancelOldest}
		w := b.publishOnTop(t, func(self string) workflow.Graph {
			return limited(one, step("apart", "subWorkflow", map[string]any{"workflowId": self, "wait": false}), step("gate", "gate", nil))
		})
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		child := b.children(t, r.ID, "apart")[0]
		if !child.Held {
			t.Errorf("the child is %s and not held", child.Status)
		}
		close(release)
		if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("the ancestor is %s: %+v", d.Status, d.Error)
		}
		if d := b.wait(t, child.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("the child is %s: %+v", d.Status, d.Error)
		}
		for last := child; ; {
			list := b.children(t, last.ID, "apart")
			if len(list) == 0 {
				break // nothing is left that still begins others
			}
			last = b.wait(t, list[0].ID).Run
		}
	})
}

func TestTestRunsTakeNoPlace(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began := make(chan struct{}, 9)
		b := setup(t, db, withNodes(fn("gate", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		})))
		inner := b.publish(t, limited(workflow.Concurrency{Max: 1, Policy: workflow.ConcurrencyReject}, step("gate", "gate", nil)))
		for range 2 {
			if _, err := b.Test(b.ctx, workflow.TestParams{Graph: calling(inner), Input: map[string]any{"n": 1}}); err != nil {
				t.Fatal(err)
			}
			<-began
		}
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: inner}); err != nil {
			t.Errorf("beside test runs: %v", err)
		}
		<-began
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: inner}); !problem.Is(err, problem.RateLimited) {
			t.Errorf("beyond the limit: %v", err)
		}
		if _, err := b.Test(b.ctx, workflow.TestParams{Graph: calling(inner), Input: map[string]any{"n": 1}}); err != nil {
			t.Fatal(err)
		}
		<-began
	})
}
