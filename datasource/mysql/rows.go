package mysql

import (
	"errors"
	"io"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// leave is how long the rest of an answer is read before the server is told to
// stop: most of the answers that are cut off are nearly over, and telling takes a
// connection of its own.
const leave = 20 * time.Millisecond

// rows reads an answer.
type rows struct {
	session *session
	answer  answer
	columns []datasource.Column
	row     []any
	into    []any
	limit   int64
	err     error // how it ended: io.EOF, or what went wrong
	closed  bool
}

func newRows(s *session, a answer, maxBytes int64) *rows {
	types, err := a.ColumnTypes()
	out := &rows{
		session: s, answer: a, err: err, limit: maxBytes + smallAnswer,
		columns: make([]datasource.Column, len(types)), row: make([]any, len(types)), into: make([]any, len(types)),
	}
	for i, t := range types {
		out.columns[i] = datasource.Column{Name: t.Name(), DatabaseType: t.DatabaseTypeName(), Type: columnType(t.DatabaseTypeName())}
		out.into[i] = &out.row[i]
	}
	return out
}

func (r *rows) Columns() []datasource.Column { return r.columns }

func (r *rows) Next() ([]any, error) {
	if r.err == nil {
		r.err = r.next()
	}
	if r.err == io.EOF || r.err == nil {
		return r.row, r.err
	}
	return nil, r.session.error(r.err)
}

func (r *rows) next() error {
	r.session.link.socket.allow(r.limit)
	if !r.answer.Next() {
		if err := errors.Join(r.answer.Err(), r.session.ctx.Err()); err != nil {
			return err
		}
		return io.EOF
	}
	if err := r.answer.Scan(r.into...); err != nil {
		return err
	}
	for i, v := range r.row {
		r.row[i] = value(v, r.columns[i], r.session.link.server.loc)
	}
	return nil
}

// finish reads what is left.
func (r *rows) finish() error {
	r.session.link.socket.discard(r.limit)
	return r.answer.Close()
}

// Close reads what is left for as long as the server is quick about it, stops it
// when there is more to come, and ends the transaction.
func (r *rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	off := r.session.hurry(leave)
	_ = r.finish() // says that the statement was ended
	off()
	r.session.end()
	return nil
}

// hurry interrupts the session when it is not called off within a time.
func (s *session) hurry(within time.Duration) (off func()) {
	if !s.unhook() {
		return func() {} // it is interrupted already
	}
	timer := time.AfterFunc(within, s.interrupt)
	s.unhook = timer.Stop
	return s.settleOnce
}

// settleOnce is settle for a hook that is gone afterwards.
func (s *session) settleOnce() {
	s.settle()
	s.unhook = func() bool { return true }
}
