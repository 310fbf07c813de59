package workflow_test

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// ledger is a node type "act" that notes by its key how often it ran, and fails
// while it is told to.
type ledger struct {
	mu      sync.Mutex
	ran     map[string]int
	failing map[string]bool
}

func newLedger(failing ...string) *ledger {
	l := &ledger{ran: map[string]int{}, failing: map[string]bool{}}
	for _, key := range failing {
		l.failing[key] = true
	}
	return l
}

func (l *ledger) node() workflow.Node {
	return fn("act", func(_ context.Context, call *workflow.Call) (any, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ran[call.Key]++
		if l.failing[call.Key] {
			return nil, problem.New(problem.Conflict, "told_to_fail", "told to fail")
		}
		return call.Key + " of " + call.RunID, nil
	})
}

func (l *ledger) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.failing)
	clear(l.ran)
}

func (l *ledger) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for k, n := range l.ran {
		counts[k] = n
	}
	return counts
}

// detour is start → first → left, right → join → end; right fails into rescue.
func detour() workflow.Graph {
	right := step("right", "act", nil)
	right.Policy = &workflow.Policy{OnError: workflow.OnErrorBranch}
	return workflow.Graph{
		Nodes: []workflow.GraphNode{step("start", "start", nil), step("first", "act", nil), step("left", "act", nil), right,
			step("rescue", "act", nil), step("join", "act", nil),
			step("end", "end", map[string]any{"output": map[string]any{"first": "{{ steps.first }}", "join": "{{ steps.join }}", "n": "{{ input.n }}"}})},
		Edges: []workflow.Edge{edge("start", "first"), edge("first", "left"), edge("first", "right"), edgeOn("right", "error", "rescue"),
			edge("left", "join"), edge("right", "join"), edge("rescue", "join"), edge("join", "end")},
	}
}

func TestRetryRunsWhatFailedAlone(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		l := newLedger("right", "join")
		b := setup(t, db, queue, withNodes(l.node()))
		failed := b.run(t, b.publish(t, detour()), map[string]any{"n": 1})
		if failed.Status != workflow.RunFailed {
			t.Fatalf("%s", failed.Status)
		}
		l.mend()
		r, err := b.Retry(b.ctx, failed.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		d := b.wait(t, r.ID)
		if d.Status != workflow.RunSucceeded || d.RerunOf != failed.ID || d.ID == failed.ID {
			t.Errorf("%s, rerun of %q: %+v", d.Status, d.RerunOf, d.Error)
		}
		// right failed too, but was dealt with: rescue ran instead of it.
		if got := l.counts(); !reflect.DeepEqual(got, map[string]int{"join": 1}) {
			t.Errorf("ran %v", got)
		}
		want := map[string]any{"first": "first of " + failed.ID, "join": "join of " + d.ID}
		got, _ := d.Output.(map[string]any)
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s is %v, want %v", k, got[k], v)
			}
		}
		if s := statuses(d); s["right"] != workflow.NodeFailed || s["rescue"] != workflow.NodeSucceeded {
			t.Errorf("taken over: %v", s)
		}
		if again, err := b.Run(b.ctx, failed.ID); err != nil || again.Status != workflow.RunFailed || !reflect.DeepEqual(statuses(again), statuses(failed)) {
			t.Errorf("the old run has changed: %s %v", again.Status, err)
		}
		if _, err := b.Retry(b.ctx, d.ID, ""); !problem.Is(err, problem.Conflict) {
			t.Errorf("a run that succeeded is retried: %v", err)
		}
	})
}

func TestRetryOfACancelledRunGoesOn(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var open atomic.Bool
		l, began := newLedger(), make(chan struct{}, 2)
		b := setup(t, db, withNodes(l.node(), fn("gate", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			if !open.Load() {
				<-ctx.Done()
			}
			return nil, ctx.Err()
		})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("a", "act", nil), step("gate", "gate", nil), step("b", "act", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		if _, err := b.Retry(b.ctx, r.ID, ""); !problem.Is(err, problem.Conflict) {
			t.Errorf("a run that has not ended is retried: %v", err)
		}
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		open.Store(true)
		again, err := b.Retry(b.ctx, r.ID, workflow.VersionSame)
		if err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, again.ID); d.Status != workflow.RunSucceeded || l.counts()["a"] != 1 || l.counts()["b"] != 1 {
			t.Errorf("%s, ran %v", d.Status, l.counts())
		}
	})
}

func TestRerunFromANode(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger("right")
		b := setup(t, db, withNodes(l.node()))
		first := b.run(t, b.publish(t, detour()), map[string]any{"n": 1})
		if first.Status != workflow.RunSucceeded {
			t.Fatal(first.Error)
		}
		for from, want := range map[string]map[string]int{
			"start": {"first": 1, "left": 1, "right": 1, "join": 1},
			"left":  {"left": 1, "join": 1},
			"right": {"right": 1, "join": 1}, // it succeeds now, so rescue is skipped
			"end":   {},
		} {
			l.mend()
			r, err := b.Rerun(b.ctx, first.ID, from, "")
			if err != nil {
				t.Fatalf("%s: %v", from, err)
			}
			if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded || d.RerunOf != first.ID {
				t.Errorf("%s: %s %+v", from, d.Status, d.Error)
			}
			if got := l.counts(); !reflect.DeepEqual(got, want) {
				t.Errorf("from %s ran %v, want %v", from, got, want)
			}
		}
		l.mend()
		r, err := b.Rerun(b.ctx, first.ID, "right", "")
		if err != nil {
			t.Fatal(err)
		}
		second := b.wait(t, r.ID)
		if _, err := b.Rerun(b.ctx, second.ID, "rescue", ""); !problem.Is(err, problem.Conflict) || problem.Of(err).Code != "node_not_reached" {
			t.Errorf("from a node that was skipped: %v", err)
		}
		if _, err := b.Rerun(b.ctx, first.ID, "nobody", ""); problem.Of(err).Code != "node_missing" {
			t.Errorf("from no node: %v", err)
		}
	})
}

func TestRerunOnTheLatestVersion(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger("b")
		b := setup(t, db, withNodes(l.node()))
		w := b.publish(t, chain(step("a", "act", nil), step("b", "act", nil)))
		failed := b.run(t, w, nil)
		publish := func(nodes ...workflow.GraphNode) {
			g := chain(nodes...)
			if _, err := b.Update(b.ctx, w, workflow.Update{Draft: &g}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Publish(b.ctx, w, 0); err != nil {
				t.Fatal(err)
			}
			l.mend()
		}
		again := func() workflow.RunDetail {
			r, err := b.Retry(b.ctx, failed.ID, workflow.VersionLatest)
			if err != nil {
				t.Fatal(err)
			}
			return b.wait(t, r.ID)
		}
		publish(step("a", "act", nil), step("b", "act", nil), step("c", "act", nil))
		if d := again(); d.WorkflowVersion != 2 || !reflect.DeepEqual(l.counts(), map[string]int{"b": 1, "c": 1}) {
			t.Errorf("version %d ran %v", d.WorkflowVersion, l.counts())
		}
		// What lies behind a new node runs again, and so does what is another type now.
		publish(step("new", "act", nil), step("a", "act", nil), step("b", "act", nil))
		if again(); !reflect.DeepEqual(l.counts(), map[string]int{"new": 1, "a": 1, "b": 1}) {
			t.Errorf("ran %v", l.counts())
		}
		publish(step("a", "transform", map[string]any{"value": 1}), step("b", "act", nil))
		if d := again(); d.Status != workflow.RunSucceeded || l.counts()["b"] != 1 {
			t.Errorf("%s %v", d.Status, l.counts())
		}
		publish(step("a", "act", nil))
		if _, err := b.Retry(b.ctx, failed.ID, workflow.VersionLatest); problem.Of(err).Code != "node_missing" {
			t.Errorf("the failed node is gone, and: %v", err)
		}
		if _, err := b.Rerun(b.ctx, failed.ID, "b", workflow.VersionLatest); problem.Of(err).Code != "node_missing" {
			t.Errorf("the node to begin at is gone, and: %v", err)
		}
	})
}

func TestReplayWithAnotherInput(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		g := chain(step("a", "transform", map[string]any{"value": "{{ input.n + 1 }}"}))
		g.Nodes[0].Config = map[string]any{"input": map[string]any{"type": "object", "required": []any{"n"}, "properties": map[string]any{"n": map[string]any{"type": "integer"}}}}
		first := b.run(t, b.publish(t, g), map[string]any{"n": 1})
		for want, input := range map[string]map[string]any{"2": nil, "42": {"n": 41}} {
			r, err := b.Replay(b.ctx, first.ID, input, "")
			if err != nil {
				t.Fatal(err)
			}
			if d := b.wait(t, r.ID); encoded(d.Output) != want || d.RerunOf != first.ID {
				t.Errorf("%v, want %s", d.Output, want)
			}
		}
		if _, err := b.Replay(b.ctx, first.ID, map[string]any{"n": "many"}, ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("an input with faults: %v", err)
		}
		if _, err := b.Replay(b.ctx, first.ID, nil, "newest"); !problem.Is(err, problem.Invalid) {
			t.Errorf("a version that is none: %v", err)
		}
	})
}

func TestT01_ARerunStaysInItsTenantAndNeedsBothRights(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger("a")
		b := setup(t, db, withNodes(l.node()))
		failed := b.run(t, b.publish(t, chain(step("a", "act", nil))), nil)
		for name, c := range map[string]struct {
			ctx  context.Context
			kind problem.Kind
		}{
			"another tenant":      {as(newTenant(t, db), "*"), problem.NotFound},
			"no right to retry":   {as(b.tenant, auth.WorkflowExecute), problem.Forbidden},
			"no right to execute": {as(b.tenant, auth.RunRetry), problem.Forbidden},
		} {
			_, retry := b.Retry(c.ctx, failed.ID, "")
			_, rerun := b.Rerun(c.ctx, failed.ID, "a", "")
			_, replay := b.Replay(c.ctx, failed.ID, nil, "")
			for _, err := range []error{retry, rerun, replay} {
				if !problem.Is(err, c.kind) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

func TestATestRunExecutesADraft(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		l := newLedger()
		b := setup(t, db, queue, withNodes(l.node()))
		w := b.publish(t, chain(step("a", "transform", map[string]any{"value": "published"})))
		g := chain(step("out", "act", nil), step("a", "transform", map[string]any{"value": "{{ steps.out + '!' }}"}))
		for _, workflowID := range []string{"", w, w} {
			r, err := b.Test(b.ctx, workflow.TestParams{WorkflowID: workflowID, Graph: g, Pins: map[string]workflow.Pin{"out": {Output: "pinned"}}})
			if err != nil {
				t.Fatal(err)
			}
			d := b.wait(t, r.ID)
			if d.Output != "pinned!" || !d.Test || d.WorkflowVersion != 0 || workflowID != "" && d.WorkflowID != workflowID {
				t.Errorf("%s %v %+v: %+v", d.Status, d.Output, d.Run, d.Error)
			}
			again, err := b.Rerun(b.ctx, r.ID, "a", "")
			if err != nil {
				t.Fatal(err)
			}
			if d := b.wait(t, again.ID); d.Output != "pinned!" || !d.Test {
				t.Errorf("repeated: %v %+v", d.Output, d.Error)
			}
			if _, err := b.Retry(b.ctx, r.ID, workflow.VersionLatest); !problem.Is(err, problem.Conflict) {
				t.Errorf("on the latest version: %v", err)
			}
		}
		if n := l.counts()["out"]; n != 0 {
			t.Errorf("the pinned node ran %d times", n)
		}
		if runs := b.runsOf(t, w); len(runs) != 0 {
			t.Errorf("listed among the others: %+v", runs)
		}
		tests, err := b.Runs(b.ctx, workflow.RunFilter{Test: true, WorkflowID: w}, page.Request{})
		if err != nil || len(tests.Items) != 4 {
			t.Errorf("%d test runs, %v", len(tests.Items), err)
		}
		versions, err := b.Versions(b.ctx, w, page.Request{})
		if err != nil || len(versions.Items) != 1 {
			t.Errorf("versions %+v, %v", versions.Items, err)
		}
		if _, err := b.Version(b.ctx, w, -1); !problem.Is(err, problem.NotFound) {
			t.Errorf("the graph of a test is a version: %v", err)
		}
		list, err := b.List(b.ctx, page.Request{})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%d workflows, %v", len(list.Items), err)
		}
		if d := b.run(t, w, nil); d.Output != "published" {
			t.Errorf("a start runs the draft: %v", d.Output)
		}
	})
}

// A run that any process may execute: the one that has begun the test has no slots.
func TestATestRunIsExecutedByAnotherProcess(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger()
		front := setup(t, db, withNodes(l.node()), func(c *workflow.Config) { c.Slots = -1 })
		setup(t, db, withNodes(l.node()))
		r, err := front.Test(front.ctx, workflow.TestParams{Graph: chain(step("a", "act", nil), step("b", "act", nil)), Pins: map[string]workflow.Pin{"a": {}}})
		if err != nil {
			t.Fatal(err)
		}
		if d := front.wait(t, r.ID); d.Status != workflow.RunSucceeded || !reflect.DeepEqual(l.counts(), map[string]int{"b": 1}) {
			t.Errorf("%s, ran %v", d.Status, l.counts())
		}
	})
}

func TestT19_ATestRunHasNoMoreRightsThanItsCaller(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		g := chain(step("ask", "query", map[string]any{"queryId": "q1"}))
		if _, err := b.Test(as(b.tenant, auth.WorkflowTest), workflow.TestParams{Graph: g}); !problem.Is(err, problem.Invalid) {
			t.Errorf("without the right to the query: %v", err)
		}
		r, err := b.Test(as(b.tenant, auth.WorkflowTest, auth.QueryExecute), workflow.TestParams{Graph: g})
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, r.ID)
		// Whoever repeats it needs them too, for nobody has published it.
		if _, err := b.Replay(as(b.tenant, auth.RunRetry, auth.WorkflowTest), r.ID, nil, ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("repeated without the right to the query: %v", err)
		}
		if _, err := b.Replay(as(b.tenant, auth.RunRetry, auth.WorkflowExecute, auth.QueryExecute), r.ID, nil, ""); !problem.Is(err, problem.Forbidden) {
			t.Errorf("repeated without the right to test: %v", err)
		}
		if _, err := b.Test(as(newTenant(t, db), "*"), workflow.TestParams{WorkflowID: b.publish(t, g), Graph: g}); !problem.Is(err, problem.NotFound) {
			t.Errorf("a draft of a foreign workflow: %v", err)
		}
		for name, pins := range map[string]map[string]workflow.Pin{
			"no node": {"nobody": {}}, "start": {"start": {}}, "no port": {"ask": {Port: "maybe"}},
		} {
			if _, err := b.Test(b.ctx, workflow.TestParams{Graph: g, Pins: pins}); !problem.Is(err, problem.Invalid) {
				t.Errorf("pin of %s: %v", name, err)
			}
		}
	})
}
