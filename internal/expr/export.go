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

// normal takes a value of the environment as one of the language. Types that
// decoded JSON does not have are a mistake of the program that filled the Env:
// converting a whole []string at each use would be work that nobody pays for.
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
	}
	return nil, placedIf(n, failf("%T is not a JSON value", v))
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
			if err := r.spendText(len(key)); err != nil {
				return nil, err
			}
			if out[key], err = r.export(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case float64:
		return finite(v)
	case string:
		// A copy shares the text, but whoever writes it out pays for each one: a
		// short array may hold one long text many times.
		return v, r.spendText(len(v))
	case json.Number:
		return v, r.spendText(len(v))
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
		return string(v), r.spendText(len(v))
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
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", failf("the value cannot be written as JSON")
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
