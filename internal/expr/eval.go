package expr

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// run is one evaluation. A Value runs all its expressions in one, so that they
// share the limit of work.
type run struct {
	env       Env
	left      int // work that may still be done
	program   *program
	variables []variable
	loops     []loop
}

type variable struct {
	name  string
	value any
}

// loop is what # stands for inside the body of map, filter and their like.
type loop struct {
	item  any
	index int
	acc   any
}

func newRun(env Env) *run { return &run{env: env, left: MaxWork} }

// spend takes work from what is left. It comes before the work is done.
func (r *run) spend(work int) error {
	if work < 0 || work > r.left {
		r.left = 0
		return errWork
	}
	r.left -= work
	return nil
}

// spendText pays for handling n bytes of text.
func (r *run) spendText(n int) error { return r.spend(n/16 + 1) }

func (r *run) eval(node ast.Node) (any, error) {
	if err := r.spend(1); err != nil {
		return nil, err
	}
	switch n := node.(type) {
	case *ast.NilNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.IntegerNode:
		return n.Value, nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IdentifierNode:
		return r.name(n)
	case *ast.PointerNode:
		return r.pointer(n), nil
	case *ast.MemberNode, *ast.ChainNode:
		v, err := r.chain(node, false)
		return v.value, err
	case *ast.SliceNode:
		return r.slice(n)
	case *ast.UnaryNode:
		return r.unary(n)
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.ConditionalNode:
		return r.conditional(n)
	case *ast.CallNode:
		return r.call(n)
	case *ast.BuiltinNode:
		return r.loop(n)
	case *ast.PredicateNode:
		return r.eval(n.Node)
	case *ast.VariableDeclaratorNode:
		return r.let(n)
	case *ast.SequenceNode:
		return r.sequence(n)
	case *ast.ArrayNode:
		return r.evalAll(n.Nodes)
	case *ast.MapNode:
		return r.object(n)
	}
	return nil, failAt(node, "this form of expression is not supported")
}

func (r *run) name(n *ast.IdentifierNode) (any, error) {
	for i := len(r.variables) - 1; i >= 0; i-- {
		if r.variables[i].name == n.Value {
			return r.variables[i].value, nil
		}
	}
	if n.Value == "null" {
		return nil, nil
	}
	v, ok := r.env[n.Value]
	if !ok {
		return nil, failAt(n, "%s is not available here", n.Value)
	}
	return normal(n, v)
}

func (r *run) pointer(n *ast.PointerNode) any {
	l := r.loops[len(r.loops)-1] // the checker refuses # outside a body
	switch n.Name {
	case "index":
		return l.index
	case "acc":
		return l.acc
	}
	return l.item
}

func (r *run) let(n *ast.VariableDeclaratorNode) (any, error) {
	v, err := r.eval(n.Value)
	if err != nil {
		return nil, err
	}
	r.variables = append(r.variables, variable{n.Name, v})
	defer func() { r.variables = r.variables[:len(r.variables)-1] }()
	return r.eval(n.Expr)
}

func (r *run) sequence(n *ast.SequenceNode) (v any, err error) {
	for _, part := range n.Nodes {
		if v, err = r.eval(part); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (r *run) conditional(n *ast.ConditionalNode) (any, error) {
	yes, err := r.condition(n.Cond)
	if err != nil {
		return nil, err
	}
	if yes {
		return r.eval(n.Exp1)
	}
	return r.eval(n.Exp2)
}

// condition evaluates a node that has to be true or false.
func (r *run) condition(n ast.Node) (bool, error) {
	v, err := r.eval(n)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, failAt(n, "expected true or false, got %s", typeName(v))
	}
	return yes, nil
}

func (r *run) evalAll(nodes []ast.Node) ([]any, error) {
	list := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := r.eval(n)
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return list, nil
}

// mapWork is what an entry of an object costs beside its value: a Go map of a
// few entries takes some hundred bytes.
const mapWork = 12

func (r *run) object(n *ast.MapNode) (any, error) {
	if err := r.spend(mapWork * (1 + len(n.Pairs))); err != nil {
		return nil, err
	}
	m := make(map[string]any, len(n.Pairs))
	for _, p := range n.Pairs {
		pair, ok := p.(*ast.PairNode)
		if !ok {
			return nil, failAt(p, "this form of expression is not supported")
		}
		key, err := r.eval(pair.Key)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, failAt(pair.Key, "the key of an object has to be a string, got %s", typeName(key))
		}
		if err := r.spendText(len(name)); err != nil {
			return nil, err
		}
		if m[name], err = r.eval(pair.Value); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (r *run) call(n *ast.CallNode) (any, error) {
	name := n.Callee.(*ast.IdentifierNode).Value // the survey let nothing else pass
	args, err := r.evalAll(n.Arguments)
	if err != nil {
		return nil, err
	}
	v, err := functions[name].call(r, args)
	if err != nil {
		return nil, placed(n, prefixed(name, err))
	}
	return v, nil
}

// prefixed says which function complains.
func prefixed(name string, err error) error {
	if err == errWork {
		return err
	}
	return failf("%s: %s", name, strings.TrimPrefix(err.Error(), name+": "))
}
