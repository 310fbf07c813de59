package datasource

import (
	"context"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// plan is a query that is ready to be run. It is immutable.
type plan struct {
	compiled
	query  Query
	policy rowPolicy
	ds     *datasourceRow
}

// maxPlans bounds what is kept of queries between their runs, in bytes.
const maxPlans = 32 << 20

// plan reads a saved query. One that was run before, and was not changed since by
// any process, is not read and compiled again.
func (s *Service) plan(ctx context.Context, tenantID, queryID string) (*plan, error) {
	key := tenantID + "/" + queryID
	if p, ok := s.plans.get(key); ok {
		current, err := s.isCurrent(ctx, p)
		if current || err != nil {
			return p, err
		}
	}
	row, err := findRunnable(ctx, s.db.DB, tenantID, queryID)
	if err != nil {
		return nil, err
	}
	p, err := s.newPlan(row, row.Datasource)
	if err != nil {
		return nil, err
	}
	s.plans.put(key, p, int64(2*(len(row.Operation)+len(row.Params))+20*len(row.Rules)))
	return p, nil
}

func (s *Service) newPlan(row *queryRow, ds *datasourceRow) (*plan, error) {
	query, err := row.view()
	if err != nil {
		return nil, err
	}
	var faults problem.Faults
	p := &plan{query: query, ds: ds, compiled: s.compile(ds, query.Operation, query.Params, query.Writes, &faults)}
	p.policy = newRowPolicy(query.Rules, query.Params, &faults)
	return p, faults.Err("query_invalid", "the saved query is not valid any more")
}

// isCurrent compares a plan with the versions that are stored. A query that is
// gone is NotFound.
func (s *Service) isCurrent(ctx context.Context, p *plan) (bool, error) {
	var now []struct {
		Query, Datasource int
		ID                string
	}
	err := store.Select(ctx, s.db.DB, &now, `SELECT q.version AS query, d.version AS datasource, d.id AS id FROM ?schema.jet_query AS q
		JOIN ?schema.jet_datasource AS d ON d.id = q.datasource_id AND d.tenant_id = q.tenant_id WHERE q.tenant_id = ? AND q.id = ?`,
		p.ds.TenantID, p.query.ID)
	switch {
	case err != nil:
		return false, err
	case len(now) == 0:
		return false, problem.Missing("query")
	}
	return now[0].Query == p.query.Version && now[0].Datasource == p.ds.Version && now[0].ID == p.ds.ID, nil
}
