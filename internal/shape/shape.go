// Package shape judges JSON values by JSON Schemas of the draft 2020-12, and says of
// each part that does not fit where it is and what is expected there.
//
// The keywords that people write most are judged here; what they do not tell is asked
// of the schema library, whose answer is yes or no.
package shape

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/problem"
)

// maxFaults is how many faults of a value are told; more do not help.
const maxFaults = 100

// Check adds the faults of a value to f, below a path ("" = the value itself). The value
// is what encoding/json makes of JSON; a schema without references fits nothing twice.
func Check(f *problem.Faults, path string, s *jsonschema.Schema, v any) {
	j := judge{f: f, most: len(f.List()) + maxFaults, patterns: map[string]*regexp.Regexp{}}
	before := len(f.List())
	j.value(path, s, v)
	if len(f.List()) > before {
		return
	}
	resolved, err := s.Resolve(nil)
	if err == nil {
		err = resolved.Validate(v)
	}
	f.Check(err == nil, path, "does not fit its declaration")
}

type judge struct {
	f        *problem.Faults
	most     int
	patterns map[string]*regexp.Regexp // compiled; nil = it is none, which the library finds
}

func (j judge) add(path, format string, args ...any) { j.f.Addf(path, format, args...) }

func (j judge) value(path string, s *jsonschema.Schema, v any) {
	switch {
	case s == nil || len(j.f.List()) >= j.most:
		return
	case isNever(s):
		j.add(path, "is not declared")
		return
	}
	if kinds := kindsOf(s); len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return is(kind, v) }) {
		j.add(path, "must be %s", names(kinds))
		return
	}
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(choice any) bool { return equal(choice, v) }) {
		j.add(path, "must be one of %s", list(s.Enum))
	}
	if s.Const != nil && !equal(*s.Const, v) {
		j.add(path, "must be %s", list([]any{*s.Const}))
	}
	switch v := v.(type) {
	case string:
		j.text(path, s, v)
	case float64:
		j.number(path, s, v)
	case json.Number:
		if n, err := v.Float64(); err == nil {
			j.number(path, s, n)
		}
	case []any:
		j.array(path, s, v)
	case map[string]any:
		j.object(path, s, v)
	}
}

func (j judge) text(path string, s *jsonschema.Schema, v string) {
	n := utf8.RuneCountInString(v)
	if s.MinLength != nil && n < *s.MinLength {
		j.add(path, "must have at least %d characters", *s.MinLength)
	}
	if s.MaxLength != nil && n > *s.MaxLength {
		j.add(path, "must have at most %d characters", *s.MaxLength)
	}
	if s.Pattern == "" {
		return
	}
	pattern, known := j.patterns[s.Pattern]
	if !known {
		pattern, _ = regexp.Compile(s.Pattern)
		j.patterns[s.Pattern] = pattern
	}
	if pattern != nil && !pattern.MatchString(v) {
		j.add(path, "must match the pattern %s", cut(s.Pattern))
	}
}

func (j judge) number(path string, s *jsonschema.Schema, v float64) {
	for _, bound := range []struct {
		limit *float64
		fits  func(limit float64) bool
		says  string
	}{
		{s.Minimum, func(limit float64) bool { return v >= limit }, "must be at least %s"},
		{s.Maximum, func(limit float64) bool { return v <= limit }, "must be at most %s"},
		{s.ExclusiveMinimum, func(limit float64) bool { return v > limit }, "must be above %s"},
		{s.ExclusiveMaximum, func(limit float64) bool { return v < limit }, "must be below %s"},
	} {
		if bound.limit != nil && !bound.fits(*bound.limit) {
			j.add(path, bound.says, strconv.FormatFloat(*bound.limit, 'f', -1, 64))
		}
	}
}

func (j judge) array(path string, s *jsonschema.Schema, v []any) {
	if s.MinItems != nil && len(v) < *s.MinItems {
		j.add(path, "must have at least %d items", *s.MinItems)
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		j.add(path, "must have at most %d items", *s.MaxItems)
		return
	}
	for i, item := range v {
		if len(j.f.List()) >= j.most {
			return
		}
		if i < len(s.PrefixItems) {
			j.value(at(path, i), s.PrefixItems[i], item)
			continue
		}
		j.value(at(path, i), s.Items, item)
	}
}

func (j judge) object(path string, s *jsonschema.Schema, v map[string]any) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			j.add(below(path, name), "is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch property, declared := s.Properties[name]; {
		case declared:
			j.value(below(path, name), property, v[name])
		case len(s.PatternProperties) == 0: // otherwise the library knows which is meant
			j.value(below(path, name), s.AdditionalProperties, v[name])
		}
	}
}

func below(path, name string) string {
	if path != "" {
		path = problem.Below(path, ".")
	}
	return problem.Below(path, name)
}

func at(path string, i int) string { return problem.Below(path, "["+strconv.Itoa(i)+"]") }

// kinds are the names of types, and what people call them.
var kinds = map[string]string{
	"array": "a list", "boolean": "true or false", "integer": "a whole number", "null": "null",
	"number": "a number", "object": "an object", "string": "a text",
}

func kindsOf(s *jsonschema.Schema) []string {
	if s.Type != "" {
		return []string{s.Type}
	}
	return s.Types
}

func names(types []string) string {
	said := make([]string, len(types))
	for i, t := range types {
		said[i] = kinds[t]
	}
	return strings.Join(said, " or ")
}

// is reports whether a value is of a type.
func is(kind string, v any) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case json.Number:
		n, err := v.Float64()
		return err == nil && is(kind, n)
	}
	return true // none of encoding/json's: the library decides
}

func equal(choice, v any) bool { return jsonschema.Equal(choice, v) }

// The bounds of what a fault repeats of a schema.
const (
	maxChoices = 10
	maxWord    = 100 // bytes
)

func list(values []any) string {
	said := make([]string, 0, min(len(values), maxChoices))
	for _, v := range values[:min(len(values), maxChoices)] {
		text, err := json.Marshal(v)
		if err != nil {
			text = fmt.Append(nil, v)
		}
		said = append(said, cut(string(text)))
	}
	if more := len(values) - maxChoices; more > 0 {
		return strings.Join(said, ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(said, ", ")
}

func cut(s string) string {
	if len(s) <= maxWord {
		return s
	}
	return strings.ToValidUTF8(s[:maxWord], "") + "…"
}

// isNever reports whether a schema is false, which the library writes as {"not": {}}.
func isNever(s *jsonschema.Schema) bool {
	return s.Not != nil && reflect.DeepEqual(*s.Not, jsonschema.Schema{})
}
