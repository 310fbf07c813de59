package redis

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// entry reads one of a stream: its id, and its fields in the order in which they
// come first. A field that comes again has the list of its values.
func (w *writer) entry(v any) (id any, fields any) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return nil, nil
	}
	list, ok := pair[1].([]any)
	if !ok {
		return name(pair[0]), nil // deleted meanwhile
	}
	var order []string
	values := map[string][]any{}
	for i := 0; i+1 < len(list); i += 2 {
		key := w.key(list[i])
		if values[key] == nil {
			order = append(order, key)
		}
		values[key] = append(values[key], w.plain(list[i+1]))
	}
	return name(pair[0]), object(order, values)
}

func object(order []string, values map[string][]any) datasource.JSON {
	var b strings.Builder
	b.WriteByte('{')
	for i, key := range order {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encoded(key))
		b.WriteByte(':')
		if all := values[key]; len(all) == 1 {
			b.Write(encoded(all[0]))
		} else {
			b.Write(encoded(all))
		}
	}
	b.WriteByte('}')
	return datasource.JSON(b.String())
}

// document writes what has a structure of its own.
func (w *writer) document(v any) datasource.JSON { return datasource.JSON(encoded(w.plain(v))) }

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// plain is one of the data in a document, where bytes are base64.
func (w *writer) plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[w.key(k)] = w.plain(v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = w.plain(v[i])
		}
		return out
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return name(v)
		}
	case string:
		if w.values == valuesJSON && json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
		return w.key(v)
	case error:
		return name(v)
	}
	return v
}

// key is a name, or a text, in a document.
func (w *writer) key(v any) string {
	s := fmt.Sprint(v)
	if w.values == valuesBytes {
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	w.valid(s)
	return s
}
