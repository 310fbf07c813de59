package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// session is a connection that one statement has for itself.
type session struct {
	conn *pgxpool.Conn
	pg   *pgconn.PgConn
}

// answer is what the server sends back for a statement.
type answer struct {
	*pgconn.ResultReader
	pipeline *pgconn.Pipeline // nil = sent without one
}

// Close reads the rest.
func (a answer) Close() (pgconn.CommandTag, error) {
	tag, err := a.ResultReader.Close()
	if a.pipeline != nil {
		if closing := a.pipeline.Close(); err == nil {
			err = closing
		}
	}
	return tag, err
}

// ask begins a READ ONLY transaction and runs a statement in it, in one round
// trip when the statement is known to give rows back. Otherwise the server is
// asked what it is, before it runs.
func (s *session) ask(ctx context.Context, text string, params [][]byte, known bool) (answer, error) {
	p := s.pg.StartPipeline(ctx)
	reader, err := ask(p, text, params, known, statementTimeout(ctx))
	if err != nil {
		_ = p.Close()
		return answer{}, err
	}
	return answer{reader, p}, nil
}

func ask(p *pgconn.Pipeline, text string, params [][]byte, known bool, timeout int64) (*pgconn.ResultReader, error) {
	p.SendQueryParams(begin, nil, nil, nil, nil)
	p.SendQueryParams(fmt.Sprintf(setTimeout, timeout), nil, nil, nil, nil)
	if known {
		p.SendQueryParams(text, params, nil, nil, nil)
	} else {
		p.SendPrepare("", text, nil)
	}
	if err := p.Sync(); err != nil {
		return nil, err
	}
	for range 2 {
		done, err := next[*pgconn.ResultReader](p)
		if err != nil {
			return nil, err
		}
		if _, err := done.Close(); err != nil {
			return nil, err
		}
	}
	if !known {
		description, err := next[*pgconn.StatementDescription](p)
		if err != nil {
			return nil, err
		}
		if len(description.Fields) == 0 {
			return nil, errNoRows
		}
		p.SendQueryPrepared("", params, nil, nil)
		if err := p.Sync(); err != nil {
			return nil, err
		}
		if _, err := next[*pgconn.PipelineSync](p); err != nil {
			return nil, err
		}
	}
	return next[*pgconn.ResultReader](p)
}

// next is the next result of a pipeline, which must be a T.
func next[T any](p *pgconn.Pipeline) (result T, err error) {
	results, err := p.GetResults()
	if err != nil {
		return result, err
	}
	result, ok := results.(T)
	if !ok {
		return result, fmt.Errorf("the server sent a %T", results)
	}
	return result, nil
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
