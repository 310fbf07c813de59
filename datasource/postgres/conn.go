package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

// The statements around the user's. They are constants of this package, and
// only they are ever sent several at once in the simple protocol.
const (
	begin      = "BEGIN READ ONLY"
	beginRW    = "BEGIN READ WRITE"
	setTimeout = "SET LOCAL statement_timeout = %d"
	rollback   = "ROLLBACK; SELECT pg_advisory_unlock_all()"
	commit     = "COMMIT; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all(); " + sessionStart

	// sessionStart makes the server write values in the forms that are read here.
	sessionStart = "SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'; SET standard_conforming_strings = on"
)

const maxKnown = 500

// conn is a pool of connections to one database.
type conn struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	known map[string]bool // texts that the server described as giving rows back
}

func (c *conn) Ping(ctx context.Context) error { return connectError(c.pool.Ping(ctx)) }

func (c *conn) Close() error {
	c.pool.Close()
	return nil
}

// Query runs a statement in a READ ONLY transaction that is rolled back when the
// rows are closed.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, params, err := bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := session.ask(ctx, bound.Text, params, c.knows(bound.Text))
	if err != nil {
		session.end(ctx, rollback)
		return nil, queryError(err, bound)
	}
	c.learn(bound.Text)
	return newRows(session, answer, bound, func() { session.end(ctx, rollback) }), nil
}

// Exec runs a statement in a READ WRITE transaction and commits it.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, params, err := bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	if err := session.run(ctx, beginRW+";"+fmt.Sprintf(setTimeout, statementTimeout(ctx))); err != nil {
		session.discard()
		return nil, connectError(err)
	}
	reader := session.pg.ExecParams(ctx, bound.Text, params, nil, nil, nil)
	rows := newRows(session, answer{ResultReader: reader}, bound, func() {})
	kept, err := datasource.Buffer(rows, s)
	if err != nil {
		_ = rows.Close()
		session.end(ctx, rollback)
		return nil, err
	}
	if !dml(rows.tag) {
		// The statement may have changed the session (SET, LISTEN): keep what it
		// did in the database, give nothing of it to the next user.
		err = session.run(ctx, "COMMIT")
		session.discard()
	} else if err = session.run(ctx, commit); err != nil {
		session.end(ctx, rollback)
	} else {
		session.conn.Release()
	}
	if err != nil {
		return nil, queryError(err, bound)
	}
	return datasource.ExecRows(rows.columns, kept, rows.tag.RowsAffected()), nil
}

func dml(tag pgconn.CommandTag) bool {
	return tag.Insert() || tag.Update() || tag.Delete() || tag.Select()
}

func (c *conn) acquire(ctx context.Context) (*session, error) {
	pooled, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	return &session{conn: pooled, pg: pooled.Conn().PgConn()}, nil
}

// statementTimeout is a little more than what ctx leaves: it is for the case
// that this process dies and sends no cancel request.
func statementTimeout(ctx context.Context) int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0 // none
	}
	return max(time.Until(deadline), 0).Milliseconds() + 1000
}

// knows reports whether the server described a text as a statement that gives
// rows back. What kind of statement a text is never changes.
func (c *conn) knows(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[text]
}

func (c *conn) learn(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[text] = true
}

func bind(s datasource.Statement) (template.Bound, [][]byte, error) {
	statement, ok := s.Operation.(*template.SQL)
	if !ok {
		return template.Bound{}, nil, errors.New("the operation belongs to another connector")
	}
	bound, err := statement.Bind(func(name string) any { return s.Params[name] })
	if err != nil {
		return template.Bound{}, nil, err
	}
	params := make([][]byte, len(bound.Args))
	for i, v := range bound.Args {
		params[i] = text(v)
	}
	return bound, params, nil
}
