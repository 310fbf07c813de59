package workflow_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// gauge is a node type that measures how many runs of a key are in it at a time.
type gauge struct {
	mu    sync.Mutex
	now   map[string]int
	most  map[string]int
	order map[string][]string // runs by key, as they entered
}

func newGauge() *gauge {
	return &gauge{now: map[string]int{}, most: map[string]int{}, order: map[string][]string{}}
}

func (g *gauge) node() workflow.Node {
	return fn("gauge", func(ctx context.Context, call *workflow.Call) (any, error) {
		key, _ := call.Input["key"].(string)
		g.mu.Lock()
		g.now[key]++
		g.most[key] = max(g.most[key], g.now[key])
		g.order[key] = append(g.order[key], call.RunID)
		g.mu.Unlock()
		defer func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.now[key]--
		}()
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	})
}

func limited(c workflow.Concurrency, nodes ...workflow.GraphNode) workflow.Graph {
	return with(chain(nodes...), workflow.Settings{Concurrency: &c})
}

// 50 starts at the same time, from two processes on one database.
func TestNoMoreRunsThanAllowedInTheirOrder(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		g := newGauge()
		a := setup(t, db, queue, withNodes(g.node()))
		other := setup(t, db, queue, withNodes(g.node()))
		w := a.publish(t, limited(workflow.Concurrency{Max: 3, Key: "input.key"}, step("in", "gauge", nil), step("again", "gauge", nil)))
		var starts sync.WaitGroup
		for i := range 50 {
			b, key := []*bundle{a, other}[i%2], []string{"red", "blue"}[i/2%2]
			starts.Go(func() {
				if _, err := b.Start(a.ctx, workflow.StartParams{WorkflowID: w, Input: map[string]any{"key": key}}); err != nil {
					t.Error(err)
				}
			})
		}
		starts.Wait()
		for _, r := range a.runsOf(t, w) {
			if d := a.wait(t, r.ID); d.Status != workflow.RunSucceeded || d.Held {
				t.Errorf("%s held = %v: %+v", d.Status, d.Held, d.Error)
			}
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, key := range []string{"red", "blue"} {
			if g.most[key] > 3 || g.most[key] < 1 || len(g.order[key]) < 48 {
				t.Errorf("%s: %d at a time, %d entries", key, g.most[key], len(g.order[key]))
			}
		}
		eventually(t, func() bool { return count(t, a, "jet_run_slot") == 0 })
	})
}

func TestHeldRunsBeginInTheirOrder(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		g := newGauge()
		b := setup(t, db, withNodes(g.node()))
		w := b.publish(t, limited(workflow.Concurrency{Max: 1}, step("in", "gauge", nil)))
		var want []string
		for range 20 {
			r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, r.ID)
		}
		b.wait(t, want[19])
		g.mu.Lock()
		defer g.mu.Unlock()
		if !slices.Equal(g.order[""], want) {
			t.Errorf("began in the order\n%v, want\n%v", g.order[""], want)
		}
	})
}

func TestStartsBeyondTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(hang()))
		w := b.publish(t, limited(workflow.Concurrency{Max: 2, Policy: workflow.ConcurrencyReject}, step("work", "hang", nil)))
		start := func(key string) (workflow.Run, error) {
			return b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: key})
		}
		first, err := start("one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := start("two"); err != nil {
			t.Fatal(err)
		}
		if _, err := start("three"); !problem.Is(err, problem.RateLimited) {
			t.Errorf("the third: %v", err)
		}
		if again, err := start("one"); err != nil || again.ID != first.ID {
			t.Errorf("the first once more: %s %v", again.ID, err)
		}
		if _, err := b.Cancel(b.ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := start("three"); err != nil {
			t.Errorf("the third, when there is room: %v", err)
		}
		if _, err := b.CancelRuns(b.ctx, workflow.Bulk{WorkflowID: w}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheOldestMakesRoom(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(hang()))
		w := b.publish(t, limited(workflow.Concurrency{Max: 2, Policy: workflow.ConcurrencyCancelOldest}, step("work", "hang", nil)))
		var runs []string
		for i := range 5 {
			r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: "n" + itoa(i)})
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, r.ID)
			if i == 1 { // a second start of the same takes nobody's place
				if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: "n1"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, id := range runs {
			d, err := b.Run(b.ctx, id)
			if err != nil || (i < 3) != (d.Status == workflow.RunCancelled) {
				t.Errorf("run %d is %s, %v", i, d.Status, err)
			}
		}
		if _, err := b.CancelRuns(b.ctx, workflow.Bulk{WorkflowID: w}); err != nil {
			t.Fatal(err)
		}
	})
}

// The process that ends a run dies before it admits the next: it has no engine.
func TestAHeldRunIsNotForgotten(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger()
		nodes := withNodes(hang(), l.node())
		b := setup(t, db, nodes)
		g := limited(workflow.Concurrency{Max: 1}, step("work", "hang", nil))
		w := b.publish(t, g)
		first, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		held, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil || !held.Held || held.Status != workflow.RunQueued {
			t.Fatalf("%+v %v", held, err)
		}
		cancelled, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Cancel(b.ctx, cancelled.ID); err != nil {
			t.Fatal(err)
		}
		if d, err := b.Run(b.ctx, held.ID); err != nil || statuses(d)["work"] != workflow.NodePending || !d.Held {
			t.Errorf("while it is held: %v %v", statuses(d), err)
		}
		if _, err := newBundle(t, db, nodes).Cancel(b.ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			d, err := b.Run(b.ctx, held.ID)
			return err == nil && statuses(d)["work"] == workflow.NodeRunning
		})
		if _, err := b.Cancel(b.ctx, held.ID); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAHeldRunTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), withNodes(hang()))
	g := limited(workflow.Concurrency{Max: 1}, step("work", "hang", nil))
	g.Settings.QueueTimeout = 100 * ms
	g.Settings.Timeout = workflow.Duration(time.Hour)
	w := b.publish(t, g)
	first, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.run(t, w, nil); d.Status != workflow.RunTimedOut || d.Error.Code != "run_queue_timeout" || d.DeadlineAt != nil {
		t.Errorf("%s %+v", d.Status, d.Error)
	}
	if _, err := b.Cancel(b.ctx, first.ID); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrencyIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	for field, c := range map[string]workflow.Concurrency{
		"max": {}, "policy": {Max: 1, Policy: "sometimes"}, "key": {Max: 1, Key: "steps.a"},
	} {
		err := b.Validate(b.ctx, limited(c, step("a", "transform", map[string]any{"value": 1})))
		if p := problem.Of(err); p == nil || len(p.Faults) != 1 || p.Faults[0].Path != "settings.concurrency."+field {
			t.Errorf("%s: %v", field, err)
		}
	}
	w := b.publish(t, limited(workflow.Concurrency{Max: 1, Key: "input.customer"}, step("a", "transform", map[string]any{"value": 1})))
	if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w}); !problem.Is(err, problem.Invalid) {
		t.Errorf("an input without the key: %v", err)
	}
}

// A process that only starts and cancels runs does not remember every place that
// has become free.
func TestAProcessWithoutAnEngineForgetsFreePlaces(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t), withNodes(hang()))
	w := b.publish(t, limited(workflow.Concurrency{Max: 1, Key: "input.key"}, step("work", "hang", nil)))
	for i := range 1100 {
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, Input: map[string]any{"key": i}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Freed(); n != 1000 {
		t.Errorf("%d places are remembered", n)
	}
}
