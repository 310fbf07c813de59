package datasource

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// Query is a saved operation on a datasource.
type Query struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	DatasourceID string          `json:"datasourceId"`
	Operation    json.RawMessage `json:"operation"` // by the schema of the connector's Spec
	Params       []Param         `json:"params"`
	Writes       bool            `json:"writes"`     // may change data; without it the datasource refuses to
	RowLimit     int             `json:"rowLimit"`   // rows of a result at most
	TimeoutMS    int64           `json:"timeoutMs"`  // of a run, waiting for a connection included
	CacheTTLMS   int64           `json:"cacheTtlMs"` // for how long a result serves whoever asks the same; 0 = not at all
	Transform    Transform       `json:"transform"`  // what becomes of the rows
	Rules        []RowRule       `json:"rules"`      // who sees which rows; none = whoever may run it all of them
	CreatedBy    string          `json:"createdBy"`
	CreatedAt    time.Time       `json:"createdAt"`
	UpdatedAt    time.Time       `json:"updatedAt"`
	Version      int             `json:"version"`
}

// NewQuery is the input of [Service.CreateQuery].
type NewQuery struct {
	Name         string          `json:"name"` // unique in the tenant, 1 to 100 characters
	Description  string          `json:"description"`
	DatasourceID string          `json:"datasourceId"`
	Operation    json.RawMessage `json:"operation"`
	Params       []Param         `json:"params"`
	Writes       bool            `json:"writes"`
	RowLimit     int             `json:"rowLimit"`   // 1 to 10000; 0 = 1000
	TimeoutMS    int64           `json:"timeoutMs"`  // 1 to 30000; 0 = 30000
	CacheTTLMS   int64           `json:"cacheTtlMs"` // up to 3600000, not for a query that writes; 0 = no cache
	Transform    Transform       `json:"transform"`  // not for a query that writes

	// Rules need query.rules; so does a change of what they judge.
	Rules []RowRule `json:"rules,omitempty"`
}

// QueryUpdate changes what is not nil.
type QueryUpdate struct {
	Name         *string         `json:"name"`
	Description  *string         `json:"description"`
	DatasourceID *string         `json:"datasourceId"`
	Operation    json.RawMessage `json:"operation"`
	Params       *[]Param        `json:"params"`
	Writes       *bool           `json:"writes"`
	RowLimit     *int            `json:"rowLimit"`
	TimeoutMS    *int64          `json:"timeoutMs"`
	CacheTTLMS   *int64          `json:"cacheTtlMs"`
	Transform    *Transform      `json:"transform"`
	Rules        *[]RowRule      `json:"rules"`
	Version      int             `json:"version"` // of the query that was read; 0 = whatever it is
}

// QueryFilter narrows [Service.Queries].
type QueryFilter struct {
	DatasourceID string // "" = of all datasources
}

// Queries returns the saved queries of the tenant that the caller may see, newest
// first. Of those that he may not read ([auth.QueryRead]) it leaves out what only a
// reader sees: operation, rules and transformation.
func (s *Service) Queries(ctx context.Context, f QueryFilter, r page.Request) (page.Page[Query], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.QueryList, "id")
	if err != nil {
		return page.Page[Query]{}, err
	}
	q := s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(visible)
	if f.DatasourceID != "" {
		q = q.Where("datasource_id = ?", f.DatasourceID)
	}
	return page.List[queryRow, Query]{
		Key:   func(q Query) string { return q.ID },
		Query: q,
		Scope: []string{"queries", who.TenantID, f.DatasourceID},
		View:  func(row *queryRow) (Query, error) { return s.listed(ctx, row) },
	}.Read(ctx, s.cfg.Pages, r)
}

func (s *Service) listed(ctx context.Context, row *queryRow) (Query, error) {
	q, err := row.view()
	if err != nil {
		return q, err
	}
	readable, err := s.authorize.May(ctx, auth.QueryRead, row.ID)
	if !readable {
		q.Operation, q.Rules, q.Transform = nil, []RowRule{}, Transform{Language: TransformNone}
	}
	return q, err
}

// Query returns one saved query.
func (s *Service) Query(ctx context.Context, id string) (Query, error) {
	who, err := s.authorize(ctx, auth.QueryRead, id)
	if err != nil {
		return Query{}, err
	}
	row, err := findQuery(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Query{}, err
	}
	return row.view()
}

// CheckQuery is nil when the caller may execute the query: for whoever saves a
// reference to it. Otherwise it is Forbidden, or NotFound like for a query of
// another tenant.
func (s *Service) CheckQuery(ctx context.Context, queryID string) error {
	who, err := s.authorize(ctx, auth.QueryExecute, queryID)
	if err != nil {
		return err
	}
	_, err = findQuery(ctx, s.db.DB, who.TenantID, queryID)
	return err
}

// CheckParams finds the faults that RunQuery would find in values for the
// parameters of a query: for whoever saves a call of it. unknown says of a value
// that it is only known when the query runs. It needs query.execute on the query.
func (s *Service) CheckParams(ctx context.Context, queryID string, params map[string]any, unknown func(value any) bool) error {
	who, err := s.authorize(ctx, auth.QueryExecute, queryID)
	if err != nil {
		return err
	}
	p, err := s.plan(ctx, who.TenantID, queryID)
	if problem.Is(err, problem.Invalid) {
		return problem.New(problem.Invalid, "query_invalid", "the saved query is not valid any more")
	}
	if err != nil {
		return err
	}
	return bindKnown(p.rules, params, unknown)
}

// CreateQuery saves a query. All its faults are one Invalid error: unknown
// datasource, malformed operation, parameters that are not declared or not used,
// row rules that cannot be read. A query with row rules needs query.rules besides
// query.create.
func (s *Service) CreateQuery(ctx context.Context, in NewQuery) (Query, error) {
	who, err := s.authorize(ctx, auth.QueryCreate, "")
	if err != nil {
		return Query{}, err
	}
	if err := s.mayBuild(ctx, in.DatasourceID, false); err != nil {
		return Query{}, err
	}
	if len(in.Rules) > 0 {
		if _, err := s.authorize(ctx, auth.QueryRules, ""); err != nil {
			return Query{}, err
		}
	}
	s.ahead(ctx, in.Transform)
	now := s.cfg.Clock.Now()
	row := &queryRow{
		ID: id.New(), TenantID: who.TenantID, CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.cfg.Admit(ctx, tx, row.TenantID, "queries"); err != nil {
			return err
		}
		if err := s.fillQuery(ctx, tx, row, in); err != nil {
			return err
		}
		if err := insert(ctx, tx, row); err != nil {
			return err
		}
		if err := s.cfg.Own(ctx, tx, "query", row.ID); err != nil {
			return err
		}
		if err := keepVersion(ctx, tx, row, nil, change{actor: row.CreatedBy}); err != nil {
			return err
		}
		entry := row.entry("query.create", map[string]any{"name": row.Name, "datasourceId": row.DatasourceID, "writes": row.Writes})
		if entry.After, err = row.content(); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, entry)
	})
	if err != nil {
		return Query{}, err
	}
	return row.view()
}

// UpdateQuery changes a query; the result is judged like a new one. It needs
// query.update on the query, and query.rules on it to change row rules or what they
// judge: datasource, operation and parameters of a query that has some. Who holds
// query.update only because he made the query needs query.create to change datasource,
// operation, parameters or Writes.
func (s *Service) UpdateQuery(ctx context.Context, id string, in QueryUpdate) (Query, error) {
	who, err := s.authorize(ctx, auth.QueryUpdate, id)
	if err != nil {
		return Query{}, err
	}
	next := ""
	set(&next, in.DatasourceID)
	if err := s.mayRebuild(ctx, who.TenantID, id, next); err != nil {
		return Query{}, err
	}
	if in.Transform != nil {
		s.ahead(ctx, *in.Transform)
	}
	var row *queryRow
	err = s.ruled(ctx, id, func(may mayChange) error {
		return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
			if row, err = findQuery(ctx, tx, who.TenantID, id); err != nil {
				return err
			}
			next, err := row.content()
			if err != nil {
				return err
			}
			return s.save(ctx, tx, row, in.over(next), change{action: "query.update", actor: who.Actor(), seen: in.Version, may: may})
		})
	})
	if err != nil {
		return Query{}, err
	}
	s.forgetQuery(row.ID)
	return row.view()
}

// over is the content of a query with what the update changes.
func (u QueryUpdate) over(next NewQuery) NewQuery {
	set(&next.Name, u.Name)
	set(&next.Description, u.Description)
	set(&next.DatasourceID, u.DatasourceID)
	if u.Operation != nil {
		next.Operation = u.Operation
	}
	set(&next.Params, u.Params)
	set(&next.Writes, u.Writes)
	set(&next.RowLimit, u.RowLimit)
	set(&next.TimeoutMS, u.TimeoutMS)
	set(&next.CacheTTLMS, u.CacheTTLMS)
	set(&next.Transform, u.Transform)
	set(&next.Rules, u.Rules)
	return next
}

// DeleteQuery removes a query. What Config.UsedBy names is a Conflict.
func (s *Service) DeleteQuery(ctx context.Context, id string) error {
	who, err := s.authorize(ctx, auth.QueryDelete, id)
	if err != nil {
		return err
	}
	if err := s.unused(ctx, id); err != nil {
		return err
	}
	var row *queryRow
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = findQuery(ctx, tx, who.TenantID, id); err != nil {
			return err
		}
		if err := remove(ctx, tx, row, who.TenantID, id); err != nil {
			return err
		}
		entry := row.entry("query.delete", map[string]any{"name": row.Name})
		if entry.Before, err = row.content(); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, entry)
	})
	if err != nil {
		return err
	}
	s.forgetQuery(row.ID)
	return nil
}

// forgetQuery ends what was kept of a query that was changed or deleted. What
// other processes keep, their next run finds to be of another version.
func (s *Service) forgetQuery(id string) {
	s.plans.drop(func(p *plan) bool { return p.query.ID == id })
	s.results.drop(func(c *cached) bool { return c.id == id })
}

// unused is nil when nobody needs the query. It asks before the transaction of the
// deletion: whoever begins to use the query in between finds it gone when it runs.
func (s *Service) unused(ctx context.Context, queryID string) error {
	users, err := s.cfg.UsedBy(ctx, queryID)
	if err != nil || len(users) == 0 {
		return err
	}
	return problem.Newf(problem.Conflict, "query_in_use", "the query is used by %s", text.Some(users)).
		Fix("publish them without it, or delete them, and wait for their runs")
}

func (r *queryRow) view() (Query, error) {
	q := Query{
		ID: r.ID, Name: r.Name, Description: r.Description, DatasourceID: r.DatasourceID, Operation: json.RawMessage(r.Operation),
		Writes: r.Writes, RowLimit: r.RowLimit, TimeoutMS: r.TimeoutMS, CacheTTLMS: r.CacheTTLMS, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.Params), &q.Params); err != nil {
		return q, err
	}
	var err error
	if q.Rules, err = r.rules(); err != nil {
		return q, err
	}
	q.Transform.Language = TransformNone
	if r.Transform == "" {
		return q, nil
	}
	return q, json.Unmarshal([]byte(r.Transform), &q.Transform)
}

func (r *queryRow) rules() ([]RowRule, error) {
	rules := []RowRule{}
	if r.Rules == "" {
		return rules, nil
	}
	return rules, json.Unmarshal([]byte(r.Rules), &rules)
}

// content is what somebody would have to enter to save the query as it is.
func (r *queryRow) content() (NewQuery, error) {
	q, err := r.view()
	return NewQuery{
		Name: q.Name, Description: q.Description, DatasourceID: q.DatasourceID, Operation: q.Operation, Params: q.Params,
		Writes: q.Writes, RowLimit: q.RowLimit, TimeoutMS: q.TimeoutMS, CacheTTLMS: q.CacheTTLMS, Transform: q.Transform,
		Rules: q.Rules,
	}, err
}

func (r *queryRow) entry(action string, detail map[string]any) audit.Entry {
	return audit.Entry{TenantID: r.TenantID, Action: action, ObjectType: "query", ObjectID: r.ID, Detail: detail}
}

func (r *queryRow) changes(before *queryRow) []string {
	differs := map[string]bool{
		"name": r.Name != before.Name, "description": r.Description != before.Description, "datasourceId": r.DatasourceID != before.DatasourceID,
		"operation": r.Operation != before.Operation, "params": r.Params != before.Params, "writes": r.Writes != before.Writes,
		"rowLimit": r.RowLimit != before.RowLimit, "timeoutMs": r.TimeoutMS != before.TimeoutMS,
		"cacheTtlMs": r.CacheTTLMS != before.CacheTTLMS, "transform": r.Transform != before.Transform, "rules": r.Rules != before.Rules,
	}
	maps.DeleteFunc(differs, func(_ string, changed bool) bool { return !changed })
	return sortedKeys(differs)
}
