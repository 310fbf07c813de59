package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	cancelPatience = 2 * time.Second        // then the connection is given up
	cancelPause    = 250 * time.Millisecond // between two requests to cancel
	cancelSettle   = 100 * time.Millisecond // for the server to deliver one
)

// canceller asks the server to cancel a statement whose context has ended, until the
// server has answered the statement: a request that comes before the statement does is
// forgotten, and the statement would run on. It is the ctxwatch.Handler of a connection.
type canceller struct {
	conn *pgconn.PgConn
	stop context.CancelFunc
	done chan struct{}
}

// HandleCancel begins to ask.
func (c *canceller) HandleCancel(context.Context) {
	var ctx context.Context
	ctx, c.stop = context.WithTimeout(context.Background(), cancelPatience)
	c.done = make(chan struct{})
	_ = c.conn.Conn().SetDeadline(time.Now().Add(cancelPatience))
	go func() {
		defer close(c.done)
		c.insist(ctx)
	}()
}

// insist returns when no request is under way any more that could cancel the next
// statement of the connection. The protocol does not tell when one was delivered.
func (c *canceller) insist(ctx context.Context) {
	again := time.NewTicker(cancelPause)
	defer again.Stop()
	sent := time.Now()
	for ctx.Err() == nil {
		_ = c.conn.CancelRequest(ctx)
		sent = time.Now()
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
	<-time.After(cancelSettle - time.Since(sent))
}

// HandleUnwatchAfterCancel ends the asking: there was an answer, or the connection is
// given up.
func (c *canceller) HandleUnwatchAfterCancel() {
	c.stop()
	<-c.done
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
