package expr

import (
	"encoding/json"
	"time"
)

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
	case json.Number:
		return equalNumber(a, b), r.spendText(len(x))
	case int, float64:
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
func (r *run) scalarKey(v any) (key any, ok bool, err error) {
	switch v := v.(type) {
	case nil, bool, time.Duration:
		return v, true, nil
	case string:
		return v, true, r.spendText(len(v))
	case time.Time:
		return v.UTC().Round(0), true, nil
	case int, float64, json.Number:
		n, err := numberOf(v)
		switch {
		case err != nil:
			return v, true, r.spendText(len(v.(json.Number)))
		case !n.isFloat && int(n.float()) != n.i: // beyond what a float64 counts
			return n.i, true, nil
		}
		return n.float(), true, nil
	}
	return nil, false, nil
}
