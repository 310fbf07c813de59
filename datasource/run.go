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
	Values       map[string]any  `json:"values"`
}

// RunQuery runs a saved query with values for its declared parameters. It needs
// query.execute on the query.
//
// Errors: Invalid for values (unknown, of a wrong type, too many elements, all
// at once), Upstream when the datasource fails or refuses (who may test queries
// is told what it said), Timeout, Forbidden for an address that the server's
// egress policy refuses, Unavailable.
//
// Unless the query is marked as writing, the datasource itself refuses to
// change anything. When ctx ends, the statement ends in the datasource too.
func (s *Service) RunQuery(ctx context.Context, id string, params map[string]any) (Result, error) {
	who, err := s.authorize(ctx, auth.QueryExecute, id)
	if err != nil {
		return Result{}, err
	}
	row, err := findRunnable(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Result{}, err
	}
	query, err := row.view()
	if err != nil {
		return Result{}, err
	}
	if hook := s.cfg.Hooks.BeforeRun; hook != nil {
		if err := hook(ctx, query); err != nil {
			return Result{}, err
		}
	}
	started := time.Now()
	result, err := s.runRow(ctx, who, row.Datasource, query, params)
	if hook := s.cfg.Hooks.AfterRun; hook != nil {
		hook(ctx, query, time.Since(started), err)
	}
	return result, err
}

// TestQuery runs a query that is not saved. It needs query.test.
func (s *Service) TestQuery(ctx context.Context, in QueryTest) (Result, error) {
	who, err := s.authorize(ctx, auth.QueryTest, "")
	if err != nil {
		return Result{}, err
	}
	row := &queryRow{TenantID: who.TenantID}
	err = s.fillQuery(ctx, s.db.DB, row, NewQuery{
		Name: "test", DatasourceID: in.DatasourceID, Operation: in.Operation, Params: in.Params,
		Writes: in.Writes, RowLimit: in.RowLimit, TimeoutMS: in.TimeoutMS,
	})
	if err != nil {
		return Result{}, err
	}
	query, err := row.view()
	if err != nil {
		return Result{}, err
	}
	ds, err := findDatasource(ctx, s.db.DB, who.TenantID, in.DatasourceID)
	if err != nil {
		return Result{}, err
	}
	return s.runRow(ctx, who, ds, query, in.Values)
}

func (s *Service) runRow(ctx context.Context, who *auth.Principal, ds *datasourceRow, q Query, params map[string]any) (Result, error) {
	var faults problem.Faults
	c := s.compile(ds, q.Operation, q.Params, q.Writes, &faults)
	if err := faults.Err("query_invalid", "the saved query is not valid any more"); err != nil {
		return Result{}, err
	}
	values, err := c.bind(who, params)
	if err != nil {
		return Result{}, err
	}
	timeout := time.Duration(q.TimeoutMS) * time.Millisecond
	ctx, cancel := s.limit(ctx, timeout)
	defer cancel()
	statement := Statement{Operation: c.op, Params: values, MaxRows: q.RowLimit, MaxBytes: MaxResultBytes}
	var result Result
	err = s.withConn(ctx, ds, func(conn Conn, connected time.Duration) error {
		result, err = run(ctx, conn, statement, q.Writes)
		result.Timings.Connect = milliseconds(connected)
		return err
	})
	if err == nil {
		return result, nil
	}
	if c.sensitive(values) {
		err = hushed(err)
	}
	return Result{}, s.explain(ctx, err)
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

// withConn calls fn with the open connection of a datasource.
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

// limit ends a run after its timeout, and when the service closes.
func (s *Service) limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	late := problem.Newf(problem.Timeout, "query_timeout", "the query took longer than its limit of %s", timeout).
		Fix("make the query faster, or raise its timeout up to 30 s")
	ctx, stop := context.WithTimeoutCause(ctx, timeout, late)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.pools.ctx, func() { cancel(closing()) })
	return ctx, func() {
		unhook()
		cancel(nil)
		stop()
	}
}

// explain makes the caller's error out of what a connector returned: who may
// test queries is told what the datasource said.
func (s *Service) explain(ctx context.Context, err error) error {
	detailed := false
	if _, ok := errors.AsType[*StatementError](err); ok && context.Cause(ctx) == nil {
		_, denied := s.authorize(ctx, auth.QueryTest, "")
		detailed = denied == nil
	}
	return failure(ctx, err, detailed)
}
