package openapi

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxWork  = 1_000_000 // steps of following references and merging schemas
	maxHops  = 32        // references that lead to references
	maxAllOf = 16        // levels of allOf
	maxRef   = 4 << 10   // bytes of a reference
)

var (
	errOutside = errors.New("it refers to something outside of the document")
	errEndless = errors.New("the document refers to itself too often")
	errNowhere = errors.New("it refers to something that is not in the document")
)

// document is a tree of what encoding/json makes, in which references lead from
// place to place.
type document struct {
	root     any
	work     int
	patterns patterns
}

// spend counts steps. When none are left the whole document is refused, so what
// callers make of it does not matter.
func (d *document) spend(steps int) (left bool) {
	d.work -= steps
	return d.work > 0
}

// object follows the references of a value until it is an object.
func (d *document) object(v any) (map[string]any, error) {
	if !d.spend(1) {
		return nil, errEndless
	}
	for range maxHops {
		o := object(v)
		ref, isRef := o["$ref"].(string)
		if !isRef {
			return o, nil
		}
		if !strings.HasPrefix(ref, "#") {
			return nil, errOutside
		}
		var ok bool
		if v, ok = d.at(ref[1:]); !ok {
			return nil, errNowhere
		}
	}
	return nil, errNowhere
}

// at finds the value of a JSON pointer, percent-encoded as in a fragment.
func (d *document) at(pointer string) (any, bool) {
	v := d.root
	if len(pointer) > maxRef || strings.Count(pointer, "/") > maxDepth {
		return nil, false
	}
	if pointer == "" {
		return v, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if !d.spend(1) {
			return nil, false
		}
		if decoded, err := url.PathUnescape(token); err == nil {
			token = decoded
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch parent := v.(type) {
		case map[string]any:
			v = parent[token]
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n < 0 || n >= len(parent) {
				return nil, false
			}
			v = parent[n]
		}
		if v == nil {
			return nil, false
		}
	}
	return v, true
}

// schema follows references and merges what allOf joins.
func (d *document) schema(v any) (map[string]any, error) { return d.merged(v, maxAllOf) }

func (d *document) merged(v any, depth int) (map[string]any, error) {
	s, err := d.object(v)
	parts := list(s["allOf"])
	if err != nil || len(parts) == 0 || depth == 0 {
		return s, err
	}
	out := map[string]any{}
	properties, required := map[string]any{}, []any{}
	for i := range len(parts) + 1 {
		part := s
		if i < len(parts) {
			if part, err = d.merged(parts[i], depth-1); err != nil {
				return nil, err
			}
		}
		if !d.spend(len(part) + len(object(part["properties"])) + len(list(part["required"]))) {
			return nil, errEndless
		}
		for name, member := range part {
			out[name] = member
		}
		for name, property := range object(part["properties"]) {
			properties[name] = property
		}
		required = append(required, list(part["required"])...)
	}
	delete(out, "allOf")
	if len(properties) > 0 {
		out["properties"], out["required"] = properties, required
	}
	return out, nil
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }
func list(v any) []any            { l, _ := v.([]any); return l }

// str is a string or a number as text.
func str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func isTrue(v any) bool { b, _ := v.(bool); return b }

// line makes one line of readable text of it, of at most limit characters.
func line(s string, limit int) string {
	if len(s) > 8*limit {
		s = s[:8*limit]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit-1]) + "…"
	}
	return s
}
