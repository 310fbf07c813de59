package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
)

// Dialect is one of the two databases that can hold the platform's own data.
// Everything in which they differ is in this file.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "postgres"
	SQLite     Dialect = "sqlite"
)

// Detect names the dialect of a pool by its driver, or "" for a driver it does
// not know (a tracing wrapper, say). It makes no connection.
func Detect(db *sql.DB) Dialect {
	switch reflect.TypeOf(db.Driver()).String() {
	case "*stdlib.Driver", "*pq.Driver":
		return PostgreSQL
	case "*sqlite.Driver", "*sqlite3.SQLiteDriver":
		return SQLite
	}
	return ""
}

func (d Dialect) bun() (schema.Dialect, error) {
	switch d {
	case PostgreSQL:
		return pgdialect.New(), nil
	case SQLite:
		return sqlitedialect.New(), nil
	}
	return nil, fmt.Errorf("unknown dialect %q", string(d))
}

// Now is the database's clock as an SQL expression. Leases and timers are
// judged by it, so that processes with different clocks agree.
func (d Dialect) Now() string {
	if d == SQLite {
		return "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"
	}
	return "clock_timestamp()"
}

// After is the database's clock plus a number of milliseconds, which the
// caller gives as the next argument of the statement.
func (d Dialect) After() string {
	if d == SQLite {
		return "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', (? / 1000.0) || ' seconds')"
	}
	return "clock_timestamp() + ? * interval '1 millisecond'"
}

// UpFor is whether the server of the database has run for longer than a number of
// milliseconds, which the caller gives as the next argument of the statement.
// SQLite has no server.
func (d Dialect) UpFor() string {
	if d == SQLite {
		return "? >= 0"
	}
	return "pg_postmaster_start_time() + ? * interval '1 millisecond' < clock_timestamp()"
}

// NowMillis is the database's clock in milliseconds since 1970, for those who
// have to calculate with it.
func (d Dialect) NowMillis() string {
	if d == SQLite {
		return "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
	}
	return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
}

// AfterColumn is the database's clock plus the milliseconds in a column.
func (d Dialect) AfterColumn(column string) string {
	return strings.Replace(d.After(), "?", column, 1)
}

// Bytes is the length of a text column in bytes.
func (d Dialect) Bytes(column string) string {
	if d == SQLite {
		return "length(CAST(" + column + " AS BLOB))"
	}
	return "octet_length(" + column + ")"
}

// Records is an item of a FROM clause: the rows "d" of a JSON array of objects,
// which the caller gives as the next argument of the statement. Columns are
// written as PostgreSQL wants them: "id uuid". One statement with one argument
// then writes as many rows as there are.
func (d Dialect) Records(columns ...string) string {
	if d != SQLite {
		return "json_to_recordset(?::json) AS d (" + strings.Join(columns, ", ") + ")"
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		name, _, _ := strings.Cut(c, " ")
		list[i] = "value ->> '" + name + "' AS " + name
	}
	return "(SELECT " + strings.Join(list, ", ") + " FROM json_each(?)) AS d"
}

// Among says of rows that are joined with [Dialect.Records] by their ids that they
// are among ids. That changes nothing but the plan: PostgreSQL finds few rows by the
// ids, where it expects many of a list of records. SQLite goes through the records
// and finds each row by its id already; with more to choose from it would go through
// all records for each id.
func (d Dialect) Among(column string, ids []string) (condition string, args []any) {
	if d == SQLite {
		return "", nil
	}
	return " AND " + d.AnyOf(column), []any{d.IDs(ids)}
}

// AnyOf compares a column of ids with a list of them, which the caller gives as
// the next argument of the statement, see [Dialect.IDs].
func (d Dialect) AnyOf(column string) string {
	if d == SQLite {
		return column + " IN (SELECT value FROM json_each(?))"
	}
	return column + " = ANY(?::uuid[])"
}

// IDs is a list of ids as one argument.
func (d Dialect) IDs(ids []string) string {
	if d != SQLite {
		return "{" + strings.Join(ids, ",") + "}"
	}
	if len(ids) == 0 {
		return "[]"
	}
	return `["` + strings.Join(ids, `","`) + `"]`
}

// Some picks rows of a table by where they lie, a number of those that a condition
// is true for. The caller gives the arguments of the condition, then the number.
func (d Dialect) Some(table, where string) string {
	if d == SQLite {
		return "rowid IN (SELECT rowid FROM " + table + " WHERE " + where + " LIMIT ?)"
	}
	return "ctid = ANY(ARRAY(SELECT ctid FROM " + table + " WHERE " + where + " LIMIT ?))"
}

// ForUpdate locks the rows of a SELECT until the end of the transaction. SQLite
// has one writer, and every transaction is a writing one from its start.
func (d Dialect) ForUpdate() string {
	if d == SQLite {
		return ""
	}
	return "FOR UPDATE"
}

// ForUpdateOf is [Dialect.ForUpdate] for one table of a join, by its alias.
func (d Dialect) ForUpdateOf(alias string) string {
	if d == SQLite {
		return ""
	}
	return "FOR UPDATE OF " + alias
}

// Lock makes a SELECT of bun lock its rows, as [Dialect.ForUpdate] does in text.
func (d Dialect) Lock(q *bun.SelectQuery) *bun.SelectQuery {
	if d == SQLite {
		return q
	}
	return q.For("UPDATE")
}

// LockFree is [Dialect.Lock] that passes over rows somebody else holds. It does
// not take those for held whose keys alone others make sure of, as they do when
// they insert what refers to them.
func (d Dialect) LockFree(q *bun.SelectQuery) *bun.SelectQuery {
	if d == SQLite {
		return q
	}
	return q.For("NO KEY UPDATE SKIP LOCKED")
}

// SkipLocked is [Dialect.ForUpdate] that passes over rows somebody else holds.
func (d Dialect) SkipLocked() string {
	if d == SQLite {
		return ""
	}
	return "FOR UPDATE SKIP LOCKED"
}

// SkipLockedOf is [Dialect.SkipLocked] for one table of a join, by its alias.
func (d Dialect) SkipLockedOf(alias string) string {
	if d == SQLite {
		return ""
	}
	return d.ForUpdateOf(alias) + " SKIP LOCKED"
}

// The SQLSTATE and SQLite result codes that callers tell apart.
const (
	pgUnique        = "23505"
	pgForeignKey    = "23503"
	pgInvalidText   = "22P02"
	pgNoTable       = "42P01"
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgSyntax        = "42601"

	sqliteError      = 1
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteNoMemory   = 7
	sqliteInterrupt  = 9
	sqliteIO         = 10
	sqliteFull       = 13
	sqliteCannotOpen = 14
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
	sqliteForeignKey = 787
	sqlitePrimaryKey = 1555
	sqliteUnique     = 2067
)

// IsUnique reports whether err says that a unique key is taken.
func IsUnique(err error) bool {
	return sqlState(err) == pgUnique || sqliteCode(err) == sqliteUnique || sqliteCode(err) == sqlitePrimaryKey
}

// IsForeignKey reports whether err says that a row is still referred to, or
// refers to one that is not there.
func IsForeignKey(err error) bool {
	return sqlState(err) == pgForeignKey || sqliteCode(err) == sqliteForeignKey
}

// IsMissing reports whether err says that there is no such row. An id that is
// not one (PostgreSQL refuses it, SQLite does not find it) is also missing.
func IsMissing(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || sqlState(err) == pgInvalidText
}

// IsNoTable reports whether err says that there is no table of the name. SQLite
// has one code for all that is wrong with a statement, and a text for this.
func IsNoTable(err error) bool {
	return sqlState(err) == pgNoTable || sqliteCode(err) == sqliteError && strings.Contains(err.Error(), "no such table")
}

// IsSpoiled reports whether the database refused a statement because of what is
// in it, not because of the state that the database or the connection is in. A
// text with a NUL is among this: it makes a statement that nobody can read.
func IsSpoiled(err error) bool {
	if state := sqlState(err); state != "" {
		class := state[:2]
		return class == "21" || class == "22" || class == "23" || class == "54" || state == pgSyntax
	}
	switch sqliteCode(err) & 0xff {
	case sqliteTooBig, sqliteConstraint, sqliteMismatch:
		return true
	case sqliteError:
		return strings.Contains(err.Error(), "syntax error") || strings.Contains(err.Error(), "unrecognized token")
	}
	return false
}

// IsOutage reports whether err says nothing about the statement: the database or
// the connection to it is away, or busy, or took too long.
func IsOutage(err error) bool {
	var network net.Error
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) {
		return true
	}
	if state := sqlState(err); state != "" {
		switch state[:2] {
		case "08", "40", "53", "55", "57", "58":
			return true
		}
	}
	switch sqliteCode(err) & 0xff {
	case sqliteBusy, sqliteLocked, sqliteNoMemory, sqliteInterrupt, sqliteIO, sqliteFull, sqliteCannotOpen:
		return true
	}
	return false
}

// isTransient reports whether the same transaction may succeed when tried again.
func isTransient(err error) bool {
	state := sqlState(err)
	return state == pgSerialization || state == pgDeadlock || sqliteCode(err)&0xff == sqliteBusy
}

func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}

func sqliteCode(err error) int {
	if e, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return e.Code()
	}
	return 0
}
