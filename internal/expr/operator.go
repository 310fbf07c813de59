package expr

import (
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

func (r *run) unary(n *ast.UnaryNode) (any, error) {
	if n.Operator == "!" || n.Operator == "not" {
		yes, err := r.condition(n.Node)
		return !yes, err
	}
	v, err := r.eval(n.Node)
	if err != nil {
		return nil, err
	}
	if d, ok := v.(time.Duration); ok && n.Operator == "-" {
		return -d, nil
	}
	x, err := numberOf(v)
	if err != nil {
		return nil, placed(n, err)
	}
	if n.Operator == "+" {
		return x.value(), nil
	}
	if x.isFloat {
		return -x.f, nil
	}
	v, err = subInt(0, x.i)
	return v, placed(n, err)
}

func (r *run) binary(n *ast.BinaryNode) (any, error) {
	switch n.Operator {
	case "&&", "and", "||", "or":
		return r.logic(n)
	case "??":
		v, err := r.tolerant(n.Left)
		if v != nil || err != nil {
			return v, err
		}
		return r.eval(n.Right)
	}
	a, err := r.eval(n.Left)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(n.Right)
	if err != nil {
		return nil, err
	}
	if r.program.strict {
		if err := r.alike(n, a, b); err != nil {
			return nil, placed(n, err)
		}
	}
	var v any
	if n.Operator == "matches" {
		v, err = r.matches(r.program.patterns[n], a)
	} else {
		v, err = r.operate(n.Operator, a, b)
	}
	return v, placed(n, err)
}

func (r *run) logic(n *ast.BinaryNode) (any, error) {
	left, err := r.condition(n.Left)
	if err != nil {
		return nil, err
	}
	if decided := n.Operator == "||" || n.Operator == "or"; left == decided {
		return left, nil
	}
	return r.condition(n.Right)
}

// tolerant evaluates the left side of "??", where a path may be missing.
func (r *run) tolerant(node ast.Node) (any, error) {
	switch n := node.(type) {
	case *ast.MemberNode, *ast.ChainNode, *ast.IdentifierNode:
		l, err := r.chain(n, true)
		return l.value, err
	case *ast.BinaryNode:
		if n.Operator == "??" {
			v, err := r.tolerant(n.Left)
			if v != nil || err != nil {
				return v, err
			}
			return r.tolerant(n.Right)
		}
	}
	return r.eval(node)
}

func (r *run) operate(operator string, a, b any) (any, error) {
	switch operator {
	case "==":
		return r.equal(a, b, 0)
	case "!=":
		same, err := r.equal(a, b, 0)
		return !same, err
	case "<", ">", "<=", ">=":
		return r.ordered(operator, a, b)
	case "in":
		return r.in(a, b)
	case "..":
		return r.span(a, b)
	case "contains", "startsWith", "endsWith":
		return r.textTest(operator, a, b)
	}
	return r.calculate(operator, a, b)
}

func (r *run) matches(p pattern, subject any) (any, error) {
	text, ok := subject.(string)
	if !ok {
		return nil, failf("matches needs a string, got %s", typeName(subject))
	}
	// RE2 is linear in both; a step is cheaper than a node.
	if len(text) > MaxWork {
		return nil, errWork
	}
	if err := r.spend(len(text) * p.size / 4); err != nil {
		return nil, err
	}
	return p.re.MatchString(text), nil
}

func (r *run) textTest(operator string, a, b any) (any, error) {
	x, ok := a.(string)
	y, also := b.(string)
	if !ok || !also {
		return nil, failf("%s needs two strings, got %s and %s", operator, typeName(a), typeName(b))
	}
	if err := r.spendText(len(x) + len(y)); err != nil {
		return nil, err
	}
	switch operator {
	case "startsWith":
		return strings.HasPrefix(x, y), nil
	case "endsWith":
		return strings.HasSuffix(x, y), nil
	}
	return strings.Contains(x, y), nil
}

func (r *run) in(a, b any) (any, error) {
	switch list := b.(type) {
	case []any:
		return r.among(a, list)
	case map[string]any:
		key, ok := a.(string)
		if !ok {
			return nil, failf("the members of an object have names, got %s", typeName(a))
		}
		_, ok = list[key]
		return ok, r.spendText(len(key))
	}
	return nil, failf("in needs an array or an object, got %s", typeName(b))
}

func (r *run) among(v any, list []any) (bool, error) {
	for _, item := range list {
		if same, err := r.equal(v, item, 0); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// span is the array from a to b, both included.
func (r *run) span(a, b any) (any, error) {
	from, err := integer(a)
	if err != nil {
		return nil, err
	}
	to, err := integer(b)
	if err != nil {
		return nil, err
	}
	if to < from {
		return []any{}, nil
	}
	// Unsigned, since the distance may not fit an int.
	size := uint(to) - uint(from)
	if size >= MaxWork {
		return nil, errWork
	}
	if err := r.spend(int(size) + 1); err != nil {
		return nil, err
	}
	list := make([]any, size+1)
	for i := range list {
		list[i] = from + i
	}
	return list, nil
}
