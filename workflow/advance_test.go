package workflow_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

// TestPropertyEveryRunEnds plays random graphs in random order and checks what
// the package promises of every graph: each node is decided, none becomes ready
// twice or before its edges are decided, and a node is skipped exactly when its
// join can no longer be met.
func TestPropertyEveryRunEnds(t *testing.T) {
	t.Parallel()
	nodes, err := node.Builtins(node.Config{Client: http.DefaultClient, RunQuery: fixedRows})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		g := randomGraph(rng)
		ports := map[string]string{}
		for _, n := range g.Nodes {
			ports[n.Key] = "success"
			if n.Type == "condition" {
				ports[n.Key] = []string{"yes", "no", "default"}[rng.IntN(3)]
			}
		}
		final, ready, err := workflow.Advance(g, nodes, func(k string) string { return ports[k] }, rng.IntN)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, n := range g.Nodes {
			if s := final[n.Key]; s != workflow.NodeSucceeded && s != workflow.NodeSkipped {
				t.Errorf("seed %d: node %s ends as %q", seed, n.Key, s)
			}
			if ready[n.Key] > 1 {
				t.Errorf("seed %d: node %s became ready %d times", seed, n.Key, ready[n.Key])
			}
			if want := shouldRun(g, n, final, ports); want != (final[n.Key] == workflow.NodeSucceeded) {
				t.Errorf("seed %d: node %s ran = %v, want %v", seed, n.Key, !want, want)
			}
		}
	}
}

// shouldRun is the rule of the joins, told by the outcome instead of the order.
func shouldRun(g workflow.Graph, n workflow.GraphNode, final map[string]workflow.NodeStatus, ports map[string]string) bool {
	edges, taken := 0, 0
	for _, e := range g.Edges {
		if e.To != n.Key {
			continue
		}
		edges++
		port := e.Port
		if port == "" {
			port = "success"
		}
		if final[e.From] == workflow.NodeSucceeded && ports[e.From] == port {
			taken++
		}
	}
	if edges == 0 {
		return true
	}
	if n.Policy != nil && n.Policy.Join == workflow.JoinAllSucceeded {
		return taken == edges
	}
	return taken > 0
}

func randomGraph(rng *rand.Rand) workflow.Graph {
	joins := []workflow.Join{workflow.JoinAll, workflow.JoinAny, workflow.JoinAllSucceeded}
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
	for i := range 2 + rng.IntN(20) {
		n := step(fmt.Sprintf("n%d", i), "transform", map[string]any{"value": "x"})
		if rng.IntN(3) == 0 {
			n = step(n.Key, "condition", map[string]any{"branches": []any{
				map[string]any{"port": "yes", "when": "true"}, map[string]any{"port": "no", "when": "true"},
			}})
		}
		n.Policy = &workflow.Policy{Join: joins[rng.IntN(3)]}
		seen := map[workflow.Edge]bool{}
		for range 1 + rng.IntN(3) {
			from := g.Nodes[rng.IntN(len(g.Nodes))]
			port := ""
			if from.Type == "condition" {
				port = []string{"yes", "no", "default"}[rng.IntN(3)]
			}
			if e := edgeOn(from.Key, port, n.Key); !seen[e] {
				seen[e] = true
				g.Edges = append(g.Edges, e)
			}
		}
		g.Nodes = append(g.Nodes, n)
	}
	return g
}
