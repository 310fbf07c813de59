package datasource

import (
	"context"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// answer executes a call, or shares the execution of another one that asks the
// same, now or within the time for which its results are kept.
func (s *Service) answer(ctx context.Context, c *call) (Result, error) {
	if c.plan.query.Writes {
		return s.execute(ctx, c)
	}
	key, err := c.key(s.epochs.of(c.plan.ds.ID))
	if err != nil {
		return Result{}, err
	}
	if c.plan.query.CacheTTLMS == 0 {
		return s.flights.join(ctx, key, func(ctx context.Context) (Result, error) { return s.execute(ctx, c) })
	}
	if kept, ok := s.fromCache(key); ok {
		return kept, nil
	}
	return s.flights.join(ctx, key, func(ctx context.Context) (Result, error) {
		asked := time.Now()
		result, err := s.execute(ctx, c)
		if err == nil {
			s.intoCache(key, c, asked, result)
		}
		return result, err
	})
}

// execute runs a call in its datasource. Its errors are for nobody yet, see shown.
func (s *Service) execute(ctx context.Context, c *call) (Result, error) {
	ctx, cancel := s.limit(auth.WithoutPrincipal(ctx), c.timeout(), late(c.timeout()))
	defer cancel()
	var result Result
	err := s.inRoom(ctx, c.plan.ds, func(at visit) (err error) {
		result, err = c.run(ctx, at)
		result.Timings.Connect = milliseconds(at.connected)
		return err
	})
	if c.plan.query.Writes {
		s.epochs.advance(c.plan.ds.ID)
	}
	if err == nil {
		err = s.transformed(ctx, c, &result)
	}
	if err != nil {
		return Result{}, c.fault(ctx, err)
	}
	return result, nil
}

// fault makes sure that an error tells why the call ended, and nothing sensitive.
func (c *call) fault(ctx context.Context, err error) error {
	if err = caused(ctx, err); c.plan.sensitive(c.values) {
		return hushed(err)
	}
	return err
}

// run executes the statement of a call and reads its answer.
func (c *call) run(ctx context.Context, at visit) (Result, error) {
	started := time.Now()
	writes, st := c.plan.query.Writes, c.statement(c.rowLimit())
	query := at.conn.Query
	if execer, ok := at.conn.(Execer); ok && writes {
		query = execer.Exec
	} else if writes {
		return Result{}, errors.New("the connection cannot write")
	}
	rows, err := query(ctx, st)
	if err != nil {
		return Result{}, err
	}
	rows = &checked{Rows: rows}
	at.answered()
	executed := time.Now()
	result, err := c.collect(ctx, rows, st)
	if closing := rows.Close(); err == nil && !result.Truncated {
		err = closing
	}
	result.Timings = Timings{Execute: milliseconds(executed.Sub(started)), Fetch: milliseconds(time.Since(executed))}
	return result, err
}

// collect reads what the caller may see of an answer. How many rows a statement
// has changed is a count of rows, too.
func (c *call) collect(ctx context.Context, rows Rows, st Statement) (Result, error) {
	limit := c.rowLimit()
	if c.sight == nil {
		return collect(rows, limit, st.MaxBytes)
	}
	seen := c.sight.over(ctx, rows, st.MaxRows)
	if c.plan.query.Writes {
		seen.most = st.MaxBytes
	}
	result, err := collect(seen, limit, st.MaxBytes)
	result.Truncated = result.Truncated || seen.cut
	return result, err
}

// visit is a call at the open connection of a datasource.
type visit struct {
	conn      Conn
	connected time.Duration // how long it took to get there
	answered  func()        // tells that the other side is there, before the call has ended
}

// inRoom calls fn with the open connection of a datasource when the tenant has
// room for a statement.
func (s *Service) inRoom(ctx context.Context, ds *datasourceRow, fn func(visit) error) error {
	leave, err := s.rooms.enter(ctx, ds.TenantID)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.breakers.admit(ds); err != nil {
		return err
	}
	answered := false
	err = s.withConn(ctx, ds, func(at visit) error {
		at.answered = func() {
			answered = true
			s.breakers.note(ds, reached)
		}
		return fn(at)
	})
	if is := reachOf(ctx, err); !answered || is == unreached {
		s.breakers.note(ds, is)
	}
	return err
}

func (s *Service) withConn(ctx context.Context, ds *datasourceRow, fn func(visit) error) error {
	started := time.Now()
	p, err := s.pool(ctx, ds)
	if errors.Is(err, errDropped) { // it was changed, or deleted, while the call waited
		if ds, err = findDatasource(ctx, s.db.DB, ds.TenantID, ds.ID); err != nil {
			return err
		}
		if p, err = s.pool(ctx, ds); errors.Is(err, errDropped) {
			err = problem.New(problem.Unavailable, "datasource_changed", "the datasource changes too often to run the query").Fix("run the query again").Because(err)
		}
	}
	if err != nil {
		return err
	}
	defer s.pools.release(p)
	return guard(func() error { return fn(visit{conn: p.conn, connected: time.Since(started)}) })
}

func (s *Service) pool(ctx context.Context, ds *datasourceRow) (*pool, error) {
	s.pools.belongs(ds.ID, ds.TenantID)
	return s.pools.acquire(ctx, ds.ID, ds.Version, func(ctx context.Context) (Conn, error) {
		connector, settings, err := s.settings(ds)
		if err != nil {
			return nil, err
		}
		return connector.Open(ctx, settings)
	})
}

// limit ends a run after its timeout, with a cause, and when the service closes.
func (s *Service) limit(ctx context.Context, timeout time.Duration, late error) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, late)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.pools.ctx, func() { cancel(closing()) })
	return ctx, func() {
		unhook()
		cancel(nil)
		stop()
	}
}

func late(timeout time.Duration) error {
	return problem.Newf(problem.Timeout, "query_timeout", "the query took longer than its limit of %s", timeout).
		Fix("make the query faster, or raise its timeout up to 30 s")
}
