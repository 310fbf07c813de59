package api

import (
	"context"
	"encoding/json"
	"io"

	"github.com/jetadmin/jetadmin/datasource"
)

// fixed is a connector of a host: it answers every query with the same rows.
type fixed struct{}

func (fixed) Spec() datasource.Spec {
	return datasource.Spec{
		Type: "fixed", Title: "Fixed rows",
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
		},
		Operation: json.RawMessage(`{"type":"object"}`),
		Abilities: datasource.Abilities{Introspect: true},
	}
}

func (fixed) Parse(operation json.RawMessage) (datasource.Operation, error) {
	var op fixedOperation
	err := json.Unmarshal(operation, &op)
	return op, err
}

func (fixed) Import(document []byte) (datasource.Import, error) {
	return datasource.Import{Title: string(document), Suggestions: []datasource.Suggestion{{Name: "All", Operation: json.RawMessage(`{}`), Params: []datasource.Param{}}}}, nil
}

// fixedOperation may ask for more: rows in front of the others, and a failure
// behind all.
type fixedOperation struct {
	More int  `json:"more"`
	Fail bool `json:"fail"`
}

func (fixedOperation) Placeholders() []string { return nil }

func (fixed) Open(context.Context, datasource.Settings) (datasource.Conn, error) {
	return fixedConn{}, nil
}

type fixedConn struct{}

func (fixedConn) Ping(context.Context) error { return nil }
func (fixedConn) Close() error               { return nil }
func (fixedConn) Query(_ context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(fixedOperation)
	rows := make([][]any, op.More, op.More+2)
	for i := range rows {
		rows[i] = []any{int64(i), "=more"}
	}
	return &fixedRows{rows: append(rows, []any{int64(1), "Ärmel"}, []any{int64(9007199254740993), nil}), fail: op.Fail}, nil
}

func (fixedConn) Introspect(context.Context) (datasource.Schema, error) {
	return datasource.Schema{Tables: []datasource.Table{{Name: "rows", Kind: "table", Columns: []datasource.TableColumn{{Name: "n", Type: "bigint"}}}}}, nil
}

type fixedRows struct {
	rows [][]any
	fail bool
}

func (*fixedRows) Columns() []datasource.Column {
	return []datasource.Column{{Name: "n", Type: datasource.ColumnInteger}, {Name: "name", Type: datasource.ColumnString}}
}

func (r *fixedRows) Next() ([]any, error) {
	if len(r.rows) == 0 && r.fail {
		return nil, &datasource.StatementError{Message: "division by zero", Position: -1}
	}
	if len(r.rows) == 0 {
		return nil, io.EOF
	}
	row := r.rows[0]
	r.rows = r.rows[1:]
	return row, nil
}

func (*fixedRows) Close() error { return nil }
