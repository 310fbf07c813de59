package workflow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// within puts nodes into the body of a loop.
func within(loop string, nodes ...workflow.GraphNode) []workflow.GraphNode {
	for i := range nodes {
		if nodes[i].Parent == "" {
			nodes[i].Parent = loop
		}
	}
	return nodes
}

// looping is a graph with one loop, whose output is the run's. The nodes of the
// body follow each other.
func looping(config map[string]any, body ...workflow.GraphNode) workflow.Graph {
	if config["items"] == nil {
		config["items"] = "{{ input.items }}"
	}
	g := chain(step("each", "forEach", config))
	within("each", body...)
	for i := 1; i < len(body); i++ {
		g.Edges = append(g.Edges, edge(body[i-1].Key, body[i].Key))
	}
	g.Nodes = append(g.Nodes, body...)
	return g
}

func numbers(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// loopOutput is the output of a loop as a test reads it.
type loopOutput struct {
	Results []any
	Count   int
	Failed  int
	Errors  []struct {
		Index                int
		RunID, Code, Message string
	}
}

func outputOf(t testing.TB, d workflow.RunDetail) (out loopOutput) {
	t.Helper()
	if d.Status != workflow.RunSucceeded {
		t.Fatalf("%s: %+v", d.Status, d.Error)
	}
	if err := json.Unmarshal([]byte(encoded(d.Output)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestALoopGivesItsResultsInOrder(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var now, most atomic.Int32
		b := setup(t, db, withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			<-time.After(time.Duration(rand.IntN(10)) * time.Millisecond) // they end in any order
			return nil, nil
		})))
		id := b.publish(t, looping(map[string]any{"concurrency": 3}, step("work", "work", nil),
			step("square", "transform", map[string]any{"value": "{{ item * item + input.more + index - index }}"})))
		d := b.run(t, id, map[string]any{"items": numbers(30), "more": 1})
		out := outputOf(t, d)
		if out.Count != 30 || out.Failed != 0 || len(out.Results) != 30 || out.Errors == nil {
			t.Fatalf("%s", encoded(out))
		}
		for i, v := range out.Results {
			if v != float64(i*i+1) {
				t.Errorf("result %d is %v", i, v)
			}
		}
		if most.Load() > 3 {
			t.Errorf("%d items ran at a time", most.Load())
		}
		if n := d.Nodes[1]; n.Key != "each" || n.Items == nil || *n.Items != (workflow.Items{Total: 30, Begun: 30, Ended: 30}) || len(d.Nodes) != 3 {
			t.Errorf("nodes: %s", encoded(d.Nodes))
		}
		b.looksAtAnItem(t, d)
	})
}

// looksAtAnItem reads the run of an item.
func (b *bundle) looksAtAnItem(t *testing.T, d workflow.RunDetail) {
	t.Helper()
	list := b.children(t, d.ID, "each")
	if len(list) != 30 {
		t.Fatalf("%d items have runs", len(list))
	}
	last, err := b.Run(b.ctx, list[0].ID)
	if err != nil || last.Index == nil || *last.Index != 29 || encoded(last.Item) != "29" || encoded(last.Input["more"]) != "1" ||
		encoded(last.Output) != "842" || len(last.Nodes) != 2 || len(last.Graph.Nodes) != 2 || len(last.Graph.Edges) != 1 {
		t.Errorf("%s: %v", encoded(last), err)
	}
	line, err := b.Timeline(b.ctx, last.ID)
	if err != nil || len(line.Nodes) != 2 || line.Nodes[1].Status != workflow.NodeSucceeded {
		t.Errorf("%s: %v", encoded(line), err)
	}
	all, err := b.Runs(b.ctx, workflow.RunFilter{}, page.Request{})
	if err != nil || len(all.Items) != 1 {
		t.Errorf("the list of runs has %d: %v", len(all.Items), err)
	}
}

func TestALoopOverNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		id := b.publish(t, looping(map[string]any{}, step("same", "transform", map[string]any{"value": "{{ item }}"})))
		if got := encoded(b.run(t, id, map[string]any{"items": []any{}}).Output); got != `{"count":0,"errors":[],"failed":0,"results":[]}` {
			t.Error(got)
		}
		for _, items := range []any{nil, "text", map[string]any{"rows": 1}} {
			if d := b.run(t, id, map[string]any{"items": items}); d.Error == nil || d.Error.Code != "items_invalid" || d.Error.Remedy == "" {
				t.Errorf("%v: %s %+v", items, d.Status, d.Error)
			}
		}
	})
}

func TestALoopFailsWithTheFirstItem(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ended := make(chan struct{}, 10)
		b := setup(t, db, withNodes(fn("work", func(ctx context.Context, call *workflow.Call) (any, error) {
			if encoded(call.Config["n"]) == "2" {
				return nil, problem.New(problem.Conflict, "sold_out", "there is none left").Fix("order some")
			}
			<-ctx.Done()
			ended <- struct{}{}
			return nil, ctx.Err()
		})))
		id := b.publish(t, looping(map[string]any{"concurrency": 4}, step("work", "work", map[string]any{"n": "{{ item }}"})))
		d := b.run(t, id, map[string]any{"items": numbers(100)})
		if d.Status != workflow.RunFailed || d.Error.Node != "each" || d.Error.Code != "sold_out" || d.Error.Message != "item 2: there is none left" || d.Error.Remedy != "order some" {
			t.Fatalf("%s: %+v", d.Status, d.Error)
		}
		for range 3 { // the others are cancelled
			<-ended
		}
		eventually(t, func() bool {
			list := b.children(t, d.ID, "each")
			return len(list) == 4 && !slices.ContainsFunc(list, func(r workflow.Run) bool { return !r.Status.Final() })
		})
	})
}

func TestALoopToleratesFailures(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(fn("odd", func(_ context.Context, call *workflow.Call) (any, error) {
			if n := encoded(call.Config["n"]); strings.ContainsAny(n[len(n)-1:], "13579") {
				return nil, problem.New(problem.Invalid, "odd", n+" is odd")
			}
			return "even", nil
		})))
		body := step("odd", "odd", map[string]any{"n": "{{ item }}"})
		id := b.publish(t, looping(map[string]any{"maxFailures": 5}, body))
		out := outputOf(t, b.run(t, id, map[string]any{"items": numbers(10)}))
		if out.Count != 10 || out.Failed != 5 || out.Results[1] != nil || out.Results[2] != "even" || len(out.Errors) != 5 ||
			out.Errors[1].Index != 3 || out.Errors[1].Code != "odd" || out.Errors[1].Message != "3 is odd" || out.Errors[1].RunID == "" {
			t.Errorf("%s", encoded(out))
		}
		d := b.run(t, id, map[string]any{"items": numbers(12)})
		if d.Status != workflow.RunFailed || !strings.HasPrefix(d.Error.Message, "more than 5 items failed, the first of them item 1: ") {
			t.Errorf("one too many: %s %+v", d.Status, d.Error)
		}
		percent := b.publish(t, looping(map[string]any{"maxFailurePercent": 50, "maxFailures": 100}, body))
		if out := outputOf(t, b.run(t, percent, map[string]any{"items": numbers(10)})); out.Failed != 5 {
			t.Errorf("%s", encoded(out))
		}
		if d := b.run(t, percent, map[string]any{"items": []any{1, 2, 3}}); d.Status != workflow.RunFailed {
			t.Errorf("67 percent: %s", d.Status)
		}
	})
}

func TestALoopInBatches(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		id := b.publish(t, looping(map[string]any{"batchSize": 4}, step("sum", "transform", map[string]any{"value": map[string]any{"n": "{{ len(item) }}", "sum": "{{ sum(item) }}"}})))
		out := outputOf(t, b.run(t, id, map[string]any{"items": numbers(10)}))
		if got := encoded(out.Results); got != `[{"n":4,"sum":6},{"n":4,"sum":22},{"n":2,"sum":17}]` || out.Count != 3 {
			t.Error(got)
		}
	})
}

// The body reads what comes before the loop, also in the loop around it, and by
// reference; what is passed on outside is the same for each attempt at an item, and
// of no other.
func TestLoopsInLoops(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		large := strings.Repeat("x", 50_000)
		var keys sync.Map
		b := setup(t, db, withNodes(
			fn("large", func(context.Context, *workflow.Call) (any, error) { return large, nil }),
			fn("work", func(_ context.Context, call *workflow.Call) (any, error) {
				if _, again := keys.LoadOrStore(call.IdempotencyKey, encoded(call.Config)); !again {
					return nil, problem.New(problem.Unavailable, "again", "try again")
				}
				if first, _ := keys.Load(call.IdempotencyKey); first != encoded(call.Config) {
					return nil, fmt.Errorf("the key %s stands for two items", call.IdempotencyKey)
				}
				return call.Config["text"], nil
			})))
		work := step("work", "work", map[string]any{"text": "{{ steps.outer }}-{{ item.name }}-{{ len(item.fill) }}-{{ index }}-{{ len(steps.large) }}-{{ input.tail }}"})
		work.Parent, work.Policy = "inner", &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
		g := looping(map[string]any{}, step("outer", "transform", map[string]any{"value": "{{ item.id }}{{ index }}"}),
			step("inner", "forEach", map[string]any{"items": "{{ item.list }}"}),
			step("take", "transform", map[string]any{"value": "{{ steps.inner.results }}"}))
		g.Nodes = append(g.Nodes, work, step("large", "large", nil))
		g.Edges[0].To = "large"
		g.Edges = append(g.Edges, edge("large", "each"))
		item := func(name string, n int) any { return map[string]any{"name": name, "fill": strings.Repeat("f", n)} }
		d := b.run(t, b.publish(t, g), map[string]any{"tail": "t", "items": []any{
			map[string]any{"id": "a", "list": []any{item("p", 1), item("q", 40_000)}}, map[string]any{"id": "b", "list": []any{item("r", 3)}},
		}})
		if got := encoded(outputOf(t, d).Results); got != `[["a0-p-1-0-50000-t","a0-q-40000-1-50000-t"],["b1-r-3-0-50000-t"]]` {
			t.Error(got)
		}
		for _, iteration := range []string{"0.0", "0.1", "1.0"} {
			if _, ok := keys.Load(d.ID + "/work/" + iteration); !ok {
				t.Errorf("nothing was passed on with the iteration %s", iteration)
			}
		}
		b.deepItem(t, d.ID)
	})
}

// deepItem reads the run of a large item in a loop within a loop.
func (b *bundle) deepItem(t *testing.T, runID string) {
	t.Helper()
	outer := b.children(t, runID, "each")
	inner := b.children(t, outer[len(outer)-1].ID, "inner")
	r, err := b.Run(b.ctx, inner[0].ID)
	if err != nil || encoded(r.Item) != `{"fill":"`+strings.Repeat("f", 40_000)+`","name":"q"}` || r.Input["tail"] != "t" {
		t.Errorf("an item of %d bytes: %v", len(encoded(r.Item)), err)
	}
}

// What has several last nodes gives them by their keys; an end decides by itself.
func TestWhatABodyGives(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		say := func(key, text string) workflow.GraphNode {
			return step(key, "transform", map[string]any{"value": text})
		}
		two := looping(map[string]any{})
		two.Nodes = append(two.Nodes, within("each", say("left", "l{{ item }}"), say("right", "r{{ item }}"))...)
		if got := encoded(outputOf(t, b.run(t, b.publish(t, two), map[string]any{"items": numbers(2)})).Results); got != `[{"left":"l0","right":"r0"},{"left":"l1","right":"r1"}]` {
			t.Error(got)
		}
		ends := looping(map[string]any{"maxFailures": 1},
			step("pick", "condition", map[string]any{"branches": []any{map[string]any{"port": "bad", "when": "item == 1"}}}))
		ends.Nodes = append(ends.Nodes, within("each", step("fine", "end", map[string]any{"output": "fine"}), step("bad", "end", map[string]any{"failed": true, "message": "one"}))...)
		ends.Edges = append(ends.Edges, edgeOn("pick", "default", "fine"), edgeOn("pick", "bad", "bad"))
		out := outputOf(t, b.run(t, b.publish(t, ends), map[string]any{"items": numbers(3)}))
		if got := encoded(out.Results); got != `["fine",null,"fine"]` || out.Failed != 1 || out.Errors[0].Message != "one" {
			t.Errorf("%s", encoded(out))
		}
	})
}

// Another attempt, and a retry of the run, begin only what has not succeeded.
func TestALoopIsTriedAgainWhereItFailed(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		ran := map[string]int{}
		left := 3 // failures to come of item 4
		b := setup(t, db, withNodes(fn("work", func(_ context.Context, call *workflow.Call) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			n := encoded(call.Config["n"])
			if ran[n]++; n == "4" && left > 0 {
				left--
				return nil, problem.New(problem.Unavailable, "busy", "try again")
			}
			return n, nil
		})))
		g := looping(map[string]any{"concurrency": 1}, step("work", "work", map[string]any{"n": "{{ item }}"}))
		g.Nodes[1].Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
		id := b.publish(t, g)
		d := b.run(t, id, map[string]any{"items": numbers(8)})
		if d.Status != workflow.RunFailed || d.Error.Code != "busy" {
			t.Fatalf("%s: %+v", d.Status, d.Error)
		}
		item := b.children(t, d.ID, "each")[0]
		if _, err := b.Retry(b.ctx, item.ID, ""); !problem.Is(err, problem.Conflict) || problem.Of(err).Code != "run_of_item" {
			t.Errorf("a retry of an item: %v", err)
		}
		if _, err := b.Rerun(b.ctx, d.ID, "work", ""); !problem.Is(err, problem.Conflict) || problem.Of(err).Code != "node_in_loop" {
			t.Errorf("a rerun from a body: %v", err)
		}
		again, err := b.Retry(b.ctx, d.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		out := outputOf(t, b.wait(t, again.ID))
		mu.Lock()
		defer mu.Unlock()
		if got := encoded(out.Results); got != `["0","1","2","3","4","5","6","7"]` {
			t.Error(got)
		}
		for n, times := range ran {
			if want := map[string]int{"4": 4}[n]; times != max(want, 1) {
				t.Errorf("item %s ran %d times", n, times)
			}
		}
	})
}

func TestCancelReachesTheItems(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
		b := setup(t, db, withNodes(fn("work", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return nil, ctx.Err()
		})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, looping(map[string]any{"concurrency": 2}, step("work", "work", nil))), Input: map[string]any{"items": numbers(5)}})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		<-began
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		<-ended
		<-ended
		eventually(t, func() bool {
			list := b.children(t, r.ID, "each")
			return len(list) == 2 && list[0].Status == workflow.RunCancelled && list[1].Status == workflow.RunCancelled
		})
	})
}

// People answer each item for itself.
func TestItemsWaitForPeople(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		g := looping(map[string]any{}, step("ask", "approval", map[string]any{"title": "item {{ item }}"}))
		g.Nodes = append(g.Nodes, within("each", step("yes", "transform", map[string]any{"value": "yes {{ item }}"}), step("no", "transform", map[string]any{"value": "no"}))...)
		g.Edges = append(g.Edges, edgeOn("ask", "approved", "yes"), edgeOn("ask", "rejected", "no"))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, g), Input: map[string]any{"items": numbers(2)}})
		if err != nil {
			t.Fatal(err)
		}
		var waits []workflow.Waiting
		eventually(t, func() bool {
			p, err := b.Waits(b.ctx, workflow.WaitFilter{}, page.Request{})
			waits = p.Items
			return err == nil && len(waits) == 2
		})
		for _, w := range waits {
			if _, err := b.Answer(b.ctx, w.ID, workflow.Answer{Approved: new(w.Title == "item 1")}); err != nil {
				t.Fatal(err)
			}
		}
		if got := encoded(outputOf(t, b.wait(t, r.ID)).Results); got != `["no","yes 1"]` {
			t.Error(got)
		}
	})
}

// A container of the host may do without its body.
func TestAContainerThatDoesNotLoop(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		spec := workflow.NodeSpec{Type: "maybe", Container: true}
		b := setup(t, db, withNodes(workflow.NodeFunc(spec, func(_ context.Context, call *workflow.Call, c struct{ How string }) (any, error) {
			switch c.How {
			case "sleep":
				return workflow.Result{Sleep: time.Millisecond}, nil
			case "each":
				return workflow.Result{Each: &workflow.Each{Items: []any{1}}}, nil
			}
			return "at once", nil
		})))
		g := chain(step("maybe", "maybe", map[string]any{"How": "{{ input.how }}"}))
		g.Nodes = append(g.Nodes, within("maybe", step("body", "transform", map[string]any{"value": "{{ item }}"}))...)
		id := b.publish(t, g)
		for how, want := range map[string]string{"sleep": "null", "": `"at once"`, "each": `{"count":1,"errors":[],"failed":0,"results":[1]}`} {
			if d := b.run(t, id, map[string]any{"how": how}); d.Status != workflow.RunSucceeded || encoded(d.Output) != want {
				t.Errorf("%s: %s with %s", how, d.Status, encoded(d.Output))
			}
		}
	})
}

func TestFaultsOfLoops(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	tr := func(key, parent, value string) workflow.GraphNode {
		return workflow.GraphNode{Key: key, Type: "transform", Parent: parent, Config: map[string]any{"value": value}}
	}
	g := workflow.Graph{
		Nodes: []workflow.GraphNode{
			step("start", "start", nil), step("empty", "forEach", map[string]any{"items": "{{ input.a }}"}),
			step("each", "forEach", map[string]any{"items": "{{ steps.after }}", "concurrency": 5000, "batchSize": 0}),
			tr("inner", "each", "{{ steps.each }}"), tr("second", "each", "{{ steps.inner }} {{ steps.after }}"), tr("after", "", "{{ item }} {{ steps.inner }}"),
			tr("lost", "nowhere", "x"), tr("wrong", "after", "x"), {Key: "answer", Type: "respond", Parent: "each"},
			{Key: "self", Type: "forEach", Parent: "self", Config: map[string]any{"items": "text"}},
		},
		Edges: []workflow.Edge{edge("start", "empty"), edge("start", "each"), edge("each", "after"), edge("inner", "second"), edge("second", "after")},
	}
	err := b.Validate(b.ctx, g)
	if !problem.Is(err, problem.Invalid) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range problem.Of(err).Faults {
		got = append(got, f.Path+" "+f.Message)
	}
	for _, want := range []string{
		"nodes.empty has no body", "nodes.each.config.concurrency must be between 1", "nodes.each.config.batchSize must be between 1",
		"nodes.inner.config uses steps.each, which does not run before", "nodes.second.config uses steps.after, which does not run before",
		"nodes.after.config uses item, which does not exist here", "nodes.after.config uses steps.inner, which does not run before",
		"nodes.lost.parent is not the key of a node", "nodes.wrong.parent is not the key of a loop", "nodes.answer.type belongs to the run",
		"nodes.self.parent must not lead to itself", "nodes.self.config.items must be a list", "edges[4] must not lead into the body of a loop",
	} {
		if !slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("no fault %q", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%s", strings.Join(got, "\n"))
	}
}

// TestPropertyBodiesKeepTheRules drives random bodies of loops through the engine,
// and holds the run of every item to the rules of [TestPropertyTheEngineKeepsTheRules].
func TestPropertyBodiesKeepTheRules(t *testing.T) {
	t.Parallel()
	diary := &diary{runs: map[string][]entry{}}
	b := setup(t, testdb.SQLite(t), withNodes(diary.node()))
	const graphs, items = 25, 3
	var runs [graphs]string
	var bodies [graphs]workflow.Graph
	for seed := range uint64(graphs) {
		body := eventfulGraph(rand.New(rand.NewPCG(seed, 11)))
		g := looping(map[string]any{"items": numbers(items), "maxFailures": items})
		body.Nodes = within("each", body.Nodes[1:]...)
		body.Edges = slices.DeleteFunc(body.Edges, func(e workflow.Edge) bool { return e.From == "start" })
		bodies[seed] = body
		g.Nodes, g.Edges = append(g.Nodes, body.Nodes...), append(g.Edges, body.Edges...)
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, g)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		runs[seed] = r.ID
	}
	for seed, runID := range runs {
		outputOf(t, b.wait(t, runID))
		list := b.children(t, runID, "each")
		if len(list) != items {
			t.Errorf("seed %d: %d items have runs", seed, len(list))
		}
		for _, r := range list {
			d, err := b.Run(b.ctx, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faultsOf(bodies[seed], d, diary.of(r.ID)) {
				t.Errorf("seed %d, item %d: %s", seed, *r.Index, fault)
			}
		}
	}
}
