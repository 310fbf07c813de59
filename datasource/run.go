package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// QueryTest is a query that is not saved, with values for its parameters.
type QueryTest struct {
	DatasourceID string          `json:"datasourceId"`
	Operation    json.RawMessage `json:"operation"`
	Params       []Param         `json:"params"`
	Writes       bool            `json:"writes"`
	RowLimit     int             `json:"rowLimit"`
	TimeoutMS    int64           `json:"timeoutMs"`
	Transform    Transform       `json:"transform"`
	Values       map[string]any  `json:"values"`
}

// RunQuery runs a saved query with values for its declared parameters. It needs
// query.execute on the query.
//
// Errors: Invalid for values (unknown, of a wrong type, too many elements, all
// at once), Upstream when the datasource fails or refuses (who may test queries
// is told what it said), Timeout, Forbidden for an address that the server's
// egress policy refuses, RateLimited when too many statements of the tenant wait,
// Unavailable, with a time to try again when the datasource could not be reached
// several times in a row.
//
// Whoever asks the same of a query that does not write, while another asks, shares
// that one's statement: the rows may be in the hands of others too, and must not
// be changed. Unless the query is marked as writing, the datasource itself refuses to
// change anything. When ctx ends, the statement ends in the datasource too.
func (s *Service) RunQuery(ctx context.Context, id string, params map[string]any) (Result, error) {
	c, err := s.saved(ctx, id, params)
	if err != nil {
		return Result{}, err
	}
	started := time.Now()
	result, err := s.taken(ctx, c, ExecutionRun, s.answer)
	if hook := s.cfg.Hooks.AfterRun; hook != nil {
		hook(ctx, c.plan.query, time.Since(started), err)
	}
	return result, err
}

// saved is a call of a saved query that its caller may make now.
func (s *Service) saved(ctx context.Context, id string, params map[string]any) (*call, error) {
	who, err := s.authorize(ctx, auth.QueryExecute, id)
	if err != nil {
		return nil, err
	}
	p, err := s.plan(ctx, who.TenantID, id)
	if err != nil {
		return nil, err
	}
	if hook := s.cfg.Hooks.BeforeRun; hook != nil {
		if err := hook(ctx, p.query); err != nil {
			return nil, err
		}
	}
	return newCall(who, p, params)
}

// TestQuery runs a query that is not saved. It needs query.test.
func (s *Service) TestQuery(ctx context.Context, in QueryTest) (Result, error) {
	c, err := s.unsaved(ctx, in)
	if err != nil {
		return Result{}, err
	}
	return s.taken(ctx, c, ExecutionTest, s.execute)
}

// taken runs a call and takes it down. Its error is the caller's.
func (s *Service) taken(ctx context.Context, c *call, kind ExecutionKind, run func(context.Context, *call) (Result, error)) (result Result, err error) {
	running, e := s.history.begin(ctx, c, kind, c.timeout())
	defer func() { e.end(int64(result.RowCount), result.CachedAt != nil, err) }()
	if result, err = run(running, c); err != nil {
		return Result{}, s.shown(ctx, err)
	}
	result.ExecutionID = e.row.ID
	return result, nil
}

// unsaved is a call of a query that is judged as if it were to be saved.
func (s *Service) unsaved(ctx context.Context, in QueryTest) (*call, error) {
	who, err := s.authorize(ctx, auth.QueryTest, "")
	if err != nil {
		return nil, err
	}
	row := &queryRow{TenantID: who.TenantID}
	err = s.fillQuery(ctx, s.db.DB, row, NewQuery{
		Name: "test", DatasourceID: in.DatasourceID, Operation: in.Operation, Params: in.Params,
		Writes: in.Writes, RowLimit: in.RowLimit, TimeoutMS: in.TimeoutMS, Transform: in.Transform,
	})
	if err != nil {
		return nil, err
	}
	ds, err := findDatasource(ctx, s.db.DB, who.TenantID, in.DatasourceID)
	if err != nil {
		return nil, err
	}
	p, err := s.newPlan(row, ds)
	if err != nil {
		return nil, err
	}
	return newCall(who, p, in.Values)
}

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
	err := s.inRoom(ctx, c.plan.ds, func(conn Conn, connected time.Duration) (err error) {
		result, err = run(ctx, conn, c.statement(c.plan.query.RowLimit), c.plan.query.Writes)
		result.Timings.Connect = milliseconds(connected)
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

// run executes a statement and reads its answer.
func run(ctx context.Context, conn Conn, st Statement, writes bool) (Result, error) {
	started := time.Now()
	query := conn.Query
	if execer, ok := conn.(Execer); ok && writes {
		query = execer.Exec
	} else if writes {
		return Result{}, errors.New("the connection cannot write")
	}
	rows, err := query(ctx, st)
	if err != nil {
		return Result{}, err
	}
	executed := time.Now()
	result, err := collect(rows, st.MaxRows, st.MaxBytes)
	if closing := rows.Close(); err == nil && !result.Truncated {
		err = closing
	}
	result.Timings = Timings{Execute: milliseconds(executed.Sub(started)), Fetch: milliseconds(time.Since(executed))}
	return result, err
}

// inRoom calls fn with the open connection of a datasource when the tenant has
// room for a statement.
func (s *Service) inRoom(ctx context.Context, ds *datasourceRow, fn func(conn Conn, connected time.Duration) error) error {
	leave, err := s.rooms.enter(ctx, ds.TenantID)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.breakers.admit(ds); err != nil {
		return err
	}
	err = s.withConn(ctx, ds, fn)
	s.breakers.note(ds, reachOf(ctx, err))
	return err
}

func (s *Service) withConn(ctx context.Context, ds *datasourceRow, fn func(conn Conn, connected time.Duration) error) error {
	started := time.Now()
	p, err := s.pools.acquire(ctx, ds.ID, ds.Version, func(ctx context.Context) (Conn, error) {
		connector, settings, err := s.settings(ds)
		if err != nil {
			return nil, err
		}
		return connector.Open(ctx, settings)
	})
	if err != nil {
		return err
	}
	defer s.pools.release(p)
	return guard(func() error { return fn(p.conn, time.Since(started)) })
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

// shown makes the caller's error out of what a call came to: who may test queries
// is told what the datasource said.
func (s *Service) shown(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	detailed := false
	if refusedBy(err) != nil || transformationOf(err) != nil {
		_, denied := s.authorize(ctx, auth.QueryTest, "")
		detailed = denied == nil
	}
	return failure(err, detailed)
}
