package rbac

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// Lookup turns names of roles into their ids: a name is the id of a role of the
// caller's tenant or the key of a default role, e.g. [Operator]. It asks for no
// right: it is for what names roles, and tells of them no more than that they
// are there. Its statement goes to db, so that it can be part of a change.
//
// Errors: Unauthenticated, Forbidden without a tenant; Invalid, at "roles", with
// every name that is none.
func (s *Service) Lookup(ctx context.Context, db bun.IDB, names []string) ([]string, error) {
	who, err := s.inTenant(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var rows []roleRow
	err = db.NewSelect().Model(&rows).Column("id", "builtin").Where("r.tenant_id = ?", who.TenantID).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up roles: %w", err)
	}
	known := make(map[string]string, 2*len(rows))
	for _, row := range rows {
		known[row.ID] = row.ID
		if row.Builtin != "" {
			known[row.Builtin] = row.ID
		}
	}
	ids := make([]string, len(names))
	var f problem.Faults
	for i, name := range names {
		ids[i] = known[name]
		f.Check(ids[i] != "", fmt.Sprintf("roles.%d", i), "is not a role of this tenant")
	}
	return ids, f.Err("role_unknown", "a role does not exist")
}
