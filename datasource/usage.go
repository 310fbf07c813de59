package datasource

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
)

// QueryUse is a saved query of a datasource, with what uses it.
type QueryUse struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"` // "" when the caller may not see the query
	Writes bool     `json:"writes"`
	UsedBy []string `json:"usedBy"` // for a person, e.g. `the workflow "Nightly"`
}

// Usage lists the queries that use a datasource, newest first, and what uses
// those: what would break without it. It needs datasource.read.
func (s *Service) Usage(ctx context.Context, datasourceID string, r page.Request) (page.Page[QueryUse], error) {
	who, err := s.authorize(ctx, auth.DatasourceRead, datasourceID)
	if err != nil {
		return page.Page[QueryUse]{}, err
	}
	if _, err := findDatasource(ctx, s.db.DB, who.TenantID, datasourceID); err != nil {
		return page.Page[QueryUse]{}, err
	}
	return page.List[queryRow, QueryUse]{
		Key:   func(u QueryUse) string { return u.ID },
		Query: s.db.NewSelect().Column("id", "name", "writes").Where("tenant_id = ?", who.TenantID).Where("datasource_id = ?", datasourceID),
		Scope: []string{"usage", who.TenantID, datasourceID},
		View:  func(row *queryRow) (QueryUse, error) { return s.use(ctx, row) },
	}.Read(ctx, s.cfg.Pages, r)
}

func (s *Service) use(ctx context.Context, row *queryRow) (QueryUse, error) {
	u := QueryUse{ID: row.ID, Name: row.Name, Writes: row.Writes, UsedBy: []string{}}
	readable, err := s.authorize.May(ctx, auth.QueryRead, row.ID)
	if err != nil {
		return u, err
	}
	if !readable {
		u.Name = ""
	}
	users, err := s.cfg.UsedBy(ctx, row.ID)
	u.UsedBy = append(u.UsedBy, users...)
	return u, err
}
