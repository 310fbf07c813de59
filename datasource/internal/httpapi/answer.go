package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/datasource"
)

// Rows makes rows of a JSON document: of a list of objects one row each, with
// the keys as columns in the order of their first appearance; of one object one
// row; of anything else a column "value". pointer leads to the rows. An empty
// document has none.
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
	t := table{index: map[string]int{}}
	if first(document) != '[' {
		return t.result(t.add(document))
	}
	var list []json.RawMessage
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, notJSON(err)
	}
	for _, element := range list[:min(len(list), maxRows+1)] {
		if err := t.add(element); err != nil {
			return nil, err
		}
	}
	return t.result(nil)
}

// Find is the value at a pointer in a valid document.
func Find(document json.RawMessage, pointer []string) (value json.RawMessage, ok bool) {
	for _, token := range pointer {
		ok = false
		switch first(document) {
		case '{':
			var object map[string]json.RawMessage
			_ = json.Unmarshal(document, &object)
			document, ok = object[token]
		case '[':
			var list []json.RawMessage
			_ = json.Unmarshal(document, &list)
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(list) {
				document, ok = list[i], true
			}
		}
		if !ok {
			return nil, false
		}
	}
	return document, true
}

func first(document []byte) byte {
	if trimmed := bytes.TrimLeft(document, " \t\r\n"); len(trimmed) > 0 {
		return trimmed[0]
	}
	return 0
}

// table grows by rows and by columns. Its rows hold only the cells that are
// there: were each as wide as the table, an answer whose rows share no keys would
// take far more memory than its text.
type table struct {
	columns []datasource.Column
	types   [][]datasource.ColumnType // by column: the types of its values
	index   map[string]int
	rows    [][]cell
}

type cell struct {
	column int
	value  any
}

func (t *table) result(err error) (datasource.Rows, error) {
	if err != nil {
		return nil, err
	}
	for i := range t.columns {
		t.columns[i].Type = common(t.types[i])
	}
	return &rows{columns: t.columns, left: t.rows, row: make([]any, len(t.columns))}, nil
}

func (t *table) add(element json.RawMessage) error {
	var row []cell
	if first(element) != '{' {
		t.rows = append(t.rows, t.put(row, "value", element))
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(element))
	if _, err := d.Token(); err != nil {
		return notJSON(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return notJSON(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return notJSON(err)
		}
		row = t.put(row, key.(string), v)
	}
	t.rows = append(t.rows, row)
	return nil
}

func (t *table) put(row []cell, key string, raw json.RawMessage) []cell {
	i, ok := t.index[key]
	if !ok {
		i = len(t.columns)
		t.index[key] = i
		t.columns, t.types = append(t.columns, datasource.Column{Name: key}), append(t.types, nil)
	}
	v := value(raw)
	if c, ok := columnType(v); ok && !slices.Contains(t.types[i], c) {
		t.types[i] = append(t.types[i], c)
	}
	return append(row, cell{i, v})
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
