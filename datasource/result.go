package datasource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// The limits of a run.
const (
	DefaultRows    = 1000
	MaxRows        = 10_000
	MaxResultBytes = 10 << 20
	MaxTimeout     = 30 * time.Second
)

// Result is what a query gave back. Its values survive JSON: integers beyond
// ±(2^53-1) and decimals are strings, see [ColumnType].
type Result struct {
	Columns   []Column `json:"columns"`
	Rows      [][]any  `json:"rows"`
	RowCount  int      `json:"rowCount"`           // the rows in this result
	Truncated bool     `json:"truncated"`          // there were more rows, or more bytes, than the limits allow
	Affected  *int64   `json:"affected,omitempty"` // the rows that a writing query changed, where the datasource says it
	Timings   Timings  `json:"timings"`
	Wrote     bool     `json:"-"` // the query writes: to run it again is to do it again

	// Output is what the transformation of the query made of the rows.
	Output any `json:"output,omitempty"`

	// ExecutionID names the run in the history, see [Service.Executions].
	ExecutionID string `json:"executionId,omitempty"`

	// CachedAt is when a result that was kept was read; nil = just now.
	CachedAt *time.Time `json:"cachedAt,omitempty"`
}

// Timings says where the time of a run went, in milliseconds.
type Timings struct {
	Connect float64 `json:"connectMs"` // until there was a connection
	Execute float64 `json:"executeMs"` // until the first row could be read
	Fetch   float64 `json:"fetchMs"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// collect reads rows until their end or a limit.
func collect(rows Rows, maxRows int, maxBytes int64) (Result, error) {
	r := Result{Columns: rows.Columns(), Rows: [][]any{}}
	if r.Columns == nil {
		r.Columns = []Column{}
	}
	var size int64
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Result{}, err
		}
		out := make([]any, len(row))
		for i, v := range row {
			out[i] = plainValue(v)
			size += sizeOf(out[i])
		}
		if len(r.Rows) == maxRows || size > maxBytes {
			r.Truncated = true
			break
		}
		r.Rows = append(r.Rows, out)
	}
	r.RowCount = len(r.Rows)
	if c, ok := uncheckedOf(rows).(Counter); ok {
		n := c.Affected()
		r.Affected = &n
	}
	return r, nil
}

const maxExact = 1<<53 - 1 // the largest integer that every JSON reader keeps

// plainValue makes a value of a row what it is in JSON.
func plainValue(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case int64:
		if v > maxExact || v < -maxExact {
			return strconv.FormatInt(v, 10)
		}
		return v
	case uint64:
		if v > maxExact {
			return strconv.FormatUint(v, 10)
		}
		return int64(v)
	case float64:
		return plainFloat(v)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case Date:
		return string(v)
	case Decimal:
		return string(v)
	case JSON:
		return plainDocument(string(v))
	case json.Number:
		return plainNumber(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = plainValue(v[k])
		}
		return out
	}
	return nil // none comes here: see checked
}

func plainFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

// plainNumber keeps whole numbers exact and makes the others what JSON readers
// make of them.
func plainNumber(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return plainValue(i)
	}
	f, err := n.Float64()
	if err != nil || rounded(f) {
		return n.String()
	}
	return f
}

func plainDocument(s string) any {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return s
	}
	if _, err := d.Token(); err != io.EOF {
		return s // it begins like a document and is none, as a date does
	}
	return plainValue(v)
}

// sizeOf is about the number of bytes of a plain value in JSON.
func sizeOf(v any) int64 {
	var n int64 = 2
	switch v := v.(type) {
	case string:
		n += int64(len(v))
	case []any:
		for i := range v {
			n += sizeOf(v[i])
		}
	case map[string]any:
		for k := range v {
			n += int64(len(k)) + 4 + sizeOf(v[k])
		}
	default:
		n += 8
	}
	return n
}
