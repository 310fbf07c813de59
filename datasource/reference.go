package datasource

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// mayBuild is Forbidden when the caller can have no query on a datasource: on one
// that he is denied. Whoever may change this query alone cannot move it to a
// datasource that he may not see either: he would read there what he likes.
//
// It asks before the transaction of the change, which a question must not hold up.
func (s *Service) mayBuild(ctx context.Context, datasourceID string, moved bool) error {
	ask, err := s.cfg.Refused(ctx, auth.DatasourceRead, datasourceID)
	if err == nil && !ask && moved {
		_, err = s.authorize(auth.AsQuestion(ctx), auth.QueryUpdate, "")
		if problem.Is(err, problem.Forbidden) {
			ask, err = true, nil
		}
	}
	if err != nil || !ask {
		return err
	}
	_, err = s.authorize(ctx, auth.DatasourceRead, datasourceID)
	return err
}

// mayRebuild is mayBuild for a query that is there; next "" leaves it where it is.
func (s *Service) mayRebuild(ctx context.Context, tenantID, queryID, next string) error {
	row, err := findQuery(ctx, s.db.DB, tenantID, queryID)
	if err != nil {
		return err
	}
	if next == "" {
		next = row.DatasourceID
	}
	return s.mayBuild(ctx, next, next != row.DatasourceID)
}
