package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// maxColumns is how many an answer may have. Their names take more memory than
// their text.
const maxColumns = 40_000

// Rows makes rows of a JSON document: of a list of objects one row each, with
// the keys as columns in the order of their first appearance; of one object one
// row; of anything else a column "value". pointer leads to the rows. An empty
// document has none. No more than maxRows and one are made, so that a cut is
// noticed.
func Rows(document json.RawMessage, pointer []string, maxRows int) (datasource.Rows, error) {
	if len(document) == 0 {
		return datasource.BufferedRows(nil, nil), nil
	}
	if !json.Valid(document) {
		return nil, notJSON(nil)
	}
	document, ok := Find(document, pointer)
	if !ok {
		return nil, Refused("the answer has nothing at the place that rows points to", "")
	}
	t := NewTable(maxRows)
	if first(document) != '[' {
		t.add(document)
		return t.Rows()
	}
	Elements(document, func(element json.RawMessage) bool { return t.add(element) })
	return t.Rows()
}

// Written makes rows of the answer to a request that has changed something. An
// answer that is not JSON has none, and an error says that the request was carried
// out: whoever repeats it, changes it twice.
func Written(document json.RawMessage, read func() (datasource.Rows, error)) (datasource.Rows, error) {
	if !json.Valid(document) {
		return datasource.BufferedRows(nil, nil), nil
	}
	rows, err := read()
	if err != nil {
		return nil, carriedOut(err)
	}
	return rows, nil
}

// Table grows by rows and by columns. Its rows hold only the cells that are
// there: were each as wide as the table, an answer whose rows share no keys would
// take far more memory than its text.
type Table struct {
	maxRows int
	columns []datasource.Column
	types   [][]datasource.ColumnType // by column: the types of its values
	index   map[string]int
	rows    [][]cell
	row     []cell
}

type cell struct {
	column int
	value  any
}

// NewTable is an empty table that takes maxRows rows and one more.
func NewTable(maxRows int) *Table { return &Table{maxRows: maxRows, index: map[string]int{}} }

// Put adds a cell to the row at hand.
func (t *Table) Put(column string, raw json.RawMessage) {
	i, ok := t.index[column]
	if !ok {
		if i = len(t.columns); i > maxColumns {
			return // Rows tells
		}
		t.index[column] = i
		t.columns, t.types = append(t.columns, datasource.Column{Name: column}), append(t.types, nil)
	}
	v := value(raw)
	if c, ok := columnType(v); ok && !slices.Contains(t.types[i], c) {
		t.types[i] = append(t.types[i], c)
	}
	t.row = append(t.row, cell{i, v})
}

// Next ends the row at hand. It reports whether there is room for another.
func (t *Table) Next() (room bool) {
	t.rows, t.row = append(t.rows, slices.Clone(t.row)), t.row[:0]
	return len(t.rows) <= t.maxRows && len(t.columns) <= maxColumns
}

// Rows is the table, or the refusal of one that is too wide.
func (t *Table) Rows() (datasource.Rows, error) {
	if len(t.columns) > maxColumns {
		return nil, problem.Newf(problem.Upstream, "response_too_wide", "the answer has more than %d columns", maxColumns).
			Fix("point rows at a list of objects that have the same members, or ask for fewer fields")
	}
	for i := range t.columns {
		t.columns[i].Type = common(t.types[i])
	}
	return &rows{columns: t.columns, left: t.rows, row: make([]any, len(t.columns))}, nil
}

// add makes a row of an element of a valid document.
func (t *Table) add(element json.RawMessage) (room bool) {
	if first(element) != '{' {
		t.Put("value", element)
		return t.Next()
	}
	members(element, func(key string, v json.RawMessage) bool {
		t.Put(key, v)
		return len(t.columns) <= maxColumns
	})
	return t.Next()
}

// rows reads a table.
type rows struct {
	columns []datasource.Column
	left    [][]cell
	row     []any
}

func (r *rows) Columns() []datasource.Column { return r.columns }
func (r *rows) Close() error                 { return nil }

func (r *rows) Next() ([]any, error) {
	if len(r.left) == 0 {
		return nil, io.EOF
	}
	clear(r.row)
	for _, c := range r.left[0] {
		r.row[c.column] = c.value
	}
	r.left = r.left[1:]
	return r.row, nil
}

func value(raw json.RawMessage) any {
	switch first(raw) {
	case '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return s
	case 't', 'f':
		return first(raw) == 't'
	case 'n':
		return nil
	case '{', '[':
		return datasource.JSON(raw)
	}
	s := string(bytes.TrimSpace(raw))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !wide(s) {
		return f
	}
	return datasource.Decimal(s)
}

// wide reports whether a number has more digits than a float64 keeps.
func wide(s string) bool {
	digits := 0
	for _, c := range s {
		if c == 'e' || c == 'E' {
			break
		}
		if '0' <= c && c <= '9' && (digits > 0 || c != '0') {
			digits++
		}
	}
	return digits > 15
}

// columnType is the type of a value; null has none.
func columnType(v any) (t datasource.ColumnType, ok bool) {
	switch v.(type) {
	case nil:
		return "", false
	case string:
		return datasource.ColumnString, true
	case bool:
		return datasource.ColumnBoolean, true
	case int64:
		return datasource.ColumnInteger, true
	case float64, datasource.Decimal:
		return datasource.ColumnNumber, true
	}
	return datasource.ColumnJSON, true
}

// common is the type that all values of a column share.
func common(types []datasource.ColumnType) datasource.ColumnType {
	slices.Sort(types)
	switch {
	case len(types) == 0:
		return datasource.ColumnUnknown
	case len(types) == 1:
		return types[0]
	case slices.Equal(types, []datasource.ColumnType{datasource.ColumnInteger, datasource.ColumnNumber}):
		return datasource.ColumnNumber
	}
	return datasource.ColumnJSON
}
