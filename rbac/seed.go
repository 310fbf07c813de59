package rbac

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// Seed gives a new tenant the default roles and returns the id of its Owner
// role. It is a part of making the tenant: it asks nobody's permission and is
// not audited for itself.
func (s *Service) Seed(ctx context.Context, db bun.IDB, tenantID string) (ownerRoleID string, err error) {
	now := s.clock.Now()
	var rows []*roleRow
	for _, d := range defaultRoles() {
		role := Role{
			ID: id.New(), Name: d.name, Description: d.description, Builtin: d.key,
			Permissions: []auth.Permission{}, CreatedAt: now, UpdatedAt: now, Version: 1,
		}
		rows = append(rows, rowOf(tenantID, role))
		if d.key == Owner {
			ownerRoleID = role.ID
		}
	}
	if _, err := db.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return "", fmt.Errorf("write the default roles: %w", err)
	}
	return ownerRoleID, nil
}

// OwnerRole is the id of the Owner role of a tenant, which somebody always has.
func (s *Service) OwnerRole(ctx context.Context, db bun.IDB, tenantID string) (string, error) {
	var roleID string
	err := db.NewSelect().Model((*roleRow)(nil)).Column("id").
		Where("r.tenant_id = ?", tenantID).Where("r.builtin = ?", Owner).Scan(ctx, &roleID)
	if err != nil {
		return "", fmt.Errorf("read the Owner role: %w", err)
	}
	return roleID, nil
}
