// Package file makes datasources of uploaded files: tables as text (type "csv")
// and workbooks of Excel (type "excel").
//
// A query selects columns and rows; there is no SQL engine. Files are read as a
// stream: a query holds some rows of one in memory, and of a workbook its shared
// texts, of at most 16 MiB.
package file

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Content is an uploaded file. Reads end with the context that it was opened
// with.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Open gives the content of a file of a tenant. One that is not there is a
// problem of the kind NotFound. It must be safe for concurrent use.
type Open func(ctx context.Context, tenantID, fileID string) (Content, error)

// maxReaders is how many queries read the file of a datasource at a time.
const maxReaders = 4

// format reads one type of files.
type format interface {
	open(ctx context.Context, c Content, s datasource.Settings) (book, error)
}

// book is an open file.
type book interface {
	// sheets names the tables in it.
	sheets() []string
	// read begins to read one, "" = the first.
	read(sheet string) (source, error)
}

// source gives the rows of a table as they are written.
type source interface {
	io.Closer
	// next is the values of the next row, or io.EOF. The slice may be reused.
	next() ([]any, error)
	// line is where the last row is, place names such a line for a person.
	line() int
	place(line int) string
	// judge gives the types of columns, by some rows and by what is declared.
	judge(names []string, sample [][]any) ([]datasource.ColumnType, error)
	// convert gives a value the type of its column, as far as it has it. ok is
	// false when it must have it and has not.
	convert(v any, column datasource.Column) (converted any, ok bool)
}

// conn is a file.
type conn struct {
	file     Open
	format   format
	settings datasource.Settings
	slots    chan struct{}
	closed   atomic.Bool
}

func newConn(file Open, f format, s datasource.Settings) *conn {
	return &conn{file: file, format: f, settings: s, slots: make(chan struct{}, maxReaders)}
}

func (c *conn) Close() error {
	c.closed.Store(true)
	return nil
}

// Ping reads the beginning of the file.
func (c *conn) Ping(ctx context.Context) error {
	t, err := c.table(ctx, "")
	if s, ok := errors.AsType[*datasource.StatementError](err); ok {
		return problem.New(problem.Upstream, "file_unsound", s.Message).
			Fix("correct the file and upload it again, or correct the settings of the datasource").Because(err)
	}
	if err != nil {
		return err
	}
	return t.Close()
}

// Query reads what an operation selects.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	t, err := c.table(ctx, op.sheet)
	if err != nil {
		return nil, err
	}
	r, err := newRows(ctx, t, op, s.Params)
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	return r, nil
}

// Introspect lists the tables in the file with the columns that they seem to have.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	book, done, err := c.book(ctx)
	if err != nil {
		return datasource.Schema{}, err
	}
	schema, err := c.describe(ctx, book)
	if closing := done(); err == nil {
		err = closing
	}
	if err != nil {
		return datasource.Schema{}, failure(ctx, err)
	}
	return schema, nil
}

func (c *conn) describe(ctx context.Context, book book) (schema datasource.Schema, err error) {
	columns := 0
	for _, name := range book.sheets() {
		t, err := c.head(ctx, book, name, func() error { return nil })
		if err != nil {
			return schema, err
		}
		if columns += len(t.columns); columns > datasource.MaxColumns {
			schema.Truncated = true
			return schema, t.Close()
		}
		if len(t.columns) > 0 {
			schema.Tables = append(schema.Tables, t.describe(name))
		}
		if err := t.Close(); err != nil {
			return schema, err
		}
	}
	return schema, nil
}

// table opens the file and reads the head of a table.
func (c *conn) table(ctx context.Context, sheet string) (*table, error) {
	book, done, err := c.book(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.head(ctx, book, sheet, done)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return t, nil
}

// book opens the file when there is room for one more reader. done closes it.
func (c *conn) book(ctx context.Context) (b book, done func() error, err error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, failure(ctx, ctx.Err())
	}
	release := func() { <-c.slots }
	content, err := c.open(ctx)
	if err != nil {
		release()
		return nil, nil, err
	}
	if b, err = c.format.open(ctx, content, c.settings); err != nil {
		release()
		return nil, nil, failure(ctx, errors.Join(err, content.Close()))
	}
	return b, func() error { release(); return content.Close() }, nil
}

// head begins to read a table, whose end calls done; so does an error.
func (c *conn) head(ctx context.Context, book book, sheet string, done func() error) (*table, error) {
	src, err := book.read(sheet)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	t := &table{source: src, done: done}
	if err := t.readHead(ctx, c.settings.Bool("header")); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func (c *conn) open(ctx context.Context) (Content, error) {
	if c.closed.Load() {
		return nil, problem.New(problem.Unavailable, "closing", "the datasource is closed")
	}
	content, err := c.file(ctx, c.settings.TenantID, c.settings.String("file"))
	if problem.Is(err, problem.NotFound) {
		return nil, problem.New(problem.Upstream, "file_missing", "the file of the datasource is not there any more").
			Fix("upload a file, and choose it in the settings of the datasource").Because(err)
	}
	return content, failure(ctx, err)
}

// failure keeps the errors that say something to the caller. Others are of the
// storage.
func failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return problem.New(problem.Timeout, "query_cancelled", "the query was cancelled").Because(errors.Join(cause, err))
	}
	if _, ok := errors.AsType[*datasource.StatementError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	return problem.New(problem.Upstream, "file_unreadable", "the file cannot be read").Because(err)
}

// refused is an error about the file or the query for who may test queries.
func refused(message string, cause error) error {
	return &datasource.StatementError{Message: message, Position: -1, Cause: cause}
}
