package tenancy

import (
	"context"
	"fmt"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// RolesOf returns the ids of a member's roles, in order; none for a member
// without roles.
//
// Errors: NotFound when there is no such tenant or the user is not a member:
// from outside the two are the same. Forbidden for a member while the tenant is
// suspended. It asks for no right: it is how a call
// proves that it belongs to the tenant.
func (s *Service) RolesOf(ctx context.Context, tenantID, userID string) ([]string, error) {
	if !id.Valid(tenantID) || !id.Valid(userID) {
		return nil, problem.Missing("tenant")
	}
	var rows []struct {
		RoleID    string
		Suspended bool
	}
	err := s.db.NewRaw(`SELECT coalesce(CAST(mr.role_id AS text), '') AS role_id, t.suspended_at IS NOT NULL AS suspended
		FROM ?schema.jet_member AS m
		JOIN ?schema.jet_tenant AS t ON t.id = m.tenant_id
		LEFT JOIN ?schema.jet_member_role AS mr ON mr.tenant_id = m.tenant_id AND mr.user_id = m.user_id
		WHERE m.tenant_id = ? AND m.user_id = ? AND t.deleted_at IS NULL ORDER BY role_id`, tenantID, userID).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read the roles of a member: %w", err)
	}
	if len(rows) == 0 {
		return nil, problem.Missing("tenant")
	}
	if rows[0].Suspended {
		return nil, auth.TenantSuspended()
	}
	roles := make([]string, 0, len(rows))
	for _, row := range rows {
		if row.RoleID != "" {
			roles = append(roles, row.RoleID)
		}
	}
	return roles, nil
}
