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

// The statements around the user's. They are constants of this package, sent
// several at once; the user's own text never is.
const (
	setLocal = "; SET LOCAL statement_timeout = %d; SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on"
	begin    = "BEGIN READ ONLY" + setLocal
	beginRW  = "BEGIN READ WRITE" + setLocal
	rollback = "ROLLBACK; SELECT pg_advisory_unlock_all()"
	commit   = "COMMIT; RESET ALL; SELECT pg_advisory_unlock_all()"
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

// session is a connection inside of a transaction.
type session struct {
	conn *pgxpool.Conn
	pg   *pgconn.PgConn
}

// Query runs a statement in a READ ONLY transaction that is rolled back when the
// rows are closed.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, params, err := bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.begin(ctx, begin)
	if err != nil {
		return nil, err
	}
	if err := c.describe(ctx, session, bound.Text); err != nil {
		session.end(ctx, rollback)
		return nil, queryError(err, bound)
	}
	reader := session.pg.ExecParams(ctx, bound.Text, params, nil, nil, nil)
	return newRows(session, reader, bound, func() { session.end(ctx, rollback) }), nil
}

// Exec runs a statement in a READ WRITE transaction and commits it.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, params, err := bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.begin(ctx, beginRW)
	if err != nil {
		return nil, err
	}
	reader := session.pg.ExecParams(ctx, bound.Text, params, nil, nil, nil)
	rows := newRows(session, reader, bound, func() {})
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

func (c *conn) begin(ctx context.Context, statement string) (*session, error) {
	pooled, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	s := &session{conn: pooled, pg: pooled.Conn().PgConn()}
	if err := s.run(ctx, fmt.Sprintf(statement, statementTimeout(ctx))); err != nil {
		s.discard()
		return nil, connectError(err)
	}
	return s, nil
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

// describe has the server say whether a statement gives rows back. What kind of
// statement a text is never changes, so the answer is kept.
func (c *conn) describe(ctx context.Context, s *session, text string) error {
	c.mu.Lock()
	known := c.known[text]
	c.mu.Unlock()
	if known {
		return nil
	}
	description, err := s.pg.Prepare(ctx, "", text, nil)
	if err != nil {
		return err
	}
	if len(description.Fields) == 0 {
		return errNoRows
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[text] = true
	return nil
}

// run sends constant statements.
func (s *session) run(ctx context.Context, statements string) error {
	_, err := s.pg.Exec(ctx, statements).ReadAll()
	return err
}

// end finishes the transaction, also when ctx is over, and gives the connection
// back; one that does not answer is closed.
func (s *session) end(ctx context.Context, statements string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
	defer cancel()
	if s.pg.IsClosed() || s.run(ctx, statements) != nil {
		s.discard()
		return
	}
	s.conn.Release()
}

// discard closes the connection and gives its place back.
func (s *session) discard() {
	ctx, cancel := context.WithTimeout(context.Background(), cancelPatience)
	defer cancel()
	_ = s.conn.Conn().Close(ctx)
	s.conn.Release()
}

// stop has the server end the statement under way.
func (s *session) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), cancelPatience)
	defer cancel()
	return s.pg.CancelRequest(ctx)
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
