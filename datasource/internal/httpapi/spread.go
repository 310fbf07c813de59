package httpapi

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// A field whose name ends with [*] takes an object or a list apart, the way PHP,
// Rails and Stripe read forms: with "metadata[*]", {"a": 1, "b": [2]} becomes
// metadata[a]=1 and metadata[b][0]=2. All of it stays below the name, and beside
// what the request has there itself.

const (
	spreadMark   = "[*]"
	spreadDepth  = 8
	spreadLeaves = 1000
)

func spreads(name string) bool { return strings.HasSuffix(name, spreadMark) }

// spread reports whether the value could be written beside the other fields.
func spread(q url.Values, name string, v any, fields []field) bool {
	root := strings.TrimSuffix(name, spreadMark)
	s := spreader{q: q, left: spreadLeaves}
	for _, other := range fields {
		if base := strings.TrimSuffix(other.name, spreadMark); other.name != name && meet(root, base) {
			s.fixed = append(s.fixed, base)
		}
	}
	if raw, ok := v.(json.RawMessage); ok {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return false
		}
	}
	switch v.(type) {
	case map[string]any, []any:
		return s.put(root, v, spreadDepth)
	}
	return false
}

// meet reports whether two names are the same, or one is below the other.
func meet(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"[") || strings.HasPrefix(b, a+"[")
}

type spreader struct {
	q     url.Values
	fixed []string // the request's own names, also of fields that are left out
	left  int
}

func (s *spreader) put(name string, v any, depth int) bool {
	if depth == 0 || s.left == 0 {
		return false
	}
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for key, member := range v {
			if key == "" || strings.ContainsAny(key, "[]") || !s.put(name+"["+key+"]", member, depth-1) {
				return false
			}
		}
		return len(v) > 0
	case []any:
		for i, element := range v {
			if !s.put(name+"["+strconv.Itoa(i)+"]", element, depth-1) {
				return false
			}
		}
		return len(v) > 0
	}
	if slices.ContainsFunc(s.fixed, func(fixed string) bool { return meet(name, fixed) }) {
		return false
	}
	s.left--
	s.q.Set(name, datasource.ParamText(v))
	return true
}
