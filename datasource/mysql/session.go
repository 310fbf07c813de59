package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	timeoutStep   = 5 * time.Second
	maxTimeout    = 24 * time.Hour
	unknownSystem = 1193 // the number of "unknown system variable"
)

// session is a connection that one statement has for itself. The driver ends a
// context by closing the connection, while the server goes on; so it never sees
// the caller's context, and when that ends the session has the server told.
type session struct {
	pooled *sql.Conn
	link   *link
	ctx    context.Context // the caller's
	quiet  context.Context // without its end
	unhook func() bool
	told   chan struct{} // closed when the server was told to stop
	spoilt bool          // not for another statement
}

func (c *conn) acquire(ctx context.Context) (*session, error) {
	pooled, err := c.db.Conn(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	s := &session{pooled: pooled, ctx: ctx, quiet: context.WithoutCancel(ctx), told: make(chan struct{})}
	err = pooled.Raw(func(conn any) error {
		s.link = conn.(*link)
		return nil
	})
	if err != nil {
		_ = pooled.Close()
		return nil, connectError(err)
	}
	s.unhook = context.AfterFunc(ctx, s.interrupt)
	return s, nil
}

// interrupt has the server end the statement, and ends the wait for it in any case.
func (s *session) interrupt() {
	defer close(s.told)
	_ = s.link.socket.SetDeadline(time.Now().Add(cancelPatience))
	ctx, cancel := context.WithTimeout(context.Background(), cancelPatience)
	defer cancel()
	_ = s.link.kill(ctx) // the deadline is the answer to a kill that fails
}

// settle waits for an interrupt that is under way; then none comes any more. A
// connection that was interrupted is not used again: the kill may meet what comes
// next.
func (s *session) settle() {
	if !s.unhook() {
		<-s.told
		s.spoilt = true
	}
}

// run sends a constant statement.
func (s *session) run(statement string) (err error) {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	_, err = s.pooled.ExecContext(s.quiet, statement)
	return err
}

// begin starts a transaction in which a statement may take what the caller's
// context leaves, and a little more: the server's limit is for the case that this
// process dies and cannot tell it to stop.
func (s *session) begin(mode string) error {
	if err := s.setLimit(); err != nil {
		return err
	}
	return s.run("START TRANSACTION " + mode)
}

// setLimit rounds up, so that most statements find the limit of the one before.
func (s *session) setLimit() error {
	limit := maxTimeout
	if deadline, ok := s.ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)+time.Second).Truncate(timeoutStep) + timeoutStep
	}
	if s.link.limit == limit {
		return nil
	}
	statement := fmt.Sprintf("SET SESSION max_execution_time = %d", limit.Milliseconds())
	if s.link.mariadb {
		statement = fmt.Sprintf("SET SESSION max_statement_time = %d", limit/time.Second)
	}
	err := s.run(statement)
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok && e.Number == unknownSystem {
		err = nil // a relative that has no such limit
	}
	if err == nil {
		s.link.limit = limit
	}
	return err
}

// prepare has the server read a text, without running it, and tells how many
// parameters it found.
func (s *session) prepare(text string) (inputs int, err error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	err = s.pooled.Raw(func(conn any) error {
		statement, err := conn.(*link).PrepareContext(s.quiet, text)
		if err != nil {
			return err
		}
		inputs = statement.NumInput()
		return statement.Close()
	})
	return inputs, err
}

// answer is what a statement gives back.
type answer struct {
	*sql.Rows
	statement *sql.Stmt
}

// Close reads the rest.
func (a answer) Close() error { return errors.Join(a.Rows.Close(), a.statement.Close()) }

// query runs a text as a prepared statement: the server takes one statement that
// way, and parameters beside it.
func (s *session) query(text string, args []any) (a answer, err error) {
	if err := s.ctx.Err(); err != nil {
		return answer{}, err
	}
	if a.statement, err = s.pooled.PrepareContext(s.quiet, text); err != nil {
		return answer{}, err
	}
	if a.Rows, err = a.statement.QueryContext(s.quiet, args...); err != nil {
		_ = a.statement.Close()
	}
	return a, err
}

// end rolls back what is open and gives the connection back, also when the
// caller's context is over; one that does not answer is closed.
func (s *session) end() {
	s.settle()
	if !s.spoilt {
		_ = s.link.socket.SetDeadline(time.Now().Add(cancelPatience))
		s.spoilt = s.rollback() != nil
	}
	if s.spoilt {
		s.discard()
		return
	}
	_ = s.link.socket.SetDeadline(time.Time{})
	_ = s.pooled.Close()
}

func (s *session) rollback() (err error) {
	_, err = s.pooled.ExecContext(s.quiet, "ROLLBACK")
	return err
}

// discard closes the connection and gives its place back.
func (s *session) discard() {
	_ = s.link.socket.SetDeadline(time.Now().Add(cancelPatience))
	_ = s.pooled.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.pooled.Close()
}

// leavesTraces reports whether a statement may have changed its session in a way
// that ROLLBACK does not undo: user variables, named locks, LAST_INSERT_ID(n). It
// asks for letters that none of these can be written without.
func leavesTraces(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "@") || strings.Contains(lower, "_lock") || strings.Contains(lower, "last_insert_id")
}

// changesRows reports whether a statement can be nothing but an INSERT, UPDATE,
// DELETE or REPLACE, because it begins with the word.
func changesRows(text string) bool {
	return begins(text, "INSERT") || begins(text, "UPDATE") || begins(text, "DELETE") || begins(text, "REPLACE")
}

// begins reports whether the first word of a text, with nothing but spaces before
// it, is the given one.
func begins(text, word string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return len(text) > len(word) && strings.EqualFold(text[:len(word)], word) && strings.ContainsRune(" \t\r\n", rune(text[len(word)]))
}
