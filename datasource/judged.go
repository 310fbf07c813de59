package datasource

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource/template"
)

// judged makes a value of a row or a parameter what filters see: integers and
// decimals are numbers with all their digits, times instants, documents what they
// hold. nil is for what is null, and for numbers that are none.
func judged(v any) any {
	switch v := v.(type) {
	case bool, time.Time:
		return v
	case int64:
		return int(v)
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case uint64:
		return json.Number(strconv.FormatUint(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	case Decimal:
		return judgedNumber(string(v))
	case json.Number:
		return judgedNumber(string(v))
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case Date:
		return string(v)
	case template.Identifier:
		return string(v)
	case template.Direction:
		return string(v)
	case JSON:
		return judgedDocument(string(v))
	case json.RawMessage:
		return judgedDocument(string(v))
	case []any:
		return judgedList(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = judged(member)
		}
		return out
	}
	return nil
}

func judgedNumber(text string) any {
	if isNumber(text) {
		return json.Number(text)
	}
	return nil
}

// judgedDocument is a document, or the text that only looks like one.
func judgedDocument(text string) any {
	if !json.Valid([]byte(text)) {
		return text
	}
	v, err := decoded([]byte(text))
	if err != nil {
		return nil
	}
	return v
}

func judgedList(list []any) any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = judged(v)
	}
	return out
}
