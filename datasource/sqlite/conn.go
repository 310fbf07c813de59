package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

const (
	maxConns = 4
	idleTime = time.Minute
)

// conn is one file: a pool that can only read it, and one that writes. SQLite
// has one writer, so that pool is one connection.
type conn struct{ reader, writer *sql.DB }

func open(path string) *conn {
	c := &conn{
		reader: pool(path, "ro", sqliteReader),
		writer: pool(path, "rw", sqliteWriter),
	}
	c.reader.SetMaxOpenConns(maxConns)
	c.reader.SetMaxIdleConns(maxConns)
	c.writer.SetMaxOpenConns(1)
	return c
}

func pool(path, mode string, authorizer sqlite.AuthorizerFn) *sql.DB {
	q := url.Values{"mode": {mode}, "_defensive": {"1"}, "_busy_timeout": {"5000"}, "_pragma": {"trusted_schema(0)"}, "_timezone": {"UTC"}}
	if mode == "ro" {
		q.Set("_query_only", "1")
	}
	db := sql.OpenDB(&opener{dsn: "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode(), driver: newDriver(authorizer)})
	db.SetConnMaxIdleTime(idleTime)
	return db
}

// opener is a driver.Connector on a driver of its own, whose hook no other user
// of the SQLite package shares.
type opener struct {
	dsn    string
	driver *sqlite.Driver
}

func (o *opener) Connect(context.Context) (driver.Conn, error) { return o.driver.Open(o.dsn) }
func (o *opener) Driver() driver.Driver                        { return o.driver }

func newDriver(authorizer sqlite.AuthorizerFn) *sqlite.Driver {
	d := new(sqlite.Driver)
	d.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		r, ok := c.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the SQLite driver has no authorizer")
		}
		return r.RegisterAuthorizer(authorizer)
	})
	return d
}

func (c *conn) Ping(ctx context.Context) error {
	var n int
	return connectError(c.reader.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n))
}

func (c *conn) Close() error { return errors.Join(c.reader.Close(), c.writer.Close()) }

// Query runs on the read-only connections.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	session, err := acquire(ctx, c.reader, s)
	if err != nil {
		return nil, err
	}
	rows, err := query(ctx, session, s)
	if err != nil {
		_ = session.Close()
		return nil, whileReading(err)
	}
	rows.done = session.Close
	return rows, nil
}

// Exec runs a statement on the writer. SQLite keeps or drops the whole of one
// statement, so it needs no transaction around it.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	session, err := acquire(ctx, c.writer, s)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	before, _, err := changes(ctx, session)
	if err != nil {
		return nil, err
	}
	rows, err := query(ctx, session, s)
	if err != nil {
		return nil, err
	}
	kept, err := datasource.Buffer(rows, s)
	if closing := rows.Close(); err == nil {
		err = queryError(closing)
	}
	if err != nil {
		return nil, err
	}
	after, affected, err := changes(ctx, session)
	if err != nil {
		return nil, err
	}
	if after == before {
		affected = 0 // changes() still speaks of an earlier statement
	}
	return datasource.ExecRows(rows.columns, kept, affected), nil
}

func changes(ctx context.Context, session *sql.Conn) (total, last int64, err error) {
	err = session.QueryRowContext(ctx, "SELECT total_changes(), changes()").Scan(&total, &last)
	return total, last, queryError(err)
}

func acquire(ctx context.Context, db *sql.DB, s datasource.Statement) (*sql.Conn, error) {
	session, err := db.Conn(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	for limit, n := range map[int]int{
		lib.SQLITE_LIMIT_LENGTH:         int(max(s.MaxBytes, 1<<20)),
		lib.SQLITE_LIMIT_ATTACHED:       0,
		lib.SQLITE_LIMIT_WORKER_THREADS: 0,
	} {
		if _, err := sqlite.Limit(session, limit, n); err != nil {
			_ = session.Close()
			return nil, connectError(err)
		}
	}
	return session, nil
}

func query(ctx context.Context, session *sql.Conn, s datasource.Statement) (*rows, error) {
	statement := s.Operation.(*template.SQL)
	bound, err := statement.Bind(func(name string) any { return s.Params[name] })
	if err != nil {
		return nil, err
	}
	args := make([]any, len(bound.Args))
	for i, v := range bound.Args {
		args[i] = argument(v)
	}
	r, err := session.QueryContext(ctx, bound.Text, args...)
	if err != nil {
		return nil, queryError(err)
	}
	return newRows(r)
}

// argument gives a value the form in which SQLite keeps its kind: days and times
// are texts like those of its own date functions.
func argument(v any) any {
	switch v := v.(type) {
	case datasource.Date:
		return string(v)
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.999999")
	case json.RawMessage:
		return string(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
