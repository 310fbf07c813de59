package expr

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

func lenFn(r *run, args []any) (any, error) {
	switch v := args[0].(type) {
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	case string:
		return utf8.RuneCountInString(v), r.spendText(len(v))
	}
	return nil, failf("expected an array, object or string, got %s", typeName(args[0]))
}

// getFn is access that may fail: null, or the third argument, when it is not there.
func getFn(r *run, args []any) (any, error) {
	var absent any
	if len(args) == 3 {
		absent = args[2]
	}
	if args[0] == nil {
		return absent, nil
	}
	v, ok, err := r.lookup(args[0], args[1])
	if err != nil || !ok {
		return absent, err
	}
	return normal(nil, v)
}

func fromJSONFn(r *run, args []any) (any, error) {
	text, err := textArg(args[0])
	if err != nil {
		return nil, err
	}
	// "[[],[]]" takes far more memory as a value than as text.
	if err := r.spend(2 * len(text)); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, failf("the text is not JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, failf("the text is not JSON")
	}
	return v, nil
}

func firstFn(r *run, args []any) (any, error) { return r.edge(args[0], 0) }
func lastFn(r *run, args []any) (any, error)  { return r.edge(args[0], -1) }

// edge is null for an empty array.
func (r *run) edge(v any, i int) (any, error) {
	list, err := listArg(v)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	v, _, err = r.lookup(list, i)
	if err != nil {
		return nil, err
	}
	return normal(nil, v)
}

func takeFn(_ *run, args []any) (any, error) {
	list, err := listArg(args[0])
	if err != nil {
		return nil, err
	}
	n, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	n = min(max(n, 0), len(list))
	return list[:n:n], nil
}

// copied is a copy of an array that may be reordered.
func (r *run) copied(v any) ([]any, error) {
	list, err := listArg(v)
	if err != nil {
		return nil, err
	}
	return slices.Clone(list), r.spend(len(list))
}

func reverseFn(r *run, args []any) (any, error) {
	list, err := r.copied(args[0])
	slices.Reverse(list)
	return list, err
}

func concatFn(r *run, args []any) (any, error) {
	out := []any{}
	for _, arg := range args {
		list, err := listArg(arg)
		if err != nil {
			return nil, err
		}
		if err := r.spend(2 * len(list)); err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func flattenFn(r *run, args []any) (any, error) {
	list, err := listArg(args[0])
	if err != nil {
		return nil, err
	}
	return r.flatten([]any{}, list, 0)
}

func (r *run) flatten(out, list []any, depth int) ([]any, error) {
	if depth > MaxDepth {
		return nil, failf("the value is nested too deeply")
	}
	if err := r.spend(1 + 2*len(list)); err != nil {
		return nil, err
	}
	for _, v := range list {
		inner, ok := v.([]any)
		if !ok {
			out = append(out, v)
			continue
		}
		var err error
		if out, err = r.flatten(out, inner, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// uniqFn keeps the first of equal items.
func uniqFn(r *run, args []any) (any, error) {
	list, err := listArg(args[0])
	if err != nil {
		return nil, err
	}
	seen := map[any]struct{}{}
	out, others := []any{}, []any{}
	for _, v := range list {
		if err := r.spend(4); err != nil {
			return nil, err
		}
		key, ok, err := r.scalarKey(v)
		if err != nil {
			return nil, err
		}
		if ok {
			if _, again := seen[key]; !again {
				seen[key] = struct{}{}
				out = append(out, v)
			}
			continue
		}
		again, err := r.among(v, others)
		if err != nil {
			return nil, err
		}
		if !again {
			others = append(others, v)
			out = append(out, v)
		}
	}
	return out, nil
}

// sortFn sorts numbers, strings, instants or durations; null comes first.
func sortFn(r *run, args []any) (any, error) {
	list, err := listArg(args[0])
	if err != nil {
		return nil, err
	}
	down := false
	if len(args) == 2 {
		if down, err = descending(args[1]); err != nil {
			return nil, err
		}
	}
	entries := make([]keyed, len(list))
	for i, v := range list {
		entries[i] = keyed{v, v}
	}
	return r.sorted(entries, down)
}

func keysFn(r *run, args []any) (any, error) {
	m, err := objectArg(args[0])
	if err != nil {
		return nil, err
	}
	if err := r.spend(2 * len(m)); err != nil {
		return nil, err
	}
	return anys(sortedKeys(m)), nil
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

func valuesFn(r *run, args []any) (any, error) {
	m, err := objectArg(args[0])
	if err != nil {
		return nil, err
	}
	if err := r.spend(2 * len(m)); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, key := range sortedKeys(m) {
		out = append(out, m[key])
	}
	return out, nil
}
