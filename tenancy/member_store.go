package tenancy

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

func insertMember(ctx context.Context, db bun.IDB, row *memberRow) error {
	_, err := db.NewInsert().Model(row).Exec(ctx)
	if store.IsUnique(err) {
		return problem.New(problem.Conflict, "member_exists", "the user is a member already").Because(err)
	}
	if err != nil {
		return fmt.Errorf("write the member: %w", err)
	}
	return nil
}

// raiseMember counts a change of a member.
func raiseMember(ctx context.Context, db bun.IDB, tenantID, userID string) error {
	_, err := db.NewUpdate().Model((*memberRow)(nil)).Set("version = version + 1").
		Where("m.tenant_id = ?", tenantID).Where("m.user_id = ?", userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write the member: %w", err)
	}
	return nil
}

// deleteMember also takes the member's roles with it.
func deleteMember(ctx context.Context, db bun.IDB, tenantID, userID string) error {
	_, err := db.NewDelete().Model((*memberRow)(nil)).
		Where("m.tenant_id = ?", tenantID).Where("m.user_id = ?", userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("remove the member: %w", err)
	}
	return nil
}

func insertMemberRoles(ctx context.Context, db bun.IDB, tenantID, userID string, roleIDs []string) error {
	if len(roleIDs) == 0 {
		return nil
	}
	rows := make([]memberRoleRow, len(roleIDs))
	for i, roleID := range roleIDs {
		rows[i] = memberRoleRow{TenantID: tenantID, UserID: userID, RoleID: roleID}
	}
	_, err := db.NewInsert().Model(&rows).Exec(ctx)
	if store.IsForeignKey(err) {
		return problem.New(problem.Conflict, "role_deleted", "a role was deleted meanwhile").Because(err)
	}
	if err != nil {
		return fmt.Errorf("give the roles: %w", err)
	}
	return nil
}

func deleteMemberRoles(ctx context.Context, db bun.IDB, tenantID, userID string, roleIDs []string) error {
	if len(roleIDs) == 0 {
		return nil
	}
	_, err := db.NewDelete().Model((*memberRoleRow)(nil)).
		Where("mr.tenant_id = ?", tenantID).Where("mr.user_id = ?", userID).Where("mr.role_id IN (?)", bun.List(roleIDs)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("take the roles: %w", err)
	}
	return nil
}

// replaceRoles writes only what differs: a role that stays is never absent, not
// even for a change that waits for this one.
func replaceRoles(ctx context.Context, db bun.IDB, tenantID string, before Member, roleIDs []string) error {
	had := before.roleIDs()
	if err := deleteMemberRoles(ctx, db, tenantID, before.UserID, without(had, roleIDs)); err != nil {
		return err
	}
	return insertMemberRoles(ctx, db, tenantID, before.UserID, without(roleIDs, had))
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}
