package mysql

import (
	"context"
	"database/sql"
	"errors"
	"io"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

// conn is a pool of connections to one address.
type conn struct {
	db     *sql.DB
	server *server
}

func newConn(s *server) *conn {
	c := &conn{db: sql.OpenDB(s), server: s}
	c.db.SetMaxOpenConns(maxConns)
	c.db.SetMaxIdleConns(maxConns)
	c.db.SetConnMaxIdleTime(idleTime)
	return c
}

func (c *conn) Ping(ctx context.Context) error { return connectError(c.db.PingContext(ctx)) }

func (c *conn) Close() error { return c.db.Close() }

// Query runs a statement in a READ ONLY transaction that is rolled back when the
// rows are closed.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, args, err := c.bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	session.spoilt = leavesTraces(bound.Text) // also when it fails half-way
	answer, err := session.read(bound.Text, args)
	if err != nil {
		session.end()
		return nil, session.error(err)
	}
	return newRows(session, answer, s.MaxBytes), nil
}

func (s *session) read(text string, args []any) (answer, error) {
	if err := s.begin("READ ONLY"); err != nil {
		return answer{}, err
	}
	if !s.link.knows(text, true) {
		if err := s.checkQuery(text, len(args)); err != nil {
			return answer{}, err
		}
		s.link.learn(text, true)
	}
	return s.query(text, args)
}

// Exec runs a statement in a READ WRITE transaction and commits it.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	bound, args, err := c.bind(s)
	if err != nil {
		return nil, err
	}
	session, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.end()
	rows, err := session.write(bound.Text, args, s)
	// A statement may have changed its session (SET, LOCK TABLES, USE): nothing of
	// it is there for the next user.
	session.spoilt = session.spoilt || !changesRows(bound.Text) || leavesTraces(bound.Text)
	if err != nil {
		return nil, session.error(err)
	}
	return rows, nil
}

func (s *session) write(text string, args []any, of datasource.Statement) (datasource.Rows, error) {
	if err := s.begin("READ WRITE"); err != nil {
		return nil, err
	}
	if !s.link.knows(text, false) {
		if err := s.checkInputs(text, len(args)); err != nil {
			return nil, err
		}
		s.link.learn(text, false)
	}
	answer, err := s.query(text, args)
	if err != nil {
		return nil, err
	}
	rows := newRows(s, answer, of.MaxBytes)
	kept, err := datasource.Buffer(rows, of)
	if closing := rows.finish(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	affected, err := s.affected()
	if err == nil {
		err = s.run("COMMIT")
	}
	if err != nil || affected < 0 {
		return datasource.BufferedRows(rows.columns, kept), err
	}
	return datasource.ExecRows(rows.columns, kept, affected), nil
}

// affected is how many rows the last statement changed, -1 where that has no
// meaning.
func (s *session) affected() (n int64, err error) {
	err = s.pooled.QueryRowContext(s.quiet, "SELECT ROW_COUNT()").Scan(&n)
	return n, err
}

func (c *conn) bind(s datasource.Statement) (template.Bound, []any, error) {
	statement, ok := s.Operation.(*template.SQL)
	if !ok {
		return template.Bound{}, nil, errors.New("the operation belongs to another connector")
	}
	bound, err := statement.Bind(func(name string) any { return s.Params[name] })
	if err != nil {
		return template.Bound{}, nil, err
	}
	args := make([]any, len(bound.Args))
	for i, v := range bound.Args {
		args[i] = argument(v, c.server.loc)
	}
	return bound, args, nil
}

// each reads the rows of a constant statement in a READ ONLY transaction.
func (c *conn) each(ctx context.Context, statement string, args []any, row func([]any)) error {
	session, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	if err := session.begin("READ ONLY"); err != nil {
		session.end()
		return session.error(err)
	}
	answer, err := session.query(statement, args)
	if err != nil {
		session.end()
		return session.error(err)
	}
	rows := newRows(session, answer, datasource.MaxResultBytes)
	defer rows.Close()
	for {
		values, err := rows.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		row(values)
	}
}
