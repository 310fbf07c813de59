package datasource

import (
	"encoding/json"
	"strconv"
	"time"
)

// ParamText writes the value of a parameter, see [Statement], as text: for
// connectors that put it inside of a longer string. null is "".
func ParamText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case Date:
		return string(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case json.RawMessage:
		return string(v)
	}
	b, _ := json.Marshal(v)
	return string(b)
}
