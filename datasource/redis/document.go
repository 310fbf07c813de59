package redis

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// entry reads one of a stream: its id, and its fields in their order.
func entry(v any) (id any, fields any) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return nil, nil
	}
	list, ok := pair[1].([]any)
	if !ok {
		return name(pair[0]), nil // deleted meanwhile
	}
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; i+1 < len(list); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encoded(name(list[i])))
		b.WriteByte(':')
		b.Write(encoded(plain(list[i+1])))
	}
	b.WriteByte('}')
	return name(pair[0]), datasource.JSON(b.String())
}

// document writes what has a structure of its own.
func document(v any) datasource.JSON { return datasource.JSON(encoded(plain(v))) }

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[name(k)] = plain(v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return name(v)
		}
	case string:
		return name(v)
	case error:
		return name(v)
	}
	return v
}
