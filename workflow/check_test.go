package workflow_test

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func TestEveryFaultOfAGraphIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	err := b.Validate(b.ctx, workflow.Graph{
		Nodes: []workflow.GraphNode{
			step("start", "start", nil),
			step("start", "start", nil),
			step("1bad", "transform", map[string]any{"value": 1}),
			step("typo", "tranform", nil),
			step("ask", "query", map[string]any{"nope": 1}),
			step("sum", "transform", map[string]any{"value": "{{ steps.later.total + nothing }}"}),
			step("later", "transform", map[string]any{"value": "{{ 1 + }}"}),
			step("loopA", "transform", map[string]any{"value": 1}),
			step("loopB", "transform", map[string]any{"value": 1}),
			step("island", "transform", map[string]any{"value": 1}),
			step("cond", "condition", map[string]any{"branches": []any{}}),
			step("wait", "delay", map[string]any{"duration": "soon"}),
		},
		Edges: []workflow.Edge{
			edge("start", "ask"), edge("ask", "sum"), edge("sum", "later"), edgeOn("ask", "nowhere", "sum"),
			edge("loopA", "loopB"), edge("loopB", "loopA"), edge("start", "ghost"), edge("later", "start"),
			edge("start", "cond"), edge("start", "wait"), edge("start", "typo"),
		},
	})
	p := problem.Of(err)
	if p == nil || p.Kind != problem.Invalid {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"nodes.start.key", "nodes[2].key", "nodes.typo.type", "nodes.ask.config.nope", "nodes.ask.config.queryId",
		"nodes.sum.config", "nodes.later.config", "nodes.loopA", "nodes.loopB", "nodes.island", "nodes.cond.config",
		"nodes.wait.config", "edges[3].port", "edges[6].to", "edges[7].to",
	} {
		if !slices.ContainsFunc(p.Faults, func(f problem.Fault) bool { return strings.HasPrefix(f.Path, want) }) {
			t.Errorf("no fault at %s", want)
		}
	}
}

// A fault of one sort does not hide one of another in the same node.
func TestFaultsOfEverySortAreToldTogether(t *testing.T) {
	t.Parallel()
	missing := id.New()
	b := newBundle(t, testdb.SQLite(t), func(c *workflow.Config) {
		c.CheckReference = func(_ context.Context, g auth.Grant) error {
			if g.ObjectID == missing {
				return problem.Missing("query")
			}
			return nil
		}
	})
	_, err := b.Create(b.ctx, workflow.NewWorkflow{Name: " ", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{
			step("start", "start", nil),
			step("both", "transform", map[string]any{"value": []any{"{{ 1 + }}", "{{ nowhere.x }}", "{{ steps.ghost }}"}}),
			step("typo", "tranform", map[string]any{"value": "{{ steps.ghost }}"}),
			step("ask", "query", map[string]any{"queryId": missing, "nope": 1}),
			step("loopA", "transform", map[string]any{"value": "{{ steps.ghost }}"}),
			step("loopB", "transform", map[string]any{"value": "{{ steps.loopA }}"}),
		},
		Edges: []workflow.Edge{edge("start", "both"), edge("both", "typo"), edge("typo", "ask"), edge("loopA", "loopB"), edge("loopB", "loopA")},
	}})
	p := problem.Of(err)
	if p == nil || p.Kind != problem.Invalid {
		t.Fatalf("got %v", err)
	}
	said := p.Error()
	for _, want := range []string{
		"name must", "nodes.both.config.value[0] ", "nodes.both.config.value[1] ", "nodes.both.config uses steps.ghost", "nodes.typo.type ", "nodes.typo.config uses steps.ghost",
		"nodes.ask.config.nope ", "nodes.ask.config query not found", "nodes.loopA lies", "nodes.loopA.config uses steps.ghost",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not told: %s", want, said)
		}
	}
	if strings.Contains(said, "steps.loopA") {
		t.Errorf("what a cycle reads of itself is told twice: %s", said)
	}
}

func TestAStepMayOnlyReadWhatRanBefore(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	g := chain(
		step("a", "transform", map[string]any{"value": "{{ steps.b }}"}),
		step("b", "transform", map[string]any{"value": "{{ steps.a }}"}),
	)
	p := problem.Of(b.Validate(b.ctx, g))
	if p == nil || len(p.Faults) != 1 || p.Faults[0].Path != "nodes.a.config" {
		t.Fatalf("want the one fault of node a, got %v", p)
	}
}

func TestALargeGraphIsCheckedInBoundedTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		nodes := make([]workflow.GraphNode, 3000)
		for i := range nodes {
			nodes[i] = step("n"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+itoa(i), "transform", map[string]any{"value": 1})
		}
		if err := b.Validate(b.ctx, chain(nodes...)); err != nil {
			t.Fatal(err)
		}
		over := chain(slices.Concat(nodes, nodes)...)
		if !problem.Is(b.Validate(b.ctx, over), problem.Invalid) {
			t.Error("a graph over the limit is taken")
		}
	})
}

func TestAReferenceTheCallerMayNotUseIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	g := chain(step("ask", "query", map[string]any{"queryId": "q"}))
	p := problem.Of(b.Validate(as(b.tenant, "workflow.*"), g))
	if p == nil || p.Kind != problem.Invalid || len(p.Faults) != 1 || p.Faults[0].Path != "nodes.ask.config" {
		t.Fatalf("got %v", p)
	}
}

// A long name costs what it is long, not that for everything below it.
func TestALongNameInAConfigurationCostsLittle(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	items := make([]any, 20_000)
	for i := range items {
		items[i] = "x"
	}
	g := chain(step("a", "transform", map[string]any{"value": map[string]any{strings.Repeat("k", 500_000): items}}))
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	if err := b.Validate(b.ctx, g); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&m1)
	if spent := m1.TotalAlloc - m0.TotalAlloc; spent > 2<<30 {
		t.Errorf("the check allocated %d MB", spent>>20)
	}
}

// A graph that comes over HTTP has its numbers as they were written. They are
// judged as numbers all the same.
func TestNumbersOfAConfiguration(t *testing.T) {
	t.Parallel()
	type config struct {
		Most int `json:"most"`
	}
	n := workflow.NodeFunc(workflow.NodeSpec{Type: "limited"}, func(_ context.Context, _ *workflow.Call, c config) (any, error) { return c.Most, nil })
	b := newBundle(t, testdb.SQLite(t), func(c *workflow.Config) { c.Nodes = append(c.Nodes, n) })
	for most, good := range map[any]bool{json.Number("5"): true, 5: true, 5.0: true, json.Number("5.5"): false, "5": false} {
		err := b.Validate(b.ctx, chain(step("limited", "limited", map[string]any{"most": most})))
		if good != (err == nil) {
			t.Errorf("%T %v: %v", most, most, err)
		}
	}
}
