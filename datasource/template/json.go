package template

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// JSON is a parsed template of a JSON document. A string that is one
// placeholder and nothing else is replaced by the value with its type; inside
// of a longer string the value is written as text. Keys are fixed.
type JSON struct {
	root  any // map[string]any, []any, Text, or a plain value
	names names
}

// ParseJSON reads a document as encoding/json decodes it into an any. Faults
// are at path and below.
func ParseJSON(document any, path string) (*JSON, error) {
	var faults problem.Faults
	j := &JSON{}
	j.root = j.parse(document, path, &faults)
	return j, faults.Err("operation_invalid", "the template is not valid")
}

func (j *JSON) parse(v any, path string, faults *problem.Faults) any {
	switch v := v.(type) {
	case string:
		text, err := ParseText(v, path)
		faults.Merge("", err)
		for _, name := range text.Placeholders() {
			j.names.add(name)
		}
		return text
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = j.parse(v[i], problem.Below(path, "."+strconv.Itoa(i)), faults)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			faults.Check(!strings.Contains(key, "{{"), path, "a key cannot hold a placeholder")
			out[key] = j.parse(v[key], problem.Below(path, "."+key), faults)
		}
		return out
	}
	return v
}

// Placeholders lists the parameters in the order of their first use.
func (j *JSON) Placeholders() []string { return j.names.list }

// Expand makes the document. text writes a value inside of a longer string.
func (j *JSON) Expand(values Values, text func(any) string) any { return expand(j.root, values, text) }

func expand(v any, values Values, text func(any) string) any {
	switch v := v.(type) {
	case Text:
		if name := v.Lone(); name != "" {
			return values(name)
		}
		s, _ := v.Expand(values, nil, func(_ string, value any) (string, error) { return text(value), nil })
		return s
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = expand(v[i], values, text)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key := range v {
			out[key] = expand(v[key], values, text)
		}
		return out
	}
	return v
}
