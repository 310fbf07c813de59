package workflow

import (
	"fmt"
	"maps"
	"slices"
)

// maxNesting is how many loops may be around a node.
const maxNesting = 8

// bodies checks which nodes belong to the bodies of which loops.
func (c *checker) bodies() {
	filled := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(c.plan.nodes)) {
		n := c.plan.nodes[key]
		parent, path := n.def.Parent, "nodes."+key
		if parent == "" {
			continue
		}
		filled[parent] = true
		loop := c.plan.nodes[parent]
		switch {
		case loop == nil:
			c.faults.Add(path+".parent", "is not the key of a node")
		case loop.nodeType.node != nil && !loop.nodeType.spec.Container:
			c.faults.Add(path+".parent", "is not the key of a loop")
		case len(c.plan.around(key)) > maxNesting:
			c.faults.Add(path+".parent", fmt.Sprintf("must not lead to itself, nor to more than %d loops around one another", maxNesting))
		}
		c.faults.Check(!n.nodeType.spec.Once, path+".type", "belongs to the run as a whole, and not into the body of a loop")
	}
	for _, key := range slices.Sorted(maps.Keys(c.plan.nodes)) {
		if c.plan.nodes[key].nodeType.spec.Container {
			c.faults.Check(filled[key], "nodes."+key, "has no body: give the nodes that it repeats the parent "+key)
		}
	}
}

// flows sorts the nodes by the runs that execute them.
func (c *checker) flows() {
	c.plan.flows = map[string]*flow{"": {}}
	for i := range c.graph.Nodes {
		def := &c.graph.Nodes[i]
		n := c.plan.nodes[def.Key]
		if n == nil || n.def != def {
			continue
		}
		s := c.plan.flows[def.Parent]
		if s == nil {
			s = &flow{}
			c.plan.flows[def.Parent] = s
		}
		s.nodes = append(s.nodes, def)
		if n.in == 0 {
			s.roots = append(s.roots, def.Key)
		}
		if n.in > 1 {
			s.joins = append(s.joins, def.Key)
		}
		if def.Type == TypeEnd {
			s.ends = append(s.ends, def.Key)
		}
	}
	for loop, s := range c.plan.flows {
		if loop != "" && len(s.ends) == 0 {
			s.ends = c.leaves(s)
		}
	}
}

// leaves are the nodes of a flow that lead nowhere.
func (c *checker) leaves(s *flow) (keys []string) {
	for _, def := range s.nodes {
		if len(c.plan.nodes[def.Key].out) == 0 {
			keys = append(keys, def.Key)
		}
	}
	return keys
}

// entry names the beginning of a body, which no node can be called.
func entry(loop string) string { return "> " + loop }

// entries are edges that no run follows: from what leads to a loop to the beginning
// of its body, and from there to the nodes that it begins with. With them it can be
// told what has run before a node of the body. A loop with which another body begins
// itself comes after the beginning of that.
func (c *checker) entries() (keys []string, edges []Edge) {
	for loop, f := range c.plan.flows {
		n := c.plan.nodes[loop]
		if n == nil {
			continue
		}
		keys = append(keys, entry(loop))
		for _, root := range f.roots {
			edges = append(edges, Edge{From: entry(loop), To: root})
		}
		if n.in == 0 && n.def.Parent != "" {
			edges = append(edges, Edge{From: entry(n.def.Parent), To: entry(loop)})
		}
	}
	for _, def := range c.plan.flows {
		for _, n := range def.nodes {
			for _, e := range c.plan.nodes[n.Key].out {
				if c.plan.flows[e.To] != nil {
					edges = append(edges, Edge{From: e.From, To: entry(e.To)})
				}
			}
		}
	}
	return keys, edges
}
