package tenancy

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// keepOwner refuses a change of a member's roles to ones without that of Owner when
// no other Owner is left who can sign in. The Owners stay locked until the change is
// done: of two Owners who remove each other at once, the second finds himself the last.
func (s *Service) keepOwner(ctx context.Context, tx bun.IDB, tenantID, userID string, had, after []string) error {
	ownerRole, err := s.roles.OwnerRole(ctx, tx, tenantID)
	if err != nil {
		return err
	}
	if !slices.Contains(had, ownerRole) || slices.Contains(after, ownerRole) {
		return nil
	}
	owners, err := s.lockOwners(ctx, tx, tenantID, ownerRole)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(owners, func(owner string) bool { return owner == userID })
	enabled, err := s.anyEnabled(ctx, tx, others)
	if err != nil {
		return err
	}
	if !enabled {
		return problem.New(problem.Conflict, "last_owner", "the last owner of a tenant stays").
			Fix("make somebody else an owner first")
	}
	return nil
}

// lockOwners locks in one order, so that two changes do not wait for each other.
func (s *Service) lockOwners(ctx context.Context, tx bun.IDB, tenantID, ownerRole string) ([]string, error) {
	var owners []string
	err := tx.NewRaw("SELECT user_id FROM ?schema.jet_member_role WHERE tenant_id = ? AND role_id = ? ORDER BY user_id "+s.db.Dialect.ForUpdate(),
		tenantID, ownerRole).Scan(ctx, &owners)
	if err != nil {
		return nil, fmt.Errorf("lock the owners: %w", err)
	}
	return owners, nil
}

func (s *Service) anyEnabled(ctx context.Context, tx bun.IDB, userIDs []string) (enabled bool, err error) {
	if len(userIDs) == 0 {
		return false, nil
	}
	err = tx.NewRaw("SELECT EXISTS (SELECT 1 FROM ?schema.jet_user WHERE id IN (?) AND NOT disabled)", bun.List(userIDs)).Scan(ctx, &enabled)
	if err != nil {
		return false, fmt.Errorf("look for another owner: %w", err)
	}
	return enabled, nil
}
