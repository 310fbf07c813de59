package workflow_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// line is a connection to the database that can be disturbed. Its functions are
// asked for each statement or transaction, and may be nil.
type line struct {
	// refuse says that a statement does not arrive.
	refuse func(query string) bool

	// spoil says that the database does not take what is in a statement.
	spoil func(query string) bool

	// swallow says that a statement is executed and its answer lost.
	swallow func(query string) bool

	// commit says what happens to the commit of a transaction with the statements.
	commit func(statements string) fate
}

type fate int

const (
	arrives    fate = iota
	answerLost      // it is committed, and whoever asked for it gets an error
	cut             // the server ends the connection before it hears of it
)

var errLine = &net.OpError{Op: "read", Err: errors.New("the line is disturbed")}

// spoiled is what PostgreSQL says of a value that it does not take.
type spoiled struct{}

func (spoiled) Error() string    { return "invalid value" }
func (spoiled) SQLState() string { return "22000" }

func (l *line) before(query string) error {
	switch {
	case l.refuse != nil && l.refuse(query):
		return errLine
	case l.spoil != nil && l.spoil(query):
		return spoiled{}
	}
	return nil
}

// eachLine runs a test on each dialect with a disturbed line; cut is made by the
// server itself on PostgreSQL.
func eachLine(t *testing.T, test func(t *testing.T, open func(l *line) *store.DB)) {
	t.Run(string(store.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, func(l *line) *store.DB {
			pool, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "line.db"), l.wrap(func(driver.Conn) {}))
			if err != nil {
				t.Fatal(err)
			}
			return migrated(t, pool, store.SQLite, "")
		})
	})
	t.Run(string(store.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		dsn, schema := testdb.PostgresSchema(t)
		test(t, func(l *line) *store.DB {
			admin, err := store.OpenPostgres(dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = admin.Close() })
			pool, err := store.OpenPostgres(dsn, l.wrap(func(c driver.Conn) {
				pid := c.(interface{ Conn() *pgx.Conn }).Conn().PgConn().PID()
				if _, err := admin.Exec("SELECT pg_terminate_backend($1, 10000)", pid); err != nil {
					t.Errorf("cut a connection: %v", err)
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			return migrated(t, pool, store.PostgreSQL, schema)
		})
	})
}

// nth is true for the nth call about which ok says yes.
func nth(n int32, ok func(text string) bool) func(text string) bool {
	var calls atomic.Int32
	return func(text string) bool { return ok(text) && calls.Add(1) == n }
}

func has(parts ...string) func(text string) bool {
	return func(text string) bool {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				return false
			}
		}
		return true
	}
}

func (l *line) wrap(end func(driver.Conn)) store.Wrap {
	return func(c driver.Connector) driver.Connector { return lineConnector{c, l, end} }
}

type lineConnector struct {
	driver.Connector
	line *line
	end  func(driver.Conn)
}

func (c lineConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &lineConn{Conn: conn, line: c.line, end: c.end}, nil
}

type lineConn struct {
	driver.Conn
	line       *line
	end        func(driver.Conn)
	statements strings.Builder // of the transaction
}

// sent is all that goes over the line for a statement.
func (c *lineConn) sent(query string, args []driver.NamedValue) string {
	text := fmt.Sprint(query, args)
	c.statements.WriteString(text)
	return text
}

func (c *lineConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	text := c.sent(query, args)
	if err := c.line.before(text); err != nil {
		return nil, err
	}
	res, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if swallow := c.line.swallow; err == nil && swallow != nil && swallow(text) {
		return nil, errLine
	}
	return res, err
}

func (c *lineConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	text := c.sent(query, args)
	if err := c.line.before(text); err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if swallow := c.line.swallow; err == nil && swallow != nil && swallow(text) {
		return nil, errors.Join(errLine, rows.Close())
	}
	return rows, err
}

func (c *lineConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	c.statements.Reset()
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	return lineTx{tx, c}, err
}

func (c *lineConn) CheckNamedValue(v *driver.NamedValue) error {
	if conn, ok := c.Conn.(driver.NamedValueChecker); ok {
		return conn.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *lineConn) IsValid() bool {
	conn, ok := c.Conn.(driver.Validator)
	return !ok || conn.IsValid()
}

type lineTx struct {
	driver.Tx
	conn *lineConn
}

func (tx lineTx) Commit() error {
	what := arrives
	if commit := tx.conn.line.commit; commit != nil {
		what = commit(tx.conn.statements.String())
	}
	if what == cut {
		tx.conn.end(tx.conn.Conn)
		if _, ok := tx.conn.Conn.(interface{ Conn() *pgx.Conn }); !ok {
			return errors.Join(errLine, tx.Rollback())
		}
	}
	err := tx.Tx.Commit()
	if what == answerLost {
		err = errors.Join(errLine, err)
	}
	return err
}
