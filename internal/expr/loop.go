package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// isLoop reports whether a builtin of the library's grammar is one of ours. They
// take a body, which only the parser can recognise.
func isLoop(name string) bool {
	switch name {
	case "all", "any", "none", "one", "filter", "map", "find", "findIndex", "findLast",
		"findLastIndex", "count", "sum", "groupBy", "sortBy", "reduce":
		return true
	}
	return false
}

func (r *run) loop(n *ast.BuiltinNode) (any, error) {
	v, err := r.eval(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, failAt(n, "%s needs an array, got %s", n.Name, typeName(v))
	}
	var body ast.Node
	if len(n.Arguments) > 1 {
		body = n.Arguments[1]
	}
	switch n.Name {
	case "map":
		return r.collect(list, body)
	case "filter":
		return r.filter(list, body)
	case "find", "findLast", "findIndex", "findLastIndex":
		return r.find(n.Name, list, body)
	case "sum":
		return r.sum(n, list, body)
	case "groupBy":
		return r.groupBy(n, list, body)
	case "sortBy":
		return r.sortBy(n, list, body)
	case "reduce":
		return r.reduce(n, list, body)
	}
	return r.tally(n.Name, list, body)
}

// each calls do with what the body gives for every item, until do says stop.
// Without a body that is the item itself.
func (r *run) each(list []any, body ast.Node, do func(i int, v any) (more bool, err error)) error {
	r.loops = append(r.loops, loop{})
	top := len(r.loops) - 1
	defer func() { r.loops = r.loops[:top] }()
	for i, item := range list {
		if err := r.spend(1); err != nil {
			return err
		}
		var err error
		if item, err = normal(body, item); err != nil {
			return err
		}
		v := item
		if body != nil {
			r.loops[top].item, r.loops[top].index = item, i
			if v, err = r.eval(body); err != nil {
				return err
			}
		}
		if more, err := do(i, v); !more || err != nil {
			return err
		}
	}
	return nil
}

// eachTrue is each for bodies that have to be true or false.
func (r *run) eachTrue(list []any, body ast.Node, do func(i int, yes bool) (more bool)) error {
	return r.each(list, body, func(i int, v any) (bool, error) {
		yes, ok := v.(bool)
		if !ok {
			return false, placedIf(body, failf("expected true or false, got %s", typeName(v)))
		}
		return do(i, yes), nil
	})
}

func placedIf(n ast.Node, err error) error {
	if n == nil {
		return err
	}
	return placed(n, err)
}

func (r *run) collect(list []any, body ast.Node) (any, error) {
	out := make([]any, 0, len(list))
	err := r.each(list, body, func(_ int, v any) (bool, error) {
		out = append(out, v)
		return true, nil
	})
	return out, err
}

func (r *run) filter(list []any, body ast.Node) (any, error) {
	out := []any{}
	err := r.eachTrue(list, body, func(i int, yes bool) bool {
		if yes {
			out = append(out, list[i])
		}
		return true
	})
	return out, err
}

// tally is for the loops that only count: all, any, none, one, count.
func (r *run) tally(name string, list []any, body ast.Node) (any, error) {
	count := 0
	err := r.eachTrue(list, body, func(_ int, yes bool) bool {
		if yes {
			count++
		}
		switch name {
		case "all":
			return yes
		case "any", "none":
			return !yes
		case "one":
			return count < 2
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	switch name {
	case "all":
		return count == len(list), nil
	case "any":
		return count > 0, nil
	case "none":
		return count == 0, nil
	case "one":
		return count == 1, nil
	}
	return count, nil
}

// find gives the item or index, null when there is none.
func (r *run) find(name string, list []any, body ast.Node) (any, error) {
	last := name == "findLast" || name == "findLastIndex"
	found := -1
	err := r.eachTrue(list, body, func(i int, yes bool) bool {
		if yes {
			found = i
		}
		return !yes || last
	})
	switch {
	case err != nil || found < 0:
		return nil, err
	case name == "findIndex" || name == "findLastIndex":
		return found, nil
	}
	return list[found], nil
}

func (r *run) sum(n ast.Node, list []any, body ast.Node) (any, error) {
	var total any = 0
	err := r.each(list, body, func(_ int, v any) (more bool, err error) {
		total, err = r.calculate("+", total, v)
		return true, placed(n, err)
	})
	return total, err
}

// groupBy gives an object: the text of each key, and the items that have it. The
// text of null is "null".
func (r *run) groupBy(n ast.Node, list []any, body ast.Node) (any, error) {
	groups := map[string]any{}
	err := r.each(list, body, func(i int, v any) (bool, error) {
		key := "null"
		if v != nil {
			var err error
			if key, err = r.text(v); err != nil {
				return false, placed(n, err)
			}
		}
		if err := r.spend(mapWork); err != nil {
			return false, err
		}
		group, _ := groups[key].([]any)
		groups[key] = append(group, list[i])
		return true, nil
	})
	return groups, err
}

// sortBy keeps the order of items whose keys are equal; null comes first.
func (r *run) sortBy(n *ast.BuiltinNode, list []any, body ast.Node) (any, error) {
	down := false
	if len(n.Arguments) > 2 {
		order, err := r.eval(n.Arguments[2])
		if err != nil {
			return nil, err
		}
		if down, err = descending(order); err != nil {
			return nil, placed(n, err)
		}
	}
	entries := make([]keyed, 0, len(list))
	err := r.each(list, body, func(i int, v any) (bool, error) {
		entries = append(entries, keyed{key: v, item: list[i]})
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	sorted, err := r.sorted(entries, down)
	return sorted, placed(n, err)
}

type keyed struct{ key, item any }

func (r *run) sorted(entries []keyed, down bool) (any, error) {
	if err := r.spend(2 * len(entries)); err != nil {
		return nil, err
	}
	var failure error
	slices.SortStableFunc(entries, func(a, b keyed) int {
		if failure != nil {
			return 0
		}
		c, err := r.rank(a.key, b.key)
		if err != nil {
			failure = err
		}
		if down {
			return -c
		}
		return c
	})
	out := make([]any, len(entries))
	for i, e := range entries {
		out[i] = e.item
	}
	return out, failure
}

// rank is compare with null below everything else.
func (r *run) rank(a, b any) (int, error) {
	if err := r.spend(1); err != nil {
		return 0, err
	}
	switch {
	case a == nil && b == nil:
		return 0, nil
	case a == nil:
		return -1, nil
	case b == nil:
		return 1, nil
	}
	return r.compare(a, b)
}

func descending(order any) (bool, error) {
	switch order {
	case "asc":
		return false, nil
	case "desc":
		return true, nil
	}
	return false, failf("the order is either asc or desc")
}

func (r *run) reduce(n *ast.BuiltinNode, list []any, body ast.Node) (any, error) {
	var acc any
	first := 0
	if len(n.Arguments) > 2 {
		v, err := r.eval(n.Arguments[2])
		if err != nil {
			return nil, err
		}
		acc = v
	} else {
		if len(list) == 0 {
			return nil, failAt(n, "reduce of an empty array needs a start value")
		}
		acc, first = list[0], 1
	}
	r.loops = append(r.loops, loop{})
	top := len(r.loops) - 1
	defer func() { r.loops = r.loops[:top] }()
	for i := first; i < len(list); i++ {
		item, err := normal(body, list[i])
		if err != nil {
			return nil, err
		}
		r.loops[top] = loop{item: item, index: i, acc: acc}
		if acc, err = r.eval(body); err != nil {
			return nil, err
		}
	}
	return acc, nil
}
