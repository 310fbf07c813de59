package sqlite

import (
	"database/sql"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// rows reads an answer of the driver.
type rows struct {
	sql     *sql.Rows
	columns []datasource.Column
	row     []any
	into    []any
	done    func() error // gives the connection back; nil = the caller does
}

func newRows(r *sql.Rows) (*rows, error) {
	types, err := r.ColumnTypes()
	if err != nil {
		_ = r.Close()
		return nil, queryError(err)
	}
	out := &rows{sql: r, columns: make([]datasource.Column, len(types)), row: make([]any, len(types)), into: make([]any, len(types))}
	for i, t := range types {
		declared := strings.ToUpper(t.DatabaseTypeName())
		out.columns[i] = datasource.Column{Name: t.Name(), DatabaseType: declared, Type: columnType(declared)}
		out.into[i] = &out.row[i]
	}
	return out, nil
}

func (r *rows) Columns() []datasource.Column { return r.columns }

func (r *rows) Next() ([]any, error) {
	if !r.sql.Next() {
		if err := r.sql.Err(); err != nil {
			return nil, queryError(err)
		}
		return nil, io.EOF
	}
	if err := r.sql.Scan(r.into...); err != nil {
		return nil, queryError(err)
	}
	for i, v := range r.row {
		r.row[i] = value(v, r.columns[i].Type)
	}
	return r.row, nil
}

func (r *rows) Close() error {
	err := r.sql.Close()
	if r.done != nil {
		err = errors.Join(err, r.done())
	}
	return err
}

// columnType reads a declared type by SQLite's own rules of affinity. What is
// stored may still be of another type: each value keeps its own.
func columnType(declared string) datasource.ColumnType {
	has := func(part string) bool { return strings.Contains(declared, part) }
	switch {
	case declared == "":
		return datasource.ColumnUnknown
	case has("INT"):
		return datasource.ColumnInteger
	case has("BOOL"):
		return datasource.ColumnBoolean
	case declared == "DATE":
		return datasource.ColumnDate
	case declared == "DATETIME" || declared == "TIMESTAMP":
		return datasource.ColumnTimestamp
	case has("CHAR") || has("CLOB") || has("TEXT"):
		return datasource.ColumnString
	case has("BLOB"):
		return datasource.ColumnBytes
	case has("REAL") || has("FLOA") || has("DOUB") || has("DEC") || has("NUM"):
		return datasource.ColumnNumber
	}
	return datasource.ColumnUnknown
}

func value(v any, t datasource.ColumnType) any {
	switch x := v.(type) {
	case int64:
		if t == datasource.ColumnBoolean && (x == 0 || x == 1) {
			return x == 1
		}
	case time.Time:
		if t == datasource.ColumnDate && x.Equal(x.Truncate(24*time.Hour)) {
			return datasource.Date(x.Format(time.DateOnly))
		}
	}
	return v
}
