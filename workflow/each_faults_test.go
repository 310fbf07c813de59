package workflow_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// container is a type of node with a body.
func container(name string, run func(call *workflow.Call) (workflow.Result, error)) workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: name, Container: true}, func(_ context.Context, call *workflow.Call, _ map[string]any) (any, error) {
		return run(call)
	})
}

// Results that fill an output to its last byte leave no room for another one, not
// even for that of an item that failed.
func TestResultsAtTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), withNodes(fn("work", func(_ context.Context, call *workflow.Call) (any, error) {
		if encoded(call.Config["n"]) == "0" {
			return strings.Repeat("x", workflow.MaxOutput-2), nil
		}
		return nil, problem.New(problem.Invalid, "no", "no")
	})))
	id := b.publish(t, looping(map[string]any{"maxFailures": 5}, step("work", "work", map[string]any{"n": "{{ item }}"})))
	for n := 1; n <= 2; n++ {
		if d := b.run(t, id, map[string]any{"items": numbers(n)}); d.Error == nil || d.Error.Code != "node_output_too_large" {
			t.Errorf("%d items: %s %+v", n, d.Status, d.Error)
		}
	}
}

// The run of an item that a retry has taken over is deleted while the others run:
// the item begins anew.
func TestATakenOverRunIsDeleted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var mended atomic.Bool
		began, release := make(chan string, 20), make(chan struct{})
		b := setup(t, db, withNodes(fn("work", func(_ context.Context, call *workflow.Call) (any, error) {
			n := encoded(call.Config["n"])
			switch {
			case mended.Load():
				began <- n
				<-release
			case n != "3":
				return nil, problem.New(problem.Invalid, "no", "no")
			}
			return n, nil
		})))
		id := b.publish(t, looping(map[string]any{"maxFailures": 4, "concurrency": 3}, step("work", "work", map[string]any{"n": "{{ item }}"})))
		d := b.run(t, id, map[string]any{"items": numbers(6)})
		if d.Status != workflow.RunFailed || d.Nodes[1].Items.Failed != 5 || d.Nodes[1].Items.Ended != d.Nodes[1].Items.Begun {
			t.Fatalf("%s with %s", d.Status, encoded(d.Nodes[1].Items))
		}
		mended.Store(true)
		again, err := b.Retry(b.ctx, d.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			<-began
		}
		for _, r := range b.children(t, d.ID, "each") {
			if *r.Index == 3 {
				if _, err := b.db.NewRaw("DELETE FROM ?schema.jet_run WHERE tenant_id = ? AND id = ?", b.tenant, r.ID).Exec(b.ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(release)
		if got := encoded(outputOf(t, b.wait(t, again.ID)).Results); got != `["0","1","2","3","4","5"]` {
			t.Error(got)
		}
	})
}

// An attempt that ends before it has stored its items loses nothing of the one
// before.
func TestAnAttemptWithoutItemsKeepsWhatSucceeded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		ran := map[string]int{}
		var tries atomic.Int32
		b := setup(t, db, withNodes(
			fn("work", func(_ context.Context, call *workflow.Call) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				n := encoded(call.Config["n"])
				if ran[n]++; n == "3" && ran[n] == 1 {
					return nil, problem.New(problem.Unavailable, "busy", "x")
				}
				return n, nil
			}),
			container("mine", func(*workflow.Call) (workflow.Result, error) {
				if tries.Add(1) == 2 {
					return workflow.Result{}, problem.New(problem.Unavailable, "away", "x")
				}
				return workflow.Result{Each: &workflow.Each{Items: numbers(4), Concurrency: 1, MaxFailures: 0}}, nil
			})))
		g := chain(step("each", "mine", nil))
		g.Nodes[1].Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 3, Delay: workflow.Duration(time.Millisecond)}}
		g.Nodes = append(g.Nodes, within("each", step("work", "work", map[string]any{"n": "{{ item }}"}))...)
		out := outputOf(t, b.run(t, b.publish(t, g), nil))
		mu.Lock()
		defer mu.Unlock()
		if got := encoded(out.Results); got != `["0","1","2","3"]` || ran["0"] != 1 || ran["3"] != 2 {
			t.Errorf("%s after %v", got, ran)
		}
	})
}

// Another attempt waits until the items of the one before have ended: none has two
// runs at the same time, and what succeeded meanwhile is not done again.
func TestItemsOfTwoAttemptsDoNotMeet(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var failed atomic.Bool
		b := setup(t, db, func(c *workflow.Config) { c.Slots = 64 }, withNodes(fn("work", func(ctx context.Context, call *workflow.Call) (any, error) {
			if encoded(call.Config["n"]) == "0" && !failed.Swap(true) {
				return nil, problem.New(problem.Unavailable, "busy", "x")
			}
			select {
			case <-time.After(100 * time.Millisecond):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})))
		g := looping(map[string]any{"concurrency": 50}, step("work", "work", map[string]any{"n": "{{ item }}"}))
		g.Nodes[1].Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
		d := b.run(t, b.publish(t, g), map[string]any{"items": numbers(50)})
		if out := outputOf(t, d); out.Count != 50 || out.Failed != 0 {
			t.Errorf("%s", encoded(out))
		}
		newer := map[int]workflow.Run{}
		for _, r := range b.children(t, d.ID, "each") { // newest first
			again, ok := newer[*r.Index]
			if newer[*r.Index] = r; !ok {
				continue
			}
			if r.Status == workflow.RunSucceeded || r.FinishedAt == nil || r.FinishedAt.After(again.CreatedAt) {
				t.Errorf("item %d has another run from %s on after one that is %s at %v", *r.Index, again.CreatedAt, r.Status, r.FinishedAt)
			}
		}
	})
}

// Loops of which somebody holds the runs hold up no others.
func TestLoopsThatAreHeldHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.Postgres(t), func(c *workflow.Config) { c.Slots = 16 })
	id := b.publish(t, looping(map[string]any{"concurrency": 1}, step("nap", "delay", map[string]any{"duration": "200ms"})))
	start := func() string {
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"items": numbers(2)}})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(b.children(t, r.ID, "each")) >= 1 })
		return r.ID
	}
	held := []string{start(), start(), start(), start(), start()}
	var hold func(ids []string)
	hold = func(ids []string) {
		if len(ids) > 0 {
			b.holding(t, ids[0], func() { hold(ids[1:]) })
			return
		}
		outputOf(t, b.run(t, id, map[string]any{"items": numbers(2)}))
	}
	hold(held)
	for _, runID := range held {
		outputOf(t, b.wait(t, runID))
	}
}

func TestWhatALoopMayAskFor(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		asks := map[string]workflow.Result{
			"":                    {Each: &workflow.Each{Items: []any{1, 2}, MaxFailures: math.MaxInt}},
			"loop_invalid":        {Each: &workflow.Each{Items: make([]any, workflow.MaxItems+1)}},
			"node_waits_twice":    {Each: &workflow.Each{}, Sleep: time.Second},
			"items_too_large":     {Each: &workflow.Each{Items: manyTexts(9000, 31_000)}},
			"node_without_body":   {},
			"node_output_invalid": {Each: &workflow.Each{Items: []any{math.NaN()}}},
		}
		b := setup(t, db, withNodes(
			container("mine", func(call *workflow.Call) (workflow.Result, error) { return asks[call.Input["ask"].(string)], nil }),
			fn("bodiless", func(context.Context, *workflow.Call) (any, error) {
				return workflow.Result{Each: &workflow.Each{}}, nil
			})))
		g := chain(step("each", "mine", nil))
		g.Nodes = append(g.Nodes, within("each", step("x", "transform", map[string]any{"value": "{{ item }}"}))...)
		id, bodiless := b.publish(t, g), b.publish(t, chain(step("bodiless", "bodiless", nil)))
		for code := range asks {
			which := id
			if code == "node_without_body" {
				which = bodiless
			}
			d := b.run(t, which, map[string]any{"ask": code})
			if code == "" && d.Status != workflow.RunSucceeded || code != "" && (d.Error == nil || d.Error.Code != code) {
				t.Errorf("%q: %s %+v", code, d.Status, d.Error)
			}
		}
	})
}

func manyTexts(n, size int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = strings.Repeat("x", size)
	}
	return list
}

// The time that an item waits for its beginning counts like that of any node.
func TestTheQueueTimeoutOfItems(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *workflow.Config) { c.Slots = 1 }, withNodes(fn("work", func(ctx context.Context, _ *workflow.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})))
	id := b.publish(t, with(looping(map[string]any{}, step("work", "work", nil)), workflow.Settings{QueueTimeout: workflow.Duration(time.Second)}))
	if d := b.run(t, id, map[string]any{"items": numbers(2)}); d.Error == nil || d.Error.Code != "run_queue_timeout" {
		t.Errorf("%s %+v", d.Status, d.Error)
	}
}

// The total time of a loop bounds it, whatever its items do.
func TestTheTotalTimeOfALoop(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		g := looping(map[string]any{}, step("ask", "approval", map[string]any{"title": "?"}))
		g.Nodes[1].Policy = &workflow.Policy{TotalTimeout: workflow.Duration(time.Second), OnError: workflow.OnErrorContinue}
		d := b.run(t, b.publish(t, g), map[string]any{"items": numbers(2)})
		if d.Status != workflow.RunSucceeded || d.Output != nil {
			t.Errorf("%s with %v", d.Status, d.Output)
		}
		eventually(t, func() bool {
			for _, r := range b.children(t, d.ID, "each") {
				if r.Status != workflow.RunCancelled {
					return false
				}
			}
			return true
		})
	})
}

// A graph in which very many nodes come before a loop with very many beginnings is
// judged like any other.
func TestALoopBehindManyNodes(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil), step("each", "forEach", map[string]any{"items": []any{1}})}}
	for i := range 2400 {
		before, body := "a"+itoa(i), "b"+itoa(i)
		g.Nodes = append(g.Nodes, step(before, "transform", map[string]any{"value": 1}))
		g.Nodes = append(g.Nodes, within("each", step(body, "transform", map[string]any{"value": "{{ steps." + before + " }}"}))...)
		g.Edges = append(g.Edges, edge("start", before), edge(before, "each"))
	}
	if err := b.Validate(b.ctx, g); err != nil {
		t.Error(err)
	}
}
