package expr

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/types"
)

// grammar is what one use of the language allows.
type grammar struct {
	roots types.Map         // the names an expression may use, with their types
	keyed map[string]string // paths whose members are read by literal names, with what those name
	plain bool              // no loops, variables or clock: the text bounds the work
}

// workflows is the grammar of templates and bare expressions.
func workflows() grammar {
	g := grammar{roots: types.Map{}, keyed: map[string]string{"steps": "key of a step: steps.key"}}
	for _, name := range roots() {
		g.roots[name] = types.Any
	}
	return g
}

// config tells the library which names and functions there are.
func (g grammar) config() *conf.Config {
	c := conf.CreateNew()
	c.MaxNodes = MaxNodes
	env := types.Map{"null": types.Any} // the library calls it nil
	for name, t := range g.roots {
		env[name] = t
	}
	c.WithEnv(env)
	for name := range c.Builtins {
		if !isLoop(name) {
			delete(c.Builtins, name)
			c.Disabled[name] = true
		}
	}
	for name, f := range functions {
		c.Functions[name] = &builtin.Function{Name: name, Validate: f.validate}
	}
	return c
}

// read is the literal member of a keyed path that a node reads.
func (g grammar) read(n *ast.MemberNode) (Ref, bool) {
	key, ok := n.Property.(*ast.StringNode)
	if !ok {
		return Ref{}, false
	}
	base := literalPath(n.Node, longestKeyed)
	if _, ok = g.keyed[base]; !ok {
		return Ref{}, false
	}
	_, further := g.keyed[base+"."+key.Value] // it is a member of that which is read
	return Ref{Root: base, Step: key.Value}, !further
}

// incomplete is the keyed path that a node stands for, "" when it is none.
func (g grammar) incomplete(n ast.Node) string {
	path := literalPath(n, longestKeyed)
	if _, ok := g.keyed[path]; ok {
		return path
	}
	return ""
}

// longestKeyed is how many names a keyed path has at most. Longer paths are not
// looked at: each node of a long one would be a walk of its own.
const longestKeyed = 2

// literalPath is a name with the literal names of members behind it, of at most so
// many; "" for everything else.
func literalPath(node ast.Node, names int) string {
	if names == 0 {
		return ""
	}
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.ChainNode:
		return literalPath(n.Node, names)
	case *ast.MemberNode:
		key, ok := n.Property.(*ast.StringNode)
		if base := literalPath(n.Node, names-1); ok && base != "" {
			return base + "." + key.Value
		}
	}
	return ""
}

// left says which form the grammar leaves out, "" when it has it.
func (g grammar) left(node ast.Node) string {
	if !g.plain {
		return ""
	}
	switch n := node.(type) {
	case *ast.BuiltinNode:
		return n.Name
	case *ast.VariableDeclaratorNode:
		return "let"
	case *ast.SequenceNode:
		return "a sequence"
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "now" {
			return "now"
		}
	}
	return ""
}
