package datasource

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Schema reads what a datasource holds: tables, columns and keys. It needs
// datasource.read. A type that does not know is a Conflict, see [Abilities].
func (s *Service) Schema(ctx context.Context, id string) (Schema, error) {
	who, err := s.authorize(ctx, auth.DatasourceRead, id)
	if err != nil {
		return Schema{}, err
	}
	row, err := findDatasource(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Schema{}, err
	}
	limited, cancel := s.limit(auth.WithoutPrincipal(ctx), MaxTimeout, late(MaxTimeout))
	defer cancel()
	var schema Schema
	err = s.inRoom(limited, row, func(conn Conn, _ time.Duration) error {
		introspector, ok := conn.(Introspector)
		if !ok {
			return problem.New(problem.Conflict, "schema_unsupported", "this type of datasource has no schema")
		}
		schema, err = introspector.Introspect(limited)
		return err
	})
	if err != nil {
		return Schema{}, s.shown(ctx, caused(limited, err))
	}
	if schema.Tables == nil {
		schema.Tables = []Table{}
	}
	return schema, nil
}
