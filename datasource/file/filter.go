package file

import (
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// test is a condition with its values.
type test struct {
	column int
	op     string
	values []any // one, or for in several; each is comparable with the column's
}

// newTest gives a condition its values; used is false when it is to be left out.
func newTest(w condition, column int, kind datasource.ColumnType, values template.Values, faults *problem.Faults) (t test, used bool) {
	t = test{column: column, op: w.op}
	if w.value == nil {
		return t, true
	}
	v := w.value.Expand(values, datasource.ParamText)
	if v == nil {
		return t, !w.optional
	}
	list, many := v.([]any)
	if many != (w.op == "in") {
		faults.Add(w.path(), "must be a list for in, and one value for all others")
		return t, false
	}
	if !many {
		list = []any{v}
	}
	for _, v := range list {
		if v == nil {
			continue // equals nothing
		}
		c, ok := comparable(v, kind, w.op)
		if !ok {
			faults.Add(w.path(), "does not fit the type of the column: "+string(kind))
			return t, false
		}
		t.values = append(t.values, c)
	}
	return t, true
}

// path is where faults of the value belong.
func (w condition) path() string {
	if names := w.value.Placeholders(); len(names) > 0 {
		return "params." + names[0]
	}
	return "where"
}

// holds reports whether a value of the column passes. null passes isNull only.
func (t test) holds(cell any) bool {
	switch {
	case t.op == "isNull":
		return cell == nil
	case t.op == "notNull":
		return cell != nil
	case cell == nil:
		return false
	}
	for _, v := range t.values {
		if t.one(cell, v) {
			return true
		}
	}
	return false
}

func (t test) one(cell, v any) bool {
	switch t.op {
	case "contains":
		return strings.Contains(plainText(cell), v.(string))
	case "startsWith":
		return strings.HasPrefix(plainText(cell), v.(string))
	case "endsWith":
		return strings.HasSuffix(plainText(cell), v.(string))
	}
	order, ok := compare(cell, v)
	switch t.op {
	case "eq", "in":
		return ok && order == 0
	case "ne":
		return !ok || order != 0
	case "gt":
		return ok && order > 0
	case "gte":
		return ok && order >= 0
	case "lt":
		return ok && order < 0
	}
	return ok && order <= 0
}

// comparable turns a parameter or literal into a value to compare a column with.
func comparable(v any, kind datasource.ColumnType, op string) (any, bool) {
	text := datasource.ParamText(v)
	if op == "contains" || op == "startsWith" || op == "endsWith" {
		return text, true
	}
	switch kind {
	case datasource.ColumnInteger, datasource.ColumnNumber, datasource.ColumnDecimal:
		if _, isText := v.(string); !isText && !isNumber(v) {
			return nil, false
		}
		return exactNumber(text)
	case datasource.ColumnBoolean:
		b, ok := v.(bool)
		if s, isText := v.(string); isText {
			b, ok = s == "true", s == "true" || s == "false"
		}
		return b, ok
	case datasource.ColumnDate, datasource.ColumnTimestamp:
		return parseTime(text)
	case datasource.ColumnString:
		return text, true
	}
	return loose(v, text), true
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, json.Number:
		return true
	}
	return false
}

// loose is for columns whose values are of several types.
func loose(v any, text string) any {
	switch v.(type) {
	case bool, time.Time:
		return v
	case int64, json.Number:
		if n, ok := exactNumber(text); ok {
			return n
		}
	case datasource.Date:
		if at, ok := parseTime(text); ok {
			return at
		}
	}
	return text
}

const (
	floatDigits = 15        // that a float64 keeps
	floatWhole  = 1<<53 - 1 // up to which it keeps whole numbers
)

// exactNumber reads a number of up to 400 digits.
func exactNumber(text string) (any, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	const most = 400
	if len(text) > most || strings.ContainsAny(text, "/_xXpPoObB") {
		return nil, false
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if n, err := strconv.Atoi(text[i+1:]); err != nil || n > most || n < -most {
			return nil, false
		}
	}
	if digits(text) <= floatDigits { // two of these are equal when their floats are
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	r, ok := new(big.Rat).SetString(text)
	return r, ok
}

func parseTime(text string) (any, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return nil, false
}

// compare orders a value of a cell and one of [comparable]. ok is false for
// values that have no order.
func compare(cell, v any) (order int, ok bool) {
	switch v := v.(type) {
	case string:
		return cmp.Compare(plainText(cell), v), true
	case bool:
		b, ok := cell.(bool)
		return cmp.Compare(rank(b), rank(v)), ok
	case time.Time:
		at, ok := momentOf(cell)
		return at.Compare(v), ok
	}
	return compareNumbers(cell, v)
}

// compareNumbers takes the short way where it cannot be wrong.
func compareNumbers(cell, v any) (order int, ok bool) {
	a, intA := cell.(int64)
	b, intB := v.(int64)
	if intA && intB {
		return cmp.Compare(a, b), true
	}
	x, okA := short(cell)
	y, okB := short(v)
	if okA && okB {
		return cmp.Compare(x, y), true
	}
	r, okA := ratOf(cell)
	s, okB := ratOf(v)
	if !okA || !okB {
		return 0, false
	}
	return r.Cmp(s), true
}

// short is a number that a float64 keeps.
func short(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), v <= floatWhole && v >= -floatWhole
	}
	return 0, false
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func momentOf(cell any) (time.Time, bool) {
	switch cell := cell.(type) {
	case time.Time:
		return cell, true
	case datasource.Date:
		at, err := time.Parse(time.DateOnly, string(cell))
		return at, err == nil
	}
	return time.Time{}, false
}

// ratOf is a number with the digits that it is shown with: 0.1 is a tenth.
func ratOf(cell any) (*big.Rat, bool) {
	switch cell := cell.(type) {
	case int64:
		return new(big.Rat).SetInt64(cell), true
	case float64:
		return new(big.Rat).SetString(strconv.FormatFloat(cell, 'g', -1, 64))
	case *big.Rat:
		return cell, true
	case datasource.Decimal:
		n, ok := exactNumber(string(cell))
		if !ok {
			return nil, false
		}
		return ratOf(n)
	}
	return nil, false
}

// plainText is how a value of a cell is written.
func plainText(cell any) string { return datasource.ParamText(textual(cell)) }
