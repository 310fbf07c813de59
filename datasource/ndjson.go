package datasource

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// NDJSON is a [RowWriter] that writes one JSON value per line: first an object
// with the columns, then each row as an array of the values that a [Result] has,
// and at last, by [NDJSON.End], an object with what the stream came to. It makes
// one call of Write for each line.
type NDJSON struct {
	to   io.Writer
	line []byte
}

// NewNDJSON writes to w.
func NewNDJSON(w io.Writer) *NDJSON { return &NDJSON{to: w} }

// Begin writes the columns.
func (n *NDJSON) Begin(columns []Column) error {
	if columns == nil {
		columns = []Column{}
	}
	return n.Line(map[string]any{"columns": columns})
}

// Row writes one line.
func (n *NDJSON) Row(values []any) error {
	n.line = append(n.line[:0], '[')
	for i, v := range values {
		if i > 0 {
			n.line = append(n.line, ',')
		}
		n.line = appendJSON(n.line, v)
	}
	n.line = append(n.line, ']', '\n')
	_, err := n.to.Write(n.line)
	return err
}

// End writes the last line of a stream that is whole.
func (n *NDJSON) End(s Streamed) error { return n.Line(s) }

// Line writes any value on a line of its own.
func (n *NDJSON) Line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = n.to.Write(append(text, '\n'))
	return err
}

// appendJSON writes a value of a row as the JSON of its plain value.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendText(b, v)
	case Decimal:
		return appendText(b, string(v))
	case Date:
		return appendText(b, string(v))
	case []byte:
		b = base64.StdEncoding.AppendEncode(append(b, '"'), v)
		return append(b, '"')
	case time.Time:
		b = v.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano)
		return append(b, '"')
	case int64:
		return quotedBeyond(b, v > maxExact || v < -maxExact, func(b []byte) []byte { return strconv.AppendInt(b, v, 10) })
	case uint64:
		return quotedBeyond(b, v > maxExact, func(b []byte) []byte { return strconv.AppendUint(b, v, 10) })
	case float64:
		return quotedBeyond(b, math.IsNaN(v) || math.IsInf(v, 0), func(b []byte) []byte { return appendNumber(b, v) })
	case bool:
		return strconv.AppendBool(b, v)
	}
	text, err := json.Marshal(plainValue(v))
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}

// quotedBeyond writes what JSON has no exact number for as a text.
func quotedBeyond(b []byte, beyond bool, write func([]byte) []byte) []byte {
	if !beyond {
		return write(b)
	}
	return append(write(append(b, '"')), '"')
}

// appendNumber writes a number with all its digits, and a boolean.
func appendNumber(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case float64:
		if special, ok := plainFloat(v).(string); ok {
			return append(b, special...)
		}
		format, abs := byte('f'), math.Abs(v)
		if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
			format = 'e'
		}
		return strconv.AppendFloat(b, v, format, -1, 64)
	}
	return b // outside of the contract of Rows, like in plainValue
}

func appendText(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a valid text cannot fail
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
