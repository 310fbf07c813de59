package datasource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jetadmin/jetadmin/auth"
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
	Rules        []RowRule       `json:"rules"` // to try: what the caller would see; none = all rows
	Values       map[string]any  `json:"values"`
}

// RunQuery runs a saved query with values for its declared parameters. It needs
// query.execute on the query.
//
// Errors: Invalid for values (unknown, of a wrong type, too many elements, all
// at once), Upstream when the datasource fails or refuses (who may test queries
// is told what it said), Timeout, Forbidden for an address that the server's
// egress policy refuses, for a caller for whom none of the query's row rules is, and for
// a query that writes while he views as somebody else,
// RateLimited when too many statements of the tenant wait,
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
	if p.query.Writes {
		if err := who.MayChange(); err != nil {
			return nil, err
		}
	}
	if hook := s.cfg.Hooks.BeforeRun; hook != nil {
		if err := hook(ctx, p.query); err != nil {
			return nil, err
		}
	}
	return s.call(ctx, who, p, params)
}

// TestQuery runs a query that is not saved. It needs query.test. Row rules that come
// with it hold for the caller, as in a run; without them he sees all rows: whoever
// may run any text, rules of saved queries do not bind.
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
	result.ExecutionID, result.Wrote = e.row.ID, c.plan.query.Writes
	return result, nil
}

// unsaved is a call of a query that is judged as if it were to be saved.
func (s *Service) unsaved(ctx context.Context, in QueryTest) (*call, error) {
	who, err := s.authorize(ctx, auth.QueryTest, "")
	if err != nil {
		return nil, err
	}
	if err := s.mayBuild(ctx, in.DatasourceID, false); err != nil {
		return nil, err
	}
	row := &queryRow{TenantID: who.TenantID}
	err = s.fillQuery(ctx, s.db.DB, row, NewQuery{
		Name: "test", DatasourceID: in.DatasourceID, Operation: in.Operation, Params: in.Params,
		Writes: in.Writes, RowLimit: in.RowLimit, TimeoutMS: in.TimeoutMS, Transform: in.Transform,
		Rules: in.Rules,
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
	return s.call(ctx, who, p, in.Values)
}

// shown makes the caller's error out of what a call came to: who may test queries
// is told what the datasource said.
func (s *Service) shown(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	detailed := false
	if refusedBy(err) != nil || transformationOf(err) != nil {
		detailed, _ = s.authorize.May(ctx, auth.QueryTest, "") // who cannot be asked for is shown less
	}
	return failure(err, detailed)
}
