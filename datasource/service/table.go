package service

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

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

// read makes objects of the rows, with the headers as keys.
func (t *table) read(document json.RawMessage, maxRows int) (datasource.Rows, error) {
	if !json.Valid(document) {
		return httpapi.Rows(document, nil, maxRows)
	}
	names := make([][]json.RawMessage, len(t.groups))
	for i, g := range t.groups {
		for _, header := range listAt(document, g.headers) {
			name, _ := find(header, g.name)
			names[i] = append(names[i], name)
		}
	}
	var out bytes.Buffer
	out.WriteByte('[')
	for i, row := range listAt(document, t.rows) {
		if i > maxRows {
			break
		}
		if i > 0 {
			out.WriteByte(',')
		}
		t.object(&out, row, names)
	}
	out.WriteByte(']')
	return httpapi.Rows(out.Bytes(), nil, maxRows)
}

func (t *table) object(out *bytes.Buffer, row json.RawMessage, names [][]json.RawMessage) {
	out.WriteByte('{')
	first := true
	for i, g := range t.groups {
		for j, cell := range listAt(row, g.cells) {
			value, ok := find(cell, g.value)
			if j >= len(names[i]) || len(names[i][j]) == 0 || names[i][j][0] != '"' || !ok {
				continue
			}
			if !first {
				out.WriteByte(',')
			}
			first = false
			out.Write(names[i][j])
			out.WriteByte(':')
			out.Write(g.written(value))
		}
	}
	out.WriteByte('}')
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

func listAt(document json.RawMessage, pointer []string) (list []json.RawMessage) {
	v, _ := find(document, pointer)
	_ = json.Unmarshal(v, &list)
	return list
}
