package gofunc

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// MaxCalls is how many calls of a function run at a time for one datasource. One
// more waits for its turn as long as its query may take.
const MaxCalls = 16

// conn is a function with the settings of a datasource.
type conn struct {
	*connector
	settings datasource.Settings
	slots    chan struct{}
	closed   atomic.Bool
}

// Ping has nobody to ask: the function is in this process.
func (c *conn) Ping(context.Context) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return nil
}

// Close waits for nobody: the contexts of calls have ended.
func (c *conn) Close() error {
	c.closed.Store(true)
	return nil
}

// Query calls a function that only reads.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	if op.writes {
		return nil, datasource.NotWriting("the function can change data, but the query is not marked as writing", "", nil)
	}
	return c.start(ctx, op, s)
}

// writing is the Conn of a function that can change data.
type writing struct{ *conn }

// Exec calls the function and waits for its end.
func (w writing) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	r, err := w.start(ctx, s.Operation.(*operation), s)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	kept, err := datasource.Buffer(r, s)
	if err != nil {
		return nil, err
	}
	return datasource.BufferedRows(r.Columns(), kept), nil
}

func (c *conn) start(ctx context.Context, op *operation, s datasource.Statement) (*rows, error) {
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	params, err := c.fill(op, s.Params)
	if err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, cancelled(ctx)
	}
	r := newRows(context.WithValue(ctx, settingsKey{}, c.settings), c.columns)
	go func() {
		defer func() { <-c.slots }()
		r.run(c.call, params)
	}()
	return r, r.await()
}

// failed is what a caller learns of an error of the function.
func failed(err error) error {
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*datasource.StatementError](err); ok {
		return err
	}
	return problem.New(problem.Upstream, "function_failed", "the function of this server failed").
		Fix("the log has the cause under the id of this request").Because(err)
}

func cancelled(ctx context.Context) error {
	return problem.New(problem.Timeout, "query_cancelled", "the query was cancelled").Because(context.Cause(ctx))
}
