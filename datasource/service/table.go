package service

import (
	"encoding/json"
	"strconv"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// maxHeaders is how many columns a group has. It is above what a table takes, which
// tells that there are too many.
const maxHeaders = 50_000

// header is the name of a column; a header without one leaves its cells out.
type header struct {
	name  string
	named bool
}

// table is a [Table] that is ready to be read.
type table struct {
	rows   []string
	groups []group
}

type group struct {
	headers, name, cells, value []string
	numbers                     bool
}

func newTable(in Table, faults *problem.Faults) *table {
	t := &table{rows: httpapi.ParsePointer(in.Rows, "table.rows", faults)}
	faults.Check(len(in.Groups) > 0, "table.groups", "must not be empty")
	for _, g := range in.Groups {
		t.groups = append(t.groups, group{
			headers: httpapi.ParsePointer(g.Headers, "table.groups", faults), name: httpapi.ParsePointer(g.Name, "table.groups", faults),
			cells: httpapi.ParsePointer(g.Cells, "table.groups", faults), value: httpapi.ParsePointer(g.Value, "table.groups", faults),
			numbers: g.Numbers,
		})
	}
	return t
}

// read makes rows of the cells, with the headers as columns.
func (t *table) read(document json.RawMessage, maxRows int) (datasource.Rows, error) {
	if !json.Valid(document) {
		return httpapi.Rows(document, nil, maxRows)
	}
	names := make([][]header, len(t.groups))
	for i, g := range t.groups {
		each(document, g.headers, func(header json.RawMessage) bool {
			names[i] = append(names[i], nameOf(header, g.name))
			return len(names[i]) < maxHeaders
		})
	}
	out := httpapi.NewTable(maxRows)
	each(document, t.rows, func(row json.RawMessage) bool {
		t.put(out, row, names)
		return out.Next()
	})
	return out.Rows()
}

func nameOf(document json.RawMessage, pointer []string) (h header) {
	v, ok := find(document, pointer)
	h.named = ok && v[0] == '"' && json.Unmarshal(v, &h.name) == nil
	return h
}

func (t *table) put(out *httpapi.Table, row json.RawMessage, names [][]header) {
	for i, g := range t.groups {
		j := 0
		each(row, g.cells, func(cell json.RawMessage) bool {
			if j == len(names[i]) {
				return false
			}
			if v, ok := find(cell, g.value); ok && names[i][j].named {
				out.Put(names[i][j].name, g.written(v))
			}
			j++
			return true
		})
	}
}

// written is a number for a text that is exactly one.
func (g group) written(value json.RawMessage) json.RawMessage {
	text, err := strconv.Unquote(string(value))
	if !g.numbers || err != nil || text == "" || text[0] == '"' || !json.Valid([]byte(text)) {
		return value
	}
	if c := text[len(text)-1]; c < '0' || c > '9' {
		return value
	}
	return json.RawMessage(text)
}

// each calls do with the elements of the list at a pointer, if there is one.
func each(document json.RawMessage, pointer []string, do func(json.RawMessage) bool) {
	if list, ok := find(document, pointer); ok {
		httpapi.Elements(list, do)
	}
}
