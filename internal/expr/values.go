package expr

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/expr-lang/expr/ast"
)

// normal takes a value of the environment as one of the language. Go types that
// have no place in JSON are a mistake of the program that filled the Env.
func normal(n ast.Node, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int, float64, string, json.Number, []any, map[string]any, time.Time, time.Duration:
		return v, nil
	case int64:
		return int(v), nil
	case int32:
		return int(v), nil
	case uint32:
		return int(v), nil
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), nil
	case float32:
		return float64(v), nil
	case []string:
		return widen(v), nil
	case []map[string]any:
		return widen(v), nil
	}
	return nil, placedIf(n, failf("%T is not a JSON value", v))
}

func widen[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int, float64, json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case time.Time:
		return "instant"
	case time.Duration:
		return "duration"
	}
	return "unknown value"
}

// export copies a value out of the evaluation: what the caller gets shares
// nothing with the environment and consists of JSON types.
func (r *run) export(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, failf("the value is nested too deeply")
	}
	if err := r.spend(1); err != nil {
		return nil, err
	}
	v, err := normal(nil, v)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			if out[i], err = r.export(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if err := r.spend(len(v)); err != nil {
			return nil, err
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			if out[key], err = r.export(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case time.Duration:
		return v.String(), nil
	}
	return v, nil
}

// text writes a value into a longer text.
func (r *run) text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", failf("null has no text, use ?? to give one")
	case string:
		return v, r.spendText(len(v))
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return formatFloat(v), nil
	case json.Number:
		return string(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case time.Duration:
		return v.String(), nil
	}
	return r.json(v)
}

// json writes a value as compact JSON.
func (r *run) json(v any) (string, error) {
	v, err := r.export(v, 0)
	if err != nil {
		return "", err
	}
	if err := r.spend(textSize(v) / 16); err != nil {
		return "", err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", failf("the value can not be written as JSON")
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// textSize is about how long the strings of a value are: a short list may hold
// one long string many times.
func textSize(v any) int {
	size := 0
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		for _, item := range v {
			size += textSize(item)
		}
	case map[string]any:
		for key, item := range v {
			size += len(key) + textSize(item)
		}
	}
	return size
}

// equal compares by value: 1 and 1.0 are the same number.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if depth > MaxDepth {
		return false, failf("the value is nested too deeply")
	}
	if err := r.spend(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y, nil
	case string:
		y, ok := b.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, r.spendText(len(x))
	case int, float64, json.Number:
		return equalNumber(a, b), nil
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y), nil
	case time.Duration:
		y, ok := b.(time.Duration)
		return ok && x == y, nil
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return r.equalArray(x, y, depth)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return r.equalObject(x, y, depth)
	}
	return false, nil
}

func (r *run) equalArray(a, b []any, depth int) (bool, error) {
	for i := range a {
		if same, err := r.equal(a[i], b[i], depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalObject(a, b map[string]any, depth int) (bool, error) {
	for key, x := range a {
		y, ok := b[key]
		if !ok {
			return false, nil
		}
		if same, err := r.equal(x, y, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// equalNumber compares numbers of any kind. Those that arithmetic would round
// are equal when they are written alike.
func equalNumber(a, b any) bool {
	x, xErr := numberOf(a)
	y, yErr := numberOf(b)
	if xErr == nil && yErr == nil {
		return compareNumber(x, y) == 0
	}
	return xErr != nil && yErr != nil && a == b
}

// scalarKey is a comparable stand-in for a value that is not an array or object:
// equal values have the same key.
func scalarKey(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, string, time.Duration:
		return v, true
	case time.Time:
		return v.UTC().Round(0), true
	case int, float64, json.Number:
		n, err := numberOf(v)
		if err != nil {
			return v, true
		}
		return n.float(), n.isFloat || int(n.float()) == n.i
	}
	return nil, false
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
