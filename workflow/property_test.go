package workflow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// TestPropertyTheEngineKeepsTheRules drives random graphs, with random failures,
// retries, ways to go on and joins, through the engine, and checks what it did
// against a model that knows no order: every run ends, as it must; no node begins
// before its edges allow it, nor runs on after it has ended; what is skipped is
// what no taken edge leads to.
func TestPropertyTheEngineKeepsTheRules(t *testing.T) {
	t.Parallel()
	diary := &diary{runs: map[string][]entry{}}
	b := setup(t, testdb.SQLite(t), withNodes(diary.node()))
	const graphs = 80
	var played [graphs]struct {
		graph workflow.Graph
		runID string
	}
	for seed := range uint64(graphs) {
		g := eventfulGraph(rand.New(rand.NewPCG(seed, 7)))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, g)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		played[seed].graph, played[seed].runID = g, r.ID
	}
	ends := map[workflow.RunStatus]int{}
	for seed, p := range played {
		d := b.wait(t, p.runID)
		ends[d.Status]++
		for _, fault := range faultsOf(p.graph, d, diary.of(p.runID)) {
			t.Errorf("seed %d, run %s: %s", seed, d.Status, fault)
		}
	}
	if ends[workflow.RunSucceeded] < graphs/10 || ends[workflow.RunFailed] < graphs/10 {
		t.Errorf("the graphs are too much alike: %v", ends)
	}
}

// diary is a node type "event" that notes when its attempts begin and end. It
// fails as often as it is told to, and does so for good when told.
type diary struct {
	mu   sync.Mutex
	runs map[string][]entry
}

type entry struct {
	key     string
	attempt int
	begin   bool
}

func (d *diary) note(call *workflow.Call, begin bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs[call.RunID] = append(d.runs[call.RunID], entry{call.Key, call.Attempt, begin})
}

func (d *diary) of(runID string) []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.runs[runID]
}

type eventConfig struct {
	Failures int  `json:"failures"`
	Fatal    bool `json:"fatal"`
}

func (d *diary) node() workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: "event"}, func(_ context.Context, call *workflow.Call, c eventConfig) (any, error) {
		d.note(call, true)
		defer d.note(call, false)
		switch {
		case c.Fatal:
			return nil, problem.New(problem.Conflict, "fatal", "for good")
		case call.Attempt <= c.Failures:
			return nil, problem.New(problem.Upstream, "passing", "not yet")
		}
		return call.Key, nil
	})
}

func eventfulGraph(rng *rand.Rand) workflow.Graph {
	joins := []workflow.Join{workflow.JoinAll, workflow.JoinAny, workflow.JoinAllSucceeded}
	ways := []workflow.OnError{workflow.OnErrorFail, workflow.OnErrorBranch, workflow.OnErrorBranch, workflow.OnErrorContinue}
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
	for i := range 3 + rng.IntN(14) {
		key := fmt.Sprintf("n%d", i)
		n := step(key, "event", map[string]any{"failures": max(0, rng.IntN(5)-2), "fatal": rng.IntN(12) == 0})
		if rng.IntN(4) == 0 {
			n = step(key, "condition", map[string]any{"branches": []any{
				map[string]any{"port": "yes", "when": fmt.Sprint(rng.IntN(2) == 0)}, map[string]any{"port": "no", "when": fmt.Sprint(rng.IntN(2) == 0)},
			}})
		}
		n.Policy = &workflow.Policy{Join: joins[rng.IntN(3)]}
		if n.Type == "event" {
			n.Policy.OnError = ways[rng.IntN(len(ways))]
			n.Policy.Retry = &workflow.Retry{Max: rng.IntN(3), Delay: ms, Backoff: workflow.BackoffFixed}
		}
		seen := map[workflow.Edge]bool{}
		for range 1 + rng.IntN(3) {
			from := g.Nodes[rng.IntN(len(g.Nodes))]
			port := "success"
			switch {
			case from.Type == "condition":
				port = []string{"yes", "no", "default"}[rng.IntN(3)]
			case from.Policy != nil && from.Policy.OnError == workflow.OnErrorBranch && rng.IntN(2) == 0:
				port = "error"
			}
			if e := edgeOn(from.Key, port, key); !seen[e] {
				seen[e] = true
				g.Edges = append(g.Edges, e)
			}
		}
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

// verdict is what a node comes to if its run goes on long enough.
type verdict struct {
	status   workflow.NodeStatus
	port     string // "" = no edge of it is taken
	attempts int
	fatal    bool // it fails the run
}

// model is the rules told by outcomes, without time: the nodes are in the order
// of the graph, in which every edge leads forward.
func model(g workflow.Graph) map[string]verdict {
	verdicts := map[string]verdict{}
	for _, n := range g.Nodes {
		edges, taken := 0, 0
		for _, e := range g.Edges {
			if e.To == n.Key {
				edges++
				if verdicts[e.From].port == e.Port {
					taken++
				}
			}
		}
		runs := edges == 0 || taken > 0
		if n.Policy != nil && n.Policy.Join == workflow.JoinAllSucceeded {
			runs = taken == edges
		}
		if runs {
			verdicts[n.Key] = alone(n)
		} else {
			verdicts[n.Key] = verdict{status: workflow.NodeSkipped}
		}
	}
	return verdicts
}

// alone is what a node that runs comes to.
func alone(n workflow.GraphNode) verdict {
	done := verdict{status: workflow.NodeSucceeded, port: "success", attempts: 1}
	switch n.Type {
	case "condition":
		done.port = "default"
		for _, branch := range n.Config["branches"].([]any) {
			if b := branch.(map[string]any); b["when"] == "true" {
				done.port = b["port"].(string)
				break
			}
		}
		return done
	case "event":
	default:
		return done
	}
	failures, retries := n.Config["failures"].(int), n.Policy.Retry.Max
	switch fatal := n.Config["fatal"].(bool); {
	case !fatal && failures <= retries:
		done.attempts = failures + 1
		return done
	case fatal:
		done.attempts = 1
	default:
		done.attempts = retries + 1
	}
	done.status = workflow.NodeFailed
	switch n.Policy.OnError {
	case workflow.OnErrorFail:
		done.port, done.fatal = "", true
	case workflow.OnErrorBranch:
		done.port = "error"
	}
	return done
}

// faultsOf compares a run, and what its nodes noted, with the model.
func faultsOf(g workflow.Graph, d workflow.RunDetail, diary []entry) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	verdicts, got := model(g), statuses(d)
	want := workflow.RunSucceeded
	for _, v := range verdicts {
		if v.fatal {
			want = workflow.RunFailed
		}
	}
	if d.Status != want {
		fault("is %s, want %s: %+v", d.Status, want, d.Error)
	}
	for _, n := range g.Nodes {
		v := verdicts[n.Key]
		cut := want == workflow.RunFailed && got[n.Key] == workflow.NodeCancelled // the run ended first
		if got[n.Key] != v.status && !cut {
			fault("node %s is %s, want %s", n.Key, got[n.Key], v.status)
		}
	}
	ended := map[string]bool{}   // by now
	attempts := map[string]int{} // so far
	for _, e := range diary {
		if !e.begin {
			ended[e.key] = attempts[e.key] == verdicts[e.key].attempts
			continue
		}
		if attempts[e.key]++; e.attempt != attempts[e.key] || ended[e.key] {
			fault("node %s begins attempt %d as the one number %d, ended = %v", e.key, e.attempt, attempts[e.key], ended[e.key])
		}
		if v := verdicts[e.key]; e.attempt > v.attempts {
			fault("node %s is tried %d times, want %d", e.key, e.attempt, v.attempts)
		}
		if !mayBegin(g, e.key, verdicts, ended) {
			fault("node %s begins before its edges allow it", e.key)
		}
	}
	for _, n := range g.Nodes {
		if v := verdicts[n.Key]; n.Type == "event" && want == workflow.RunSucceeded && attempts[n.Key] != v.attempts {
			fault("node %s was tried %d times, want %d", n.Key, attempts[n.Key], v.attempts)
		}
	}
	return faults
}

// mayBegin reports whether the edges that lead to a node allow it to begin, when
// the events named have ended. Conditions note nothing, so they count as what
// leads to them.
func mayBegin(g workflow.Graph, key string, verdicts map[string]verdict, ended map[string]bool) bool {
	types := map[string]workflow.GraphNode{}
	for _, n := range g.Nodes {
		types[n.Key] = n
	}
	decided := func(from string) bool {
		switch {
		case verdicts[from].status == workflow.NodeSkipped || types[from].Type == "start":
			return true
		case types[from].Type == "event":
			return ended[from]
		}
		return mayBegin(g, from, verdicts, ended)
	}
	edges, all, any := 0, true, false
	for _, e := range g.Edges {
		if e.To != key {
			continue
		}
		edges++
		all = all && decided(e.From)
		any = any || decided(e.From) && verdicts[e.From].port == e.Port
	}
	if edges == 0 { // a body begins with it
		return true
	}
	if types[key].Policy.Join == workflow.JoinAny {
		return any
	}
	return all && any
}
