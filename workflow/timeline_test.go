package workflow_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func (b *bundle) timeline(t *testing.T, runID string) map[string]workflow.TimelineNode {
	t.Helper()
	timeline, err := b.Timeline(b.ctx, runID)
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]workflow.TimelineNode{}
	for _, n := range timeline.Nodes {
		nodes[n.Key] = n
	}
	return nodes
}

func TestTimelineTellsEveryAttempt(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			if call.Attempt < 3 {
				return problem.New(problem.Unavailable, "not_yet", "not yet")
			}
			return nil
		}))
		flaky := step("flaky", "logging", nil)
		flaky.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 3, Delay: workflow.Duration(20 * time.Millisecond)}}
		run := b.run(t, b.publish(t, chain(flaky, step("pause", "delay", map[string]any{"duration": "50ms"}))), nil)

		timeline, err := b.Timeline(b.ctx, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if timeline.Status != workflow.RunSucceeded || timeline.RanMS == nil || *timeline.RanMS < 50 || timeline.QueuedMS == nil || *timeline.QueuedMS < 0 {
			t.Errorf("the run: %s", encoded(timeline))
		}
		nodes := b.timeline(t, run.ID)
		var last time.Time
		attempts := nodes["flaky"].Attempts
		if len(attempts) != 3 || nodes["flaky"].WorkerID == "" {
			t.Fatalf("flaky is %s", encoded(nodes["flaky"]))
		}
		for i, a := range attempts {
			want := workflow.NodeFailed
			if i == 2 {
				want = workflow.NodeSucceeded
			}
			if a.Number != i+1 || a.Status != want || (a.Error == nil) != (i == 2) || a.StartedAt.Before(last) || a.RanMS == nil {
				t.Errorf("attempt %d is %s", i+1, encoded(a))
			}
			// Only the first time of being ready is stored.
			if known := a.ReadyAt != nil && a.QueuedMS != nil; known != (i == 0) || slices.Contains(a.Unavailable, "readyAt") == known {
				t.Errorf("attempt %d is %s", i+1, encoded(a))
			}
			last = *a.FinishedAt
		}
		pause := nodes["pause"].Attempts
		if len(pause) != 1 || *pause[0].RanMS < 50 || pause[0].Status != workflow.NodeSucceeded {
			t.Errorf("pause is %s", encoded(pause))
		}
	})
}

func TestTimelineOfWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		goOn := make(chan struct{})
		b := setup(t, db, logging(func(call *workflow.Call) error {
			if call.Key == "retried" {
				return errors.New("later")
			}
			<-goOn
			return nil
		}))
		retried := step("retried", "logging", nil)
		hour := workflow.Duration(time.Hour)
		retried.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: hour, MaxDelay: hour}}
		flow := b.publish(t, workflow.Graph{
			Nodes: []workflow.GraphNode{
				step("start", "start", nil), retried, step("running", "logging", nil),
				step("waiting", "delay", map[string]any{"duration": "1h"}), step("never", "transform", map[string]any{"value": "1"}),
			},
			Edges: []workflow.Edge{edge("start", "retried"), edge("start", "running"), edge("start", "waiting"), edge("waiting", "never")},
		})
		run, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: flow})
		if err != nil {
			t.Fatal(err)
		}
		var nodes map[string]workflow.TimelineNode
		eventually(t, func() bool {
			nodes = b.timeline(t, run.ID)
			return nodes["running"].Status == workflow.NodeRunning && nodes["waiting"].Status == workflow.NodeWaiting && len(nodes["retried"].Attempts) == 2
		})
		if a := nodes["retried"].Attempts[1]; a.Number != 2 || a.Status != workflow.NodeReady || a.ReadyAt.Before(time.Now()) || a.StartedAt != nil {
			t.Errorf("the second try is %s", encoded(a))
		}
		if a := nodes["running"].Attempts; len(a) != 1 || a[0].StartedAt == nil || a[0].FinishedAt != nil || a[0].QueuedMS == nil {
			t.Errorf("what runs is %s", encoded(a))
		}
		if a := nodes["waiting"].Attempts; len(a) != 1 || a[0].WakeAt == nil || a[0].WakeAt.Before(time.Now()) || a[0].FinishedAt != nil {
			t.Errorf("what waits is %s", encoded(a))
		}
		if n := nodes["never"]; n.Status != workflow.NodePending || len(n.Attempts) != 0 {
			t.Errorf("what was not reached is %s", encoded(n))
		}
		close(goOn)
		eventually(t, func() bool { return b.timeline(t, run.ID)["running"].Status == workflow.NodeSucceeded })
		if _, err := b.Cancel(b.ctx, run.ID); err != nil {
			t.Fatal(err)
		}
		nodes = b.timeline(t, run.ID)
		if a := nodes["waiting"].Attempts; len(a) != 1 || a[0].Status != workflow.NodeCancelled || a[0].FinishedAt == nil {
			t.Errorf("what waited when the run was cancelled is %s", encoded(a))
		}
	})
}

// T1: the timeline of another tenant's run is not there.
func TestTimelineStaysInItsTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		run := b.run(t, b.publish(t, chain()), nil)
		for want, try := range map[problem.Kind]func() (context.Context, string){
			problem.NotFound:        func() (context.Context, string) { return as(newTenant(t, db), "*"), run.ID },
			problem.Forbidden:       func() (context.Context, string) { return as(b.tenant, "run.list"), run.ID },
			problem.Unauthenticated: func() (context.Context, string) { return context.Background(), run.ID },
		} {
			if _, err := b.Timeline(try()); problem.KindOf(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		if _, err := b.Timeline(b.ctx, id.New()); problem.KindOf(err) != problem.NotFound {
			t.Errorf("a run that is not there gave %v", err)
		}
	})
}
