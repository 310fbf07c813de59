package datasource

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxSetting     = 4096
	maxText        = 64 << 10
	maxMapSettings = 50
)

// checkValues turns posted settings into typed ones with all defaults filled
// in. Nothing that is not declared passes (T81).
func (s Spec) checkValues(posted map[string]any, faults *problem.Faults) map[string]any {
	values := make(map[string]any, len(s.Fields))
	for _, name := range sortedKeys(posted) {
		f, ok := s.field(name)
		switch {
		case !ok:
			faults.Add("settings."+printable(name), "is not a setting of this type")
		case f.Secret:
			faults.Add("settings."+name, "is secret: it belongs into secrets")
		case posted[name] == nil:
		default:
			v, message := f.value(posted[name])
			faults.Check(message == "", "settings."+name, message)
			values[name] = v
		}
	}
	for _, f := range s.Fields {
		if f.Secret {
			continue
		}
		if values[f.Name] == nil && posted[f.Name] == nil && f.Default != nil {
			values[f.Name], _ = f.value(f.Default)
		}
		if f.Required && (values[f.Name] == nil || values[f.Name] == "") && posted[f.Name] == nil {
			faults.Add("settings."+f.Name, "is required")
		}
	}
	return values
}

// value gives v the type of the field, or says in words what is wrong with it.
func (f Field) value(v any) (any, string) {
	switch f.Type {
	case FieldInteger:
		n, ok := wholeNumber(v)
		if !ok {
			return nil, "must be a whole number"
		}
		if f.Max > 0 && (n < f.Min || n > f.Max) {
			return nil, fmt.Sprintf("must be between %d and %d", f.Min, f.Max)
		}
		return n, ""
	case FieldBoolean:
		if b, ok := v.(bool); ok {
			return b, ""
		}
		return nil, "must be true or false"
	case FieldMap:
		return mapValue(v)
	case FieldFile:
		if s, ok := v.(string); ok && id.Valid(s) {
			return s, ""
		}
		return nil, "must be the id of an uploaded file"
	case FieldText:
		return f.text(v)
	}
	s, ok := v.(string)
	switch {
	case !ok:
		return nil, "must be a string"
	case f.Required && s == "":
		return nil, "is required"
	case len(s) > maxSetting:
		return nil, fmt.Sprintf("must not be longer than %d bytes", maxSetting)
	case !text.OneLine(s):
		return nil, "must not contain control characters"
	case len(f.Enum) > 0 && !slices.Contains(f.Enum, s):
		return nil, "must be one of " + text.Choices(f.Enum)
	}
	return s, ""
}

func (f Field) text(v any) (any, string) {
	s, ok := v.(string)
	control := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t", r) }
	switch {
	case !ok:
		return nil, "must be a string"
	case f.Required && s == "":
		return nil, "is required"
	case len(s) > maxText:
		return nil, fmt.Sprintf("must not be longer than %d bytes", maxText)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, control):
		return nil, "must be text"
	}
	return s, ""
}

func mapValue(v any) (any, string) {
	out := map[string]string{}
	switch m := v.(type) {
	case map[string]string:
		for k, s := range m {
			out[k] = s
		}
	case map[string]any:
		for k, x := range m {
			s, ok := x.(string)
			if !ok {
				return nil, "must hold strings only"
			}
			out[k] = s
		}
	default:
		return nil, "must be an object"
	}
	if len(out) > maxMapSettings {
		return nil, fmt.Sprintf("must not hold more than %d entries", maxMapSettings)
	}
	for k, s := range out {
		if k == "" || len(k)+len(s) > maxSetting || !text.OneLine(k) || !text.OneLine(s) {
			return nil, "must hold short names and values without control characters"
		}
	}
	return out, ""
}

// wholeNumber reads an integer as JSON decoders and Go callers give it.
func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return r.Int(), true
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return int64(r.Uint()), true
	}
	return 0, false
}

// printable keeps a rejected name from filling an error.
func printable(name string) string {
	if len(name) > 40 || !text.OneLine(name) {
		return "?"
	}
	return name
}
