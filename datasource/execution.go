package datasource

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// ExecutionKind says how a query was run.
type ExecutionKind string

// The kinds of executions.
const (
	ExecutionRun    ExecutionKind = "run"
	ExecutionStream ExecutionKind = "stream"
	ExecutionTest   ExecutionKind = "test" // of a text that is not saved
)

// ExecutionStatus is how an execution ended, or that it has not.
type ExecutionStatus string

// The statuses of executions.
const (
	ExecutionRunning   ExecutionStatus = "running"
	ExecutionSucceeded ExecutionStatus = "succeeded"
	ExecutionFailed    ExecutionStatus = "failed"
	ExecutionCancelled ExecutionStatus = "cancelled" // stopped, or its caller left
	ExecutionLost      ExecutionStatus = "lost"      // its process never told how it ended
)

// Execution is one run of a query.
type Execution struct {
	ID           string          `json:"id"`
	Kind         ExecutionKind   `json:"kind"`
	DatasourceID string          `json:"datasourceId"`
	QueryID      string          `json:"queryId,omitempty"` // "" = of a test
	QueryVersion int             `json:"queryVersion,omitempty"`
	Actor        string          `json:"actor"`                // "user:<id>", "apiKey:<id>", "service:<name>"
	OnBehalfOf   string          `json:"onBehalfOf,omitempty"` // the user id behind a key or service
	Viewing      string          `json:"viewing,omitempty"`    // whom the actor viewed: "user:<id>" or "role:<id>"
	Params       map[string]any  `json:"params"`               // values are shortened, sensitive ones masked
	Status       ExecutionStatus `json:"status"`
	ErrorCode    string          `json:"errorCode,omitempty"`
	RowCount     int64           `json:"rowCount"`
	Cached       bool            `json:"cached"` // answered from kept results
	StartedAt    time.Time       `json:"startedAt"`
	FinishedAt   *time.Time      `json:"finishedAt,omitempty"`
	Took         *float64        `json:"tookMs,omitempty"`
}

// ExecutionFilter narrows [Service.Executions].
type ExecutionFilter struct {
	QueryID string // "" = of all queries and of tests
	Running bool   // only those that have not ended
}

// Executions lists who ran what, newest first. It needs query.history, on the
// query when one is named; a query that is not there is NotFound. Executions are
// kept for 30 days unless [Config.HistoryRetention] says otherwise, the last
// 100,000 of each tenant, and may be missing when a process died within a second
// of their end.
func (s *Service) Executions(ctx context.Context, f ExecutionFilter, r page.Request) (page.Page[Execution], error) {
	who, visible, err := s.executionsOf(ctx, f.QueryID)
	if err != nil {
		return page.Page[Execution]{}, err
	}
	q, running := s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(visible), ""
	if f.QueryID != "" {
		if _, err := findQuery(ctx, s.db.DB, who.TenantID, f.QueryID); err != nil {
			return page.Page[Execution]{}, err
		}
		q = q.Where("query_id = ?", f.QueryID)
	}
	if f.Running {
		q, running = q.Where("finished_at IS NULL AND ends_by > ?", s.cfg.Clock.Now()), "running"
	}
	if keep := s.cfg.HistoryRetention; keep > 0 { // what is older may not be deleted yet
		q = q.Where("id >= ?", id.First(s.cfg.Clock.Now().Add(-keep)))
	}
	s.history.tidy()
	s.history.flush(ctx)
	return page.List[executionRow, Execution]{
		Key:   func(e Execution) string { return e.ID },
		Query: q,
		Scope: []string{"executions", who.TenantID, f.QueryID, running},
		View:  func(row *executionRow) (Execution, error) { return row.view(s.cfg.Clock.Now()) },
	}.Read(ctx, s.cfg.Pages, r)
}

// executionsOf asks for the history of one query, or of those that the caller may
// see it of.
func (s *Service) executionsOf(ctx context.Context, queryID string) (*auth.Principal, func(*bun.SelectQuery) *bun.SelectQuery, error) {
	if queryID == "" {
		return s.cfg.Visible(ctx, auth.QueryHistory, "query_id")
	}
	who, err := s.authorize(ctx, auth.QueryHistory, queryID)
	return who, func(q *bun.SelectQuery) *bun.SelectQuery { return q }, err
}

// StopExecution ends a run of a query, in whichever process it is, within two
// seconds. Callers stop their own; those of others need query.cancel, on the
// query. An execution that has ended is a Conflict.
func (s *Service) StopExecution(ctx context.Context, id string) error {
	who := auth.FromContext(ctx)
	if who == nil || who.TenantID == "" {
		_, err := s.authorize(ctx, auth.QueryCancel, "")
		return err
	}
	e, err := s.execution(ctx, who.TenantID, id)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return err
	}
	queryID := ""
	if e != nil && e.QueryID != nil {
		queryID = *e.QueryID
	}
	if _, denied := s.authorize(ctx, auth.QueryCancel, queryID); denied != nil && (e == nil || e.Actor != who.Actor() || who.Viewed() != nil) {
		return denied
	}
	if err != nil {
		return err
	}
	if e.FinishedAt != nil || s.cfg.Clock.Now().After(e.EndsBy) {
		return problem.New(problem.Conflict, "execution_ended", "the execution has ended")
	}
	return s.stop(ctx, e)
}

// execution is a run under way in this process, or one that is stored.
func (s *Service) execution(ctx context.Context, tenantID, id string) (*executionRow, error) {
	if row := s.history.find(tenantID, id); row != nil {
		return row, nil
	}
	s.history.flush(ctx) // it may have ended a moment ago
	row := new(executionRow)
	err := s.db.NewSelect().Model(row).Where("e.tenant_id = ?", tenantID).Where("e.id = ?", id).Scan(ctx)
	if store.IsMissing(err) {
		return nil, problem.Missing("execution")
	}
	return row, err
}

func (s *Service) stop(ctx context.Context, e *executionRow) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewUpdate().Model((*executionRow)(nil)).Set("stop_requested = TRUE").
			Where("e.tenant_id = ?", e.TenantID).Where("e.id = ?", e.ID).Exec(ctx)
		if err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: e.TenantID, Action: "query.cancel", ObjectType: "execution", ObjectID: e.ID,
			Detail: map[string]any{"queryId": e.QueryID, "actor": e.Actor},
		})
	})
	if err == nil {
		s.history.stop(e.ID)
	}
	return err
}

type executionRow struct {
	bun.BaseModel `bun:"table:?schema.jet_execution,alias:e"`

	ID            string `bun:",pk"`
	TenantID      string
	Kind          string
	DatasourceID  string
	QueryID       *string
	QueryVersion  int
	Actor         string
	OnBehalfOf    string
	Viewing       string
	Params        string
	Status        string
	ErrorCode     string
	RowCount      int64
	Cached        bool
	StartedAt     time.Time
	EndsBy        time.Time
	FinishedAt    *time.Time
	StopRequested bool
}

func (r *executionRow) view(now time.Time) (Execution, error) {
	e := Execution{
		ID: r.ID, Kind: ExecutionKind(r.Kind), DatasourceID: r.DatasourceID, QueryVersion: r.QueryVersion, Actor: r.Actor,
		OnBehalfOf: r.OnBehalfOf, Viewing: r.Viewing, Status: ExecutionStatus(r.Status), ErrorCode: r.ErrorCode, RowCount: r.RowCount, Cached: r.Cached,
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if r.QueryID != nil {
		e.QueryID = *r.QueryID
	}
	switch {
	case r.FinishedAt != nil:
		took := milliseconds(r.FinishedAt.Sub(r.StartedAt))
		e.Took = &took
	case now.After(r.EndsBy):
		e.Status = ExecutionLost
	}
	d := json.NewDecoder(strings.NewReader(r.Params))
	d.UseNumber()
	return e, d.Decode(&e.Params)
}
