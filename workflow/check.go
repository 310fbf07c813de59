package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/internal/shape"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a graph.
const (
	MaxNodes      = 5000
	MaxEdges      = 20000
	MaxGraphBytes = 1 << 20
)

var keyPattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,63}$`)

// sees reports whether an expression of a node may use a name.
func (n *planNode) sees(root string) bool {
	switch root {
	case "input", "steps", "run", "tenant":
		return true
	case "item", "index":
		return n.def.Parent != ""
	}
	return false
}

// checker turns a graph into a plan, or into the list of everything that is
// wrong with it.
type checker struct {
	graph  Graph
	types  catalogue
	faults problem.Faults
	plan   *plan
}

// compile checks everything about a graph that can be known from the graph.
func compile(g Graph, types catalogue) (*plan, error) {
	c := &checker{graph: g, types: types, plan: &plan{graph: g, nodes: make(map[string]*planNode, len(g.Nodes))}}
	if c.size(); len(c.faults.List()) == 0 {
		c.nodes()
		c.bodies()
		c.edges()
		c.flows()
		c.shape()
		c.settings()
	}
	return c.plan, c.faults.Err("graph_invalid", "the workflow's graph is not valid")
}

func (c *checker) size() {
	c.faults.Check(len(c.graph.Nodes) <= MaxNodes, "nodes", fmt.Sprintf("must not be more than %d", MaxNodes))
	c.faults.Check(len(c.graph.Edges) <= MaxEdges, "edges", fmt.Sprintf("must not be more than %d", MaxEdges))
	b, err := json.Marshal(c.graph)
	c.faults.Check(err == nil && len(b) <= MaxGraphBytes, "", fmt.Sprintf("must not be larger than %d bytes as JSON", MaxGraphBytes))
}

func (c *checker) nodes() {
	for i := range c.graph.Nodes {
		n := &c.graph.Nodes[i]
		path := "nodes." + n.Key
		if !keyPattern.MatchString(n.Key) {
			path = fmt.Sprintf("nodes[%d]", i)
			c.faults.Add(path+".key", "must be an identifier: a letter, then up to 63 letters, digits or _")
			continue
		}
		if _, twice := c.plan.nodes[n.Key]; twice {
			c.faults.Add(path+".key", "is used by another node too")
			continue
		}
		t, ok := c.types[n.Type]
		if !ok {
			c.faults.Add(path+".type", "is not a known node type")
			t = nodeType{}
		}
		c.policy(path+".policy", n.policy())
		pn := &planNode{def: n, nodeType: t, policy: n.policy()}
		c.plan.nodes[n.Key] = pn
		if ok {
			pn.ports = t.ports(n)
		}
		c.config(path+".config", pn)
		if n.Type == TypeStart {
			c.faults.Check(c.plan.start == "", path+".type", "there is another start node already")
			c.plan.start = n.Key
		}
	}
	c.faults.Check(c.plan.start != "", "nodes", "must have a node of type start")
}

func (c *checker) policy(path string, p Policy) {
	between := func(field string, d Duration, least, most time.Duration) {
		c.faults.Check(time.Duration(d) >= least && time.Duration(d) <= most, path+"."+field,
			fmt.Sprintf("must be between %s and %s", Duration(least), Duration(most)))
	}
	oneOf := func(field, value string, allowed ...string) {
		c.faults.Check(value == "" || slices.Contains(allowed, value), path+"."+field, "must be one of "+strings.Join(allowed, ", "))
	}
	between("timeout", p.Timeout, time.Millisecond, 24*time.Hour)
	between("totalTimeout", p.TotalTimeout, 0, maxRunTimeout)
	oneOf("onError", string(p.OnError), string(OnErrorFail), string(OnErrorBranch), string(OnErrorContinue))
	oneOf("join", string(p.Join), string(JoinAll), string(JoinAny), string(JoinAllSucceeded))
	if r := p.Retry; r != nil {
		c.faults.Check(r.Max >= 0 && r.Max <= 100, path+".retry.max", "must be between 0 and 100")
		between("retry.delay", r.Delay, 0, 24*time.Hour)
		between("retry.maxDelay", r.MaxDelay, 0, 24*time.Hour)
		for _, k := range slices.Concat(r.On, r.Except) {
			c.faults.Check(slices.Contains(problem.Kinds(), k), path+".retry", "names a kind of failure that is not known")
		}
		oneOf("retry.backoff", string(r.Backoff), string(BackoffFixed), string(BackoffLinear), string(BackoffExponential))
	}
}

// config checks a node's configuration against its schema, as far as values are
// known before the run, and compiles its expressions.
func (c *checker) config(path string, n *planNode) {
	config := n.def.Config
	if config == nil {
		config = map[string]any{}
	}
	stored := asStored(config)
	if n.nodeType.node != nil {
		c.schema(path, n.nodeType, stored)
	}
	if checker, ok := n.nodeType.node.(Checker); ok {
		c.faults.Merge(path, checker.Check(stored))
	}
	n.expressions = make(map[string]*expr.Expression)
	c.expressions(path, "", n, config)
	value, err := expr.ParseValue(config, n.nodeType.spec.Literals...)
	c.faults.Merge(path, err)
	n.config = value
}

// asStored is a configuration as it will be read back. One that comes over HTTP has
// its numbers as they were written, and those are no numbers to a schema.
func asStored(config map[string]any) map[string]any {
	text, err := json.Marshal(config)
	if err != nil {
		return config // the size of the graph is at fault, and says so
	}
	var stored map[string]any
	if err := json.Unmarshal(text, &stored); err != nil {
		return config
	}
	return stored
}

// expressions compiles the bare expressions of a configuration. name is the path
// without the indexes of arrays, as a NodeSpec writes it.
func (c *checker) expressions(path, name string, n *planNode, v any) {
	switch v := v.(type) {
	case string:
		if !slices.Contains(n.nodeType.spec.Expressions, name) {
			return
		}
		if HasTemplate(v) {
			c.faults.Add(path, "is an expression already: write it without {{ }}")
			return
		}
		e, err := expr.ParseExpression(v)
		if err != nil {
			c.faults.Merge(path, err)
			return
		}
		n.expressions[v] = e
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			c.expressions(problem.Below(path, "."+k), strings.TrimPrefix(problem.Below(name, "."+k), "."), n, v[k])
		}
	case []any:
		for i, child := range v {
			c.expressions(problem.Below(path, fmt.Sprintf("[%d]", i)), name, n, child)
		}
	}
}

// schema checks the names and the constant values. What a template gives is
// checked when it is expanded.
func (c *checker) schema(path string, t nodeType, config map[string]any) {
	schema := t.spec.Config
	for _, name := range slices.Sorted(maps.Keys(config)) {
		v := config[name]
		property, known := schema.Properties[name]
		if !known {
			c.faults.Check(len(schema.Properties) == 0, path+"."+name, "is not a field of this node type")
			continue
		}
		if HasTemplate(v) && !slices.Contains(t.spec.Literals, name) {
			continue
		}
		shape.Check(&c.faults, path+"."+name, property, v)
	}
	for _, name := range schema.Required {
		_, ok := config[name]
		c.faults.Check(ok, path+"."+name, "is required")
	}
}

// HasTemplate reports whether a value of a configuration holds a template, so that
// only a run knows the whole of it.
func HasTemplate(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "{{")
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), HasTemplate)
	case []any:
		return slices.ContainsFunc(v, HasTemplate)
	}
	return false
}

func (c *checker) edges() {
	type endpoint struct{ from, port, to string }
	seen := make(map[endpoint]bool)
	for i := range c.graph.Edges {
		e := c.graph.Edges[i]
		e.Port = e.port()
		path := fmt.Sprintf("edges[%d]", i)
		from, okFrom := c.plan.nodes[e.From]
		to, okTo := c.plan.nodes[e.To]
		c.faults.Check(okFrom, path+".from", "is not the key of a node")
		c.faults.Check(okTo, path+".to", "is not the key of a node")
		if !okFrom || !okTo {
			continue
		}
		if from.nodeType.node != nil {
			c.faults.Check(slices.Contains(from.ports, e.Port), path+".port", "is not an output port of node "+e.From)
		}
		c.faults.Check(e.To != c.plan.start, path+".to", "must not lead to the start node")
		if from.def.Parent != to.def.Parent {
			c.faults.Add(path, "must not lead into the body of a loop, or out of it")
			continue
		}
		k := endpoint{e.From, e.Port, e.To}
		c.faults.Check(!seen[k], path, "is there twice")
		seen[k] = true
		from.out = append(from.out, e)
		to.in++
	}
}

// shape checks what the graph is as a whole: no cycle, nothing out of reach,
// every reference to a node that has run by then.
func (c *checker) shape() {
	var keys []string
	var edges []Edge
	in := make(map[string][]string)
	for i := range c.graph.Nodes {
		n := &c.graph.Nodes[i]
		pn := c.plan.nodes[n.Key]
		if pn == nil || pn.def != n {
			continue
		}
		keys = append(keys, n.Key)
		edges = append(edges, pn.out...)
		for _, e := range pn.out {
			in[e.To] = append(in[e.To], e.From)
		}
	}
	entries, into := c.entries()
	keys, edges = append(keys, entries...), append(edges, into...)
	for _, e := range into {
		in[e.To] = append(in[e.To], e.From)
	}
	order, cyclic := topological(keys, edges)
	cyclic = slices.DeleteFunc(cyclic, func(k string) bool { return c.plan.nodes[k] == nil })
	for _, k := range cyclic {
		c.faults.Add("nodes."+k, "lies on a cycle or behind one")
	}
	place := make(map[string]int, len(order))
	for i, k := range order {
		place[k] = i
	}
	before := ancestors(order, in)
	for _, k := range order {
		if c.plan.nodes[k] == nil { // the beginning of a body
			continue
		}
		runsBefore := func(other string) bool {
			i, ok := place[other]
			return ok && before[k].Bit(i) == 1
		}
		if k != c.plan.start && c.plan.start != "" {
			c.faults.Check(runsBefore(c.plan.start), "nodes."+k, "cannot be reached from the start node")
		}
		c.references(c.plan.nodes[k], runsBefore)
	}
	for _, k := range cyclic { // nobody can say what runs before what there
		c.references(c.plan.nodes[k], func(string) bool { return true })
	}
}

func (c *checker) references(n *planNode, runsBefore func(key string) bool) {
	var refs []expr.Ref
	refs = append(refs, n.config.Refs()...)
	for _, e := range n.expressions {
		refs = append(refs, e.Refs()...)
	}
	path := "nodes." + n.def.Key + ".config"
	for _, r := range refs {
		switch {
		case !n.sees(r.Root):
			c.faults.Addf(path, "uses %s, which does not exist here", r.Root)
		case r.Root == "item":
			n.readsItem = true
		case r.Root != "steps" || slices.Contains(n.needs, r.Step):
		case r.Step == "":
			c.faults.Add(path, "uses steps as a whole: name the node whose output is meant, as in steps.total")
		case c.plan.nodes[r.Step] == nil:
			c.faults.Addf(path, "uses steps.%s, and there is no such node", r.Step)
		case !runsBefore(r.Step):
			c.faults.Addf(path, "uses steps.%s, which does not run before this node", r.Step)
		default:
			n.needs = append(n.needs, r.Step)
		}
	}
}

// grants lists the rights that the nodes of a plan need, without repetition.
func (p *plan) grants() []auth.Grant {
	var all []auth.Grant
	for _, n := range p.graph.Nodes {
		g, ok := p.nodes[n.Key].nodeType.node.(Granter)
		if !ok {
			continue
		}
		for _, grant := range g.Grants(n.Config) {
			if !slices.Contains(all, grant) {
				all = append(all, grant)
			}
		}
	}
	return all
}

// check compiles a graph and asks about the objects it uses: all that can be said
// about it, with its faults in one answer.
func (s *Service) check(ctx context.Context, g Graph) (*plan, error) {
	p, err := compile(g, s.types)
	var faults problem.Faults
	faults.Merge("", err)
	if err := s.references(ctx, p, &faults); err != nil {
		return nil, err
	}
	return p, faults.Err("graph_invalid", "the workflow's graph is not valid")
}

// references asks for each object a graph uses whether it is there, whether the
// caller may use it, and whether it is used right. The graph may have faults.
func (s *Service) references(ctx context.Context, p *plan, faults *problem.Faults) error {
	if err := s.handlerReference(ctx, p, faults); err != nil {
		return err
	}
	for i := range p.graph.Nodes {
		def := &p.graph.Nodes[i]
		n := p.nodes[def.Key]
		if n == nil || n.def != def {
			continue
		}
		err := s.granted(ctx, n, len(faults.List()) > 0)
		if err == nil {
			err = s.people(ctx, n)
		}
		if checker, ok := n.nodeType.node.(ReferenceChecker); ok && err == nil {
			err = checker.CheckReferences(ctx, def.Config)
		}
		if k := problem.KindOf(err); k != "" && k != problem.Invalid && k != problem.NotFound && k != problem.Forbidden {
			return err
		}
		faults.Merge("nodes."+def.Key+".config", err)
	}
	return nil
}

// granted asks about the grants of one node. In a graph that is refused anyway, a
// grant without an object is of a node whose configuration lacks it, and has been
// told.
func (s *Service) granted(ctx context.Context, n *planNode, refused bool) error {
	g, ok := n.nodeType.node.(Granter)
	if !ok {
		return nil
	}
	var faults problem.Faults
	for _, grant := range g.Grants(n.def.Config) {
		if refused && grant.ObjectID == "" {
			continue
		}
		err := s.checkReference(ctx, grant)
		if err == nil {
			_, err = s.cfg.Authorize(ctx, grant.Permission, grant.ObjectID)
		}
		if k := problem.KindOf(err); k != "" && k != problem.NotFound && k != problem.Forbidden {
			return err
		}
		faults.Merge("", err)
	}
	return faults.Err("graph_invalid", "the workflow's graph is not valid")
}
