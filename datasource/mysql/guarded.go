package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

var errPanic = errors.New("the driver panicked at what the server sent")

// contain turns a panic into an error: the driver trusts the lengths that a server
// sends, and a server that lies must not end the process.
func contain(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", errPanic, v)
	}
}

// contain does so below the pool, whose locks would be held for ever, and closes
// the connection.
func (l *link) contain(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", errPanic, v)
		l.faulty = true
		_ = l.socket.Close()
	}
}

// IsValid reports whether the pool may use the connection again.
func (l *link) IsValid() bool { return !l.faulty && l.wire.IsValid() }

// Close ends the connection.
func (l *link) Close() (err error) {
	defer l.contain(&err)
	return l.wire.Close()
}

// Ping asks the server for a sign of life.
func (l *link) Ping(ctx context.Context) (err error) {
	defer l.contain(&err)
	l.socket.allow(smallAnswer)
	return l.wire.Ping(ctx)
}

// PrepareContext has the server read a statement.
func (l *link) PrepareContext(ctx context.Context, text string) (_ driver.Stmt, err error) {
	defer l.contain(&err)
	l.socket.allow(largeAnswer)
	s, err := l.wire.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement{s.(wireStatement), l}, nil
}

// ExecContext runs a constant statement that has no answer.
func (l *link) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (_ driver.Result, err error) {
	defer l.contain(&err)
	l.socket.allow(smallAnswer)
	return l.wire.ExecContext(ctx, text, args)
}

// QueryContext runs a constant statement.
func (l *link) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer l.contain(&err)
	l.socket.allow(smallAnswer)
	return l.guarded(l.wire.QueryContext(ctx, text, args))
}

func (l *link) guarded(r driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return result{r.(wireRows), l}, nil
}

// wireStatement is all that the pool asks of a statement of the driver.
type wireStatement interface {
	driver.Stmt
	driver.StmtQueryContext
}

type statement struct {
	wireStatement
	link *link
}

func (s statement) Close() (err error) {
	defer s.link.contain(&err)
	return s.wireStatement.Close()
}

func (s statement) QueryContext(ctx context.Context, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer s.link.contain(&err)
	s.link.socket.allow(largeAnswer)
	return s.link.guarded(s.wireStatement.QueryContext(ctx, args))
}

// wireRows is all that the pool asks of rows of the driver.
type wireRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
}

type result struct {
	wireRows
	link *link
}

func (r result) Next(row []driver.Value) (err error) {
	defer r.link.contain(&err)
	return r.wireRows.Next(row)
}

func (r result) NextResultSet() (err error) {
	defer r.link.contain(&err)
	return r.wireRows.NextResultSet()
}

func (r result) Close() (err error) {
	defer r.link.contain(&err)
	return r.wireRows.Close()
}
