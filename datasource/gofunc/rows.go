package gofunc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"

	"github.com/jetadmin/jetadmin/datasource"
)

// rows are the answer of a call. The function runs in a goroutine of its own, so
// that whoever reads can leave when it does not heed its context.
type rows struct {
	ctx     context.Context
	cancel  context.CancelFunc
	columns []column
	passed  chan any      // rows, one by one
	ended   chan struct{} // closed when err is set
	err     error
	first   any  // a row that was read ahead
	ahead   bool // first is one
	row     []any
}

func newRows(ctx context.Context, columns []column) *rows {
	r := &rows{columns: columns, passed: make(chan any), ended: make(chan struct{}), row: make([]any, len(columns))}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// run calls the function; whatever it does, the answer ends.
func (r *rows) run(call func(context.Context, []byte, func(any) bool) error, params []byte) {
	r.err = errors.New("the function ended its goroutine")
	defer close(r.ended)
	r.err = contain(func() error { return call(r.ctx, params, r.pass) })
}

func (r *rows) pass(row any) bool {
	select {
	case r.passed <- row:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// await returns when there is a row or the end of the call.
func (r *rows) await() (err error) {
	r.first, err = r.take()
	if err == io.EOF {
		return nil
	}
	r.ahead = err == nil
	if err != nil {
		r.cancel()
	}
	return err
}

func (r *rows) take() (any, error) {
	if r.ctx.Err() != nil { // whatever else there is to take
		return nil, cancelled(r.ctx)
	}
	select {
	case row := <-r.passed:
		return row, nil
	case <-r.ctx.Done():
		return nil, cancelled(r.ctx)
	case <-r.ended:
		if r.err != nil {
			return nil, failed(r.err)
		}
		return nil, io.EOF
	}
}

func (r *rows) Columns() []datasource.Column {
	out := make([]datasource.Column, len(r.columns))
	for i, c := range r.columns {
		out[i] = c.Column
	}
	return out
}

func (r *rows) Next() ([]any, error) {
	row := r.first
	if !r.ahead {
		var err error
		if row, err = r.take(); err != nil {
			return nil, err
		}
	}
	r.first, r.ahead = nil, false
	v := reflect.ValueOf(row)
	err := contain(func() (err error) { // methods of the host's types are called
		for i, c := range r.columns {
			if r.row[i], err = c.cell(v); err != nil {
				return fmt.Errorf("the column %q: %w", c.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, failed(err)
	}
	return r.row, nil
}

// Close stops the function, by its context and by the end of its loop.
func (r *rows) Close() error {
	r.cancel()
	return nil
}

// contain turns a panic into an error, with the stack for the log.
func contain(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the function panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return fn()
}
