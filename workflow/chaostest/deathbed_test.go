//go:build unix

package chaostest

import (
	"context"
	"database/sql/driver"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// deathbed kills its own process at a moment that no other process can hit: right
// before or right after the commit of a node's result.
type deathbed struct{ before, after atomic.Bool }

func (d *deathbed) wrap(c driver.Connector) driver.Connector { return dyingConnector{c, d} }

type dyingConnector struct {
	driver.Connector
	bed *deathbed
}

func (c dyingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &dyingConn{Conn: conn, bed: c.bed}, nil
}

type dyingConn struct {
	driver.Conn
	bed    *deathbed
	inTx   bool
	result bool // the transaction stores one
}

// note looks out for the statement that stores what a node came to.
func (c *dyingConn) note(query string) {
	if strings.Contains(query, "INSERT") && strings.Contains(query, "jet_run_output") {
		c.result = true
	}
}

// around runs what commits, and dies before or after it if that was ordered.
func (c *dyingConn) around(commit func() error) error {
	if c.result && c.bed.before.Load() {
		die()
	}
	err := commit()
	if c.result && err == nil && c.bed.after.Load() {
		die()
	}
	c.result = false
	return err
}

// die is kill -9, and does not return.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (c *dyingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	c.note(query)
	exec := func() error {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	}
	if c.inTx {
		err = exec()
	} else {
		err = c.around(exec)
	}
	return res, err
}

func (c *dyingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	c.note(query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *dyingConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	c.inTx, c.result = true, false
	return dyingTx{tx, c}, nil
}

func (c *dyingConn) CheckNamedValue(v *driver.NamedValue) error {
	if conn, ok := c.Conn.(driver.NamedValueChecker); ok {
		return conn.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *dyingConn) IsValid() bool {
	conn, ok := c.Conn.(driver.Validator)
	return !ok || conn.IsValid()
}

func (c *dyingConn) ResetSession(ctx context.Context) error {
	if conn, ok := c.Conn.(driver.SessionResetter); ok {
		return conn.ResetSession(ctx)
	}
	return nil
}

func (c *dyingConn) Ping(ctx context.Context) error {
	if conn, ok := c.Conn.(driver.Pinger); ok {
		return conn.Ping(ctx)
	}
	return nil
}

type dyingTx struct {
	driver.Tx
	conn *dyingConn
}

func (tx dyingTx) Commit() error {
	tx.conn.inTx = false
	return tx.conn.around(tx.Tx.Commit)
}

func (tx dyingTx) Rollback() error {
	tx.conn.inTx, tx.conn.result = false, false
	return tx.Tx.Rollback()
}
