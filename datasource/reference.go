package datasource

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
)

// mayBuild is Forbidden when the caller can have no query on a datasource: on one
// that he is denied. Whoever may change this query alone cannot move it to a
// datasource that he may not see either: he would read there what he likes.
//
// It asks before the transaction of the change, which a question must not hold up.
func (s *Service) mayBuild(ctx context.Context, datasourceID string, moved bool) error {
	ask, err := s.cfg.Refused(ctx, auth.DatasourceRead, datasourceID)
	if err == nil && !ask && moved {
		var all bool
		all, err = s.authorize.May(ctx, auth.QueryUpdate, "")
		ask = !all
	}
	if err != nil || !ask {
		return err
	}
	_, err = s.authorize(ctx, auth.DatasourceRead, datasourceID)
	return err
}

// mayRead is Forbidden when settings name a file anew that the caller is denied: a
// query on the datasource would read it to him.
func (s *Service) mayRead(ctx context.Context, connector string, posted, old map[string]any) error {
	c := s.types[connector]
	if c == nil {
		return nil // which the validator tells
	}
	for _, f := range c.Spec().Fields {
		fileID, _ := posted[f.Name].(string)
		if f.Type != FieldFile || fileID == "" || fileID == old[f.Name] {
			continue
		}
		refused, err := s.cfg.Refused(ctx, auth.FileRead, fileID)
		if err == nil && refused {
			_, err = s.authorize(ctx, auth.FileRead, fileID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayReadAgain is mayRead for a datasource that is there.
func (s *Service) mayReadAgain(ctx context.Context, tenantID, id string, posted map[string]any) error {
	if len(posted) == 0 {
		return nil
	}
	row, err := findDatasource(ctx, s.db.DB, tenantID, id)
	if err != nil {
		return err
	}
	old, err := row.values()
	if err != nil {
		return err
	}
	return s.mayRead(ctx, row.Type, posted, old)
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
