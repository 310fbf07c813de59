package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"
)

// Most statements here go through bun, which writes arguments into the text: each
// text is new, and the server reads and plans it again. For the few statements
// that run thousands of times a second that is a third of what they cost. They are
// sent by the functions of this file, as a text that stays the same and arguments
// beside it, which the driver prepares once a connection when its pool is set to.

// Select runs a statement with placeholders "?" and scans all rows into dest, as
// [bun.DB.ScanRows] does. Arguments are what the driver takes; see [Column] for
// times.
func Select(ctx context.Context, tx bun.IDB, dest any, text string, args ...any) error {
	bunDB, conn := beneath(tx)
	rows, err := conn.QueryContext(ctx, numbered(bunDB, text), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return bunDB.ScanRows(ctx, rows, dest)
}

// Exec runs a statement with placeholders "?".
func Exec(ctx context.Context, tx bun.IDB, text string, args ...any) (sql.Result, error) {
	bunDB, conn := beneath(tx)
	return conn.ExecContext(ctx, numbered(bunDB, text), args...)
}

// InsertSQL is a statement that inserts the rows of a model, given as its one
// argument, see [Records]. They come from many tenants, each row with its own.
func InsertSQL[T any](tx bun.IDB) string {
	table := tx.Dialect().Tables().Get(reflect.TypeFor[T]())
	names := make([]string, len(table.Fields))
	for i, f := range table.Fields {
		names[i] = f.Name
	}
	columns := strings.Join(names, ", ")
	from := "json_populate_recordset(NULL::" + table.Name + ", ?::json)"
	if tx.Dialect().Name() == dialect.SQLite {
		// "WHERE true" tells its parser that an ON after it is no join's.
		from = "(SELECT value ->> '" + strings.Join(names, "', value ->> '") + "' FROM json_each(?)) WHERE true"
		columns = "*"
	}
	return "INSERT INTO " + table.Name + " AS " + table.Alias + " (" + strings.Join(names, ", ") + ") /* across tenants: rows of one process */" +
		" SELECT " + columns + " FROM " + from
}

// Records are rows of a model as a JSON array, for [Dialect.Records] and
// [InsertSQL].
func Records[T any](tx bun.IDB, rows []*T) string {
	fields := tx.Dialect().Tables().Get(reflect.TypeFor[T]()).Fields
	b := make([]byte, 0, 256*len(rows))
	for i, row := range rows {
		b = append(b, ",["[min(i, 1)^1])
		b = appendRecord(b, fields, reflect.ValueOf(row).Elem())
	}
	return string(append(b, ']'))
}

func appendRecord(b []byte, fields []*schema.Field, row reflect.Value) []byte {
	for i, f := range fields {
		b = append(b, ",{"[min(i, 1)^1], '"')
		b = append(append(b, f.Name...), '"', ':')
		b = appendValue(b, row.FieldByIndex(f.Index))
	}
	return append(b, '}')
}

func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return appendValue(b, v.Elem())
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	}
	return appendString(b, Column(v.Interface().(time.Time)))
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string cannot fail
	return append(b, text...)
}

// Column is a time as bun writes it: SQLite compares the texts.
func Column(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999-07:00") }

type driverConn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// beneath is what bun sends its texts to.
func beneath(tx bun.IDB) (*bun.DB, driverConn) {
	switch tx := tx.(type) {
	case *bun.DB:
		return tx, tx.DB
	case bun.Tx:
		return tx.NewRaw("").DB(), tx.Tx
	case joined:
		return tx.DB, tx.tx
	}
	panic(fmt.Sprintf("store: statements cannot be sent to a %T", tx))
}

// numbered writes the schema into a text, and numbers into its placeholders, which
// both servers read.
func numbered(db *bun.DB, text string) string {
	parts := strings.Split(db.QueryGen().FormatQuery(text), "?")
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}
