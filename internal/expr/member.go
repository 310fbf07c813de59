package expr

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// link is the value of a part of a chain such as a?.b.c. A chain is cut where
// "?." meets null: what follows is not looked at and the whole is null.
type link struct {
	value any
	cut   bool
}

// chain evaluates a path. A lenient one, the left side of "??", treats every
// step as optional.
func (r *run) chain(node ast.Node, lenient bool) (link, error) {
	switch n := node.(type) {
	case *ast.ChainNode:
		return r.chain(n.Node, lenient)
	case *ast.MemberNode:
		base, err := r.chain(n.Node, lenient)
		if err != nil || base.cut {
			return base, err
		}
		return r.member(n, base.value, lenient || n.Optional)
	case *ast.IdentifierNode:
		if _, absent := r.env[n.Value]; !absent && lenient && !r.declared(n.Value) {
			return link{cut: true}, nil
		}
	}
	v, err := r.eval(node)
	return link{value: v}, err
}

func (r *run) declared(name string) bool {
	for _, v := range r.variables {
		if v.name == name {
			return true
		}
	}
	return false
}

func (r *run) member(n *ast.MemberNode, base any, optional bool) (link, error) {
	if err := r.spend(1); err != nil {
		return link{}, err
	}
	if base == nil {
		if optional {
			return link{cut: true}, nil
		}
		return link{}, failAt(n, "%s is null, %s cannot be read", path(n.Node), path(n))
	}
	property, err := r.eval(n.Property)
	if err != nil {
		return link{}, err
	}
	v, ok, err := r.lookup(base, property)
	switch {
	case err == errWork:
		return link{}, err
	case err != nil:
		return link{}, failAt(n, "%s: %s", path(n), err.Error())
	case !ok && optional:
		return link{}, nil
	case !ok:
		return link{}, failAt(n, "%s is missing", path(n))
	case v == nil && !optional && r.program.strict:
		return link{}, failAt(n, "%s is null", path(n))
	}
	v, err = normal(n, v)
	return link{value: v}, err
}

// lookup finds a member of an object by name, or of an array by index, counted
// from the end when negative.
func (r *run) lookup(base, property any) (v any, ok bool, err error) {
	switch b := base.(type) {
	case map[string]any:
		name, isName := property.(string)
		if !isName {
			return nil, false, failf("the members of an object have names, got %s", typeName(property))
		}
		v, ok = b[name]
		return v, ok, r.spendText(len(name))
	case []any:
		i, err := integer(property)
		if err != nil {
			return nil, false, failf("an array needs a whole number as index, got %s", typeName(property))
		}
		if i < 0 {
			i += len(b)
		}
		if i < 0 || i >= len(b) {
			return nil, false, nil
		}
		return b[i], true, nil
	}
	return nil, false, failf("%s has no members", typeName(base))
}

func (r *run) slice(n *ast.SliceNode) (any, error) {
	base, err := r.eval(n.Node)
	if err != nil {
		return nil, err
	}
	var size int
	var text []rune
	switch b := base.(type) {
	case []any:
		size = len(b)
	case string:
		if err := r.spendText(5 * len(b)); err != nil {
			return nil, err
		}
		text = []rune(b)
		size = len(text)
	default:
		return nil, failAt(n, "only arrays and strings can be sliced, got %s", typeName(base))
	}
	from, err := r.bound(n.From, 0, size)
	if err != nil {
		return nil, err
	}
	to, err := r.bound(n.To, size, size)
	if err != nil {
		return nil, err
	}
	from = min(from, to)
	if list, ok := base.([]any); ok {
		return list[from:to:to], nil
	}
	return string(text[from:to]), nil
}

// bound evaluates a border of a slice. Like in the library, borders outside the
// value are moved to its ends.
func (r *run) bound(n ast.Node, absent, size int) (int, error) {
	if n == nil {
		return absent, nil
	}
	v, err := r.eval(n)
	if err != nil {
		return 0, err
	}
	i, err := integer(v)
	if err != nil {
		return 0, placed(n, err)
	}
	if i < 0 {
		i += size
	}
	return min(max(i, 0), size), nil
}

// path writes an expression as its author would call it in a message. Computed
// keys are values and therefore left out.
func path(node ast.Node) string {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.PointerNode:
		return "#" + n.Name
	case *ast.ChainNode:
		return path(n.Node)
	case *ast.MemberNode:
		switch p := n.Property.(type) {
		case *ast.StringNode:
			return path(n.Node) + "." + p.Value
		case *ast.IntegerNode:
			return fmt.Sprintf("%s[%d]", path(n.Node), p.Value)
		}
		return path(n.Node) + "[…]"
	case *ast.CallNode:
		return path(n.Callee) + "(…)"
	case *ast.BuiltinNode:
		return n.Name + "(…)"
	}
	return "(…)"
}
