package httpapi

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// A field whose name ends with [*] takes an object or a list apart, the way PHP,
// Rails and Stripe read forms: with "metadata[*]", {"a": 1, "b": [2]} becomes
// metadata[a]=1 and metadata[b][0]=2. All of it stays below the name.

const (
	spreadMark   = "[*]"
	spreadDepth  = 8
	spreadLeaves = 1000
)

func spreads(name string) bool { return strings.HasSuffix(name, spreadMark) }

// spread reports whether the value could be written.
func spread(q url.Values, name string, v any) bool {
	s := spreader{q: q, left: spreadLeaves}
	if raw, ok := v.(json.RawMessage); ok {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return false
		}
	}
	switch v.(type) {
	case map[string]any, []any:
		return s.put(strings.TrimSuffix(name, spreadMark), v, spreadDepth)
	}
	return false
}

type spreader struct {
	q    url.Values
	left int
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
		return true
	case []any:
		for i, element := range v {
			if !s.put(name+"["+strconv.Itoa(i)+"]", element, depth-1) {
				return false
			}
		}
		return true
	}
	s.left--
	s.q.Set(name, datasource.ParamText(v))
	return true
}
