package workflow

import (
	"maps"
	"math/big"
	"slices"
	"sync"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/expr"
)

// plan is a graph that passed every check, ready to run. It is immutable.
type plan struct {
	graph Graph
	nodes map[string]*planNode
	start string

	flows map[string]*flow // by the key of the loop; "" = the graph but for the bodies of its loops

	slotKey *expr.Expression // what runs that compete for room have in common; nil = the workflow

	granted []auth.Grant   // of a published version: the whole of its runs' rights
	pins    map[string]Pin // of a test run
}

// flow is what one run executes of a graph: all of it but the bodies of its loops,
// or one of these.
type flow struct {
	nodes []*GraphNode
	roots []string // keys of the nodes that nothing leads to
	joins []string // of those that several edges lead to
	ends  []string // of those whose outputs make the output of the run
}

type planNode struct {
	def         *GraphNode
	nodeType    nodeType
	policy      Policy
	in          int    // incoming edges
	out         []Edge // outgoing edges, ports filled in
	ports       []string
	config      *expr.Value
	expressions map[string]*expr.Expression // by their text
	needs       []string                    // keys of the nodes whose outputs it reads
	readsItem   bool
}

// onlyPure is the one node that becomes ready when another takes a port, if it is
// pure and nothing but that edge leads to it. "" = there is none, or there are
// several.
func (p *plan) onlyPure(key, port string) string {
	only := ""
	for _, c := range p.advance(nil, key, port) {
		if c.state.Status != NodeReady {
			continue
		}
		if only != "" {
			return ""
		}
		only = c.key
	}
	if only == "" || p.nodes[only].in != 1 || !p.nodes[only].nodeType.spec.Pure {
		return ""
	}
	return only
}

// around lists the loops around a node, outermost first.
func (p *plan) around(key string) (loops []string) {
	for n := p.nodes[key]; n != nil && n.def.Parent != "" && len(loops) <= maxNesting; n = p.nodes[n.def.Parent] {
		loops = append(loops, n.def.Parent)
	}
	slices.Reverse(loops)
	return loops
}

// body is the part of a graph that the run of an item executes, with the bodies of
// the loops in it.
func (p *plan) body(loop string) Graph {
	g := Graph{}
	within := func(key string) bool { return slices.Contains(p.around(key), loop) }
	for _, n := range p.graph.Nodes {
		if within(n.Key) {
			g.Nodes = append(g.Nodes, n)
		}
	}
	for _, e := range p.graph.Edges {
		if within(e.From) {
			g.Edges = append(g.Edges, e)
		}
	}
	return g
}

// TypeEnd is the type of the nodes whose outputs become the run's output. In a body
// without any, those of the nodes that lead nowhere do.
const TypeEnd = "end"

// planCache keeps the plans of published versions. They never change, so a plan
// is only ever dropped for room.
type planCache struct {
	mu    sync.Mutex
	plans map[versionKey]*plan
}

type versionKey struct {
	workflowID string
	number     int
}

const maxCachedPlans = 1024

func (c *planCache) load(k versionKey) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plans[k]
}

func (c *planCache) store(k versionKey, p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans == nil {
		c.plans = make(map[versionKey]*plan)
	}
	if len(c.plans) >= maxCachedPlans {
		for old := range maps.Keys(c.plans) {
			delete(c.plans, old)
			break
		}
	}
	c.plans[k] = p
}

// ancestors is, for each node, the set of nodes from which it can be reached: bit
// i stands for order[i]. The nodes come in topological order.
func ancestors(order []string, in map[string][]string) map[string]*big.Int {
	bit := make(map[string]int, len(order))
	all := make(map[string]*big.Int, len(order))
	for i, key := range order {
		bit[key] = i
		set := new(big.Int)
		for _, from := range in[key] {
			if before, ok := all[from]; ok {
				set.Or(set, before).SetBit(set, bit[from], 1)
			}
		}
		all[key] = set
	}
	return all
}

// topological sorts keys so that every edge leads forward; what is left over
// lies on a cycle or behind one.
func topological(keys []string, edges []Edge) (order, left []string) {
	degree := make(map[string]int, len(keys))
	out := make(map[string][]string)
	for _, e := range edges {
		degree[e.To]++
		out[e.From] = append(out[e.From], e.To)
	}
	for _, k := range keys {
		if degree[k] == 0 {
			order = append(order, k)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, to := range out[order[i]] {
			if degree[to]--; degree[to] == 0 {
				order = append(order, to)
			}
		}
	}
	for _, k := range keys {
		if degree[k] > 0 {
			left = append(left, k)
		}
	}
	return order, left
}
