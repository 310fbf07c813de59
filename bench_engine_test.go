package jetadmin_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// settings are the ways to run, each in a benchmark of its own.
func eachWay(b *testing.B, bench func(b *testing.B, cfg jetadmin.Config)) {
	for name, set := range map[string][]func(testing.TB, *jetadmin.Config){
		"sqlite":             {onSQLite},
		"postgres":           {onPostgres},
		"postgres and redis": {onPostgres, onRedis},
	} {
		b.Run(name, func(b *testing.B) {
			cfg := quiet(b)
			for _, apply := range set {
				apply(b, &cfg)
			}
			bench(b, cfg)
		})
	}
}

// line is a graph of start and n nodes of a type, one after the other.
func line(n int, node workflow.GraphNode) workflow.Graph {
	graph := workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}}
	for i := range n {
		node.Key = fmt.Sprint("n", i)
		graph.Edges = append(graph.Edges, workflow.Edge{From: graph.Nodes[i].Key, To: node.Key})
		graph.Nodes = append(graph.Nodes, node)
	}
	return graph
}

// From the call of Start to the first line of the first node, one run at a time
// in an engine that is otherwise idle.
func BenchmarkStartLatency(b *testing.B) {
	eachWay(b, func(b *testing.B, cfg jetadmin.Config) {
		began := make(chan time.Time, 1)
		cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "clock"},
			func(context.Context, *workflow.Call, struct{}) (any, error) {
				began <- time.Now()
				return nil, nil
			})}
		app := jetadmintest.Start(b, cfg)
		ctx := app.Owner.Context(b.Context())
		in := workflow.StartParams{WorkflowID: app.Publish(ctx, workflow.NewWorkflow{Name: "clock", Draft: line(1, workflow.GraphNode{Type: "clock"})})}
		var took []time.Duration
		for b.Loop() {
			since := time.Now()
			run, err := app.Workflows().Start(ctx, in)
			must(b, err)
			took = append(took, (<-began).Sub(since))
			_, err = app.Workflows().Wait(ctx, run.ID)
			must(b, err)
		}
		reportPercentiles(b, took)
	})
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// A chain of 40 nodes that do nothing, from Start to its end, in an idle engine.
func BenchmarkChain40Idle(b *testing.B) {
	eachWay(b, func(b *testing.B, cfg jetadmin.Config) {
		benchOneByOne(b, cfg, line(40, workflow.GraphNode{Type: "nothing"}))
	})
}

// A thousand nodes side by side, and one that waits for all of them.
func BenchmarkFanOut1000(b *testing.B) {
	graph := workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "all", Type: "nothing"}}}
	for i := range 1000 {
		key := fmt.Sprint("n", i)
		graph.Nodes = append(graph.Nodes, workflow.GraphNode{Key: key, Type: "nothing"})
		graph.Edges = append(graph.Edges, workflow.Edge{From: "start", To: key}, workflow.Edge{From: key, To: "all"})
	}
	eachWay(b, func(b *testing.B, cfg jetadmin.Config) { benchOneByOne(b, cfg, graph) })
}

// A chain of ten nodes that only compute: they are stored together.
func BenchmarkPureChain10(b *testing.B) {
	eachWay(b, func(b *testing.B, cfg jetadmin.Config) {
		benchRuns(b, cfg, line(10, workflow.GraphNode{Type: "transform", Config: map[string]any{"value": "{{ run.id }}"}}))
	})
}

func benchOneByOne(b *testing.B, cfg jetadmin.Config, graph workflow.Graph) {
	cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "nothing"}, nothing)}
	app := jetadmintest.Start(b, cfg)
	ctx := app.Owner.Context(b.Context())
	in := workflow.StartParams{WorkflowID: app.Publish(ctx, workflow.NewWorkflow{Name: "graph", Draft: graph})}
	var took []time.Duration
	for b.Loop() {
		since := time.Now()
		run, err := app.Workflows().Start(ctx, in)
		must(b, err)
		d, err := app.Workflows().Wait(ctx, run.ID)
		must(b, err)
		if d.Status != workflow.RunSucceeded {
			b.Fatalf("the run is %s: %+v", d.Status, d.Error)
		}
		took = append(took, time.Since(since))
	}
	reportPercentiles(b, took)
}
