package datasource

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
)

// MaxQueryVersions is how many versions of a query are kept: the last ones.
const MaxQueryVersions = 200

// QueryVersion is a query as it was saved once. It never changes.
type QueryVersion struct {
	QueryID      string    `json:"queryId"`
	Number       int       `json:"number"`
	Changed      []string  `json:"changed"` // the fields that differ from the version before
	RestoredFrom int       `json:"restoredFrom,omitempty"`
	SavedBy      string    `json:"savedBy"`
	SavedAt      time.Time `json:"savedAt"`
	Content      *NewQuery `json:"content,omitempty"` // lists leave it out
}

// QueryVersions lists the versions of a query without their contents, newest
// first. It needs query.read on the query.
func (s *Service) QueryVersions(ctx context.Context, queryID string, r page.Request) (page.Page[QueryVersion], error) {
	who, err := s.authorize(ctx, auth.QueryRead, queryID)
	if err != nil {
		return page.Page[QueryVersion]{}, err
	}
	if _, err := findQuery(ctx, s.db.DB, who.TenantID, queryID); err != nil {
		return page.Page[QueryVersion]{}, err
	}
	return page.List[queryVersionRow, QueryVersion]{
		By:  "number",
		Key: func(v QueryVersion) string { return strconv.Itoa(v.Number) },
		Query: s.db.NewSelect().Column("query_id", "number", "changed", "restored_from", "saved_by", "saved_at").
			Where("tenant_id = ?", who.TenantID).Where("query_id = ?", queryID),
		Scope: []string{"queryVersions", who.TenantID, queryID},
		View:  (*queryVersionRow).view,
	}.Read(ctx, s.cfg.Pages, r)
}

// QueryVersion reads one version. It needs query.read on the query.
func (s *Service) QueryVersion(ctx context.Context, queryID string, number int) (QueryVersion, error) {
	who, err := s.authorize(ctx, auth.QueryRead, queryID)
	if err != nil {
		return QueryVersion{}, err
	}
	row, err := findQueryVersion(ctx, s.db.DB, who.TenantID, queryID, number)
	if err != nil {
		return QueryVersion{}, err
	}
	return row.view()
}

// RestoreQueryVersion saves what a version held as a new version. It is judged
// like any other change: what cannot be saved today cannot be restored, and row
// rules need the right to change them, see [Service.UpdateQuery]. version is the one
// of the query that was read, 0 = whatever it is.
func (s *Service) RestoreQueryVersion(ctx context.Context, queryID string, number, version int) (Query, error) {
	who, err := s.authorize(ctx, auth.QueryUpdate, queryID)
	if err != nil {
		return Query{}, err
	}
	if _, err := findQuery(ctx, s.db.DB, who.TenantID, queryID); err != nil {
		return Query{}, err
	}
	old, err := findQueryVersion(ctx, s.db.DB, who.TenantID, queryID, number) // it never changes
	if err != nil {
		return Query{}, err
	}
	var content NewQuery
	if err := json.Unmarshal([]byte(old.Content), &content); err != nil {
		return Query{}, err
	}
	if err := s.mayRebuild(ctx, who.TenantID, queryID, content.DatasourceID); err != nil {
		return Query{}, err
	}
	s.ahead(ctx, content.Transform)
	var row *queryRow
	err = s.ruled(ctx, queryID, func(may mayChange) error {
		return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
			if row, err = findQuery(ctx, tx, who.TenantID, queryID); err != nil {
				return err
			}
			return s.save(ctx, tx, row, content, change{"query.restore", who.Actor(), version, number, may})
		})
	})
	if err != nil {
		return Query{}, err
	}
	s.forgetQuery(row.ID)
	return row.view()
}
