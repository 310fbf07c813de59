package datasource

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// The limits of what is kept of the values of an execution.
const (
	recordedText   = 200  // bytes of a text
	recordedList   = 20   // elements of a list
	recordedParams = 4096 // bytes of all
)

// recorded is what the history keeps of the values: shortened, and without the
// sensitive ones.
func (c *call) recorded() string {
	kept := make(map[string]any, len(c.plan.rules))
	for _, r := range c.plan.rules {
		v := c.values[r.Name]
		switch {
		case v == nil:
		case r.Sensitive:
			kept[r.Name] = secret.Mask
		default:
			kept[r.Name] = shortened(v)
		}
	}
	b, err := json.Marshal(kept)
	if err != nil || len(b) > recordedParams {
		b = []byte(`{}`) // more than a person would read
	}
	return string(b)
}

func shortened(v any) any {
	switch v := v.(type) {
	case string:
		return short(v)
	case json.RawMessage:
		if len(v) > recordedText {
			return short(string(v))
		}
	case []any:
		out := make([]any, 0, min(len(v), recordedList)+1)
		for _, element := range v[:min(len(v), recordedList)] {
			out = append(out, shortened(element))
		}
		if more := len(v) - recordedList; more > 0 {
			out = append(out, fmt.Sprintf("… %d more", more))
		}
		return out
	}
	return v
}

func short(s string) string {
	if len(s) <= recordedText {
		return s
	}
	end := recordedText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
