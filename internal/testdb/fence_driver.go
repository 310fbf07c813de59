package testdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/internal/store"
)

// fenced puts the tenant fence between a pool and its driver; what it finds
// fails the test.
func fenced(t testing.TB) store.Wrap { return newFence(t).wrap }

func (f *fence) wrap(c driver.Connector) driver.Connector { return fencedConnector{c, f} }

type fencedConnector struct {
	driver.Connector // its Driver stays visible, for store.Detect
	fence            *fence
}

func (c fencedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	fenced := &fencedConn{Conn: conn, fence: c.fence}
	if pg, ok := conn.(pgConn); ok {
		return &fencedPgConn{fencedConn: fenced, pg: pg}, nil
	}
	return fenced, nil
}

// fencedPgConn also gives sql.Conn.Raw the pgx connection, whose statements the
// fence does not see.
type fencedPgConn struct {
	*fencedConn
	pg pgConn
}

// pgConn is what pgx gives to database/sql.
type pgConn interface{ Conn() *pgx.Conn }

// Conn is the pgx connection.
func (c *fencedPgConn) Conn() *pgx.Conn { return c.pg.Conn() }

// fencedConn checks each statement and hands on everything that the two drivers
// can do beyond driver.Conn.
type fencedConn struct {
	driver.Conn
	fence *fence
}

var errNotFenced = errors.New("testdb: the driver has no context-aware statements")

// Unwrap gives the driver's connection to functions of the driver.
func (c *fencedConn) Unwrap() driver.Conn { return c.Conn }

func (c *fencedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.fence.check(ctx, query, args)
	if conn, ok := c.Conn.(driver.ExecerContext); ok {
		return conn.ExecContext(ctx, query, args)
	}
	return nil, errNotFenced
}

func (c *fencedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.fence.check(ctx, query, args)
	if conn, ok := c.Conn.(driver.QueryerContext); ok {
		return conn.QueryContext(ctx, query, args)
	}
	return nil, errNotFenced
}

func (c *fencedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	conn, ok := c.Conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, errNotFenced
	}
	stmt, err := conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &fencedStmt{Stmt: stmt, fence: c.fence, query: query}, nil
}

func (c *fencedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if conn, ok := c.Conn.(driver.ConnBeginTx); ok {
		return conn.BeginTx(ctx, options)
	}
	return nil, errNotFenced
}

func (c *fencedConn) CheckNamedValue(v *driver.NamedValue) error {
	if conn, ok := c.Conn.(driver.NamedValueChecker); ok {
		return conn.CheckNamedValue(v)
	}
	return driver.ErrSkip // the rules of database/sql
}

func (c *fencedConn) Ping(ctx context.Context) error {
	if conn, ok := c.Conn.(driver.Pinger); ok {
		return conn.Ping(ctx)
	}
	return nil
}

func (c *fencedConn) ResetSession(ctx context.Context) error {
	if conn, ok := c.Conn.(driver.SessionResetter); ok {
		return conn.ResetSession(ctx)
	}
	return nil
}

func (c *fencedConn) IsValid() bool {
	if conn, ok := c.Conn.(driver.Validator); ok {
		return conn.IsValid()
	}
	return true
}

// fencedStmt is a prepared statement: it is checked with each set of arguments.
type fencedStmt struct {
	driver.Stmt
	fence *fence
	query string
}

func (s *fencedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.fence.check(ctx, s.query, args)
	if stmt, ok := s.Stmt.(driver.StmtExecContext); ok {
		return stmt.ExecContext(ctx, args)
	}
	return nil, errNotFenced
}

func (s *fencedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.fence.check(ctx, s.query, args)
	if stmt, ok := s.Stmt.(driver.StmtQueryContext); ok {
		return stmt.QueryContext(ctx, args)
	}
	return nil, errNotFenced
}
