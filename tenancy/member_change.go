package tenancy

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// NewMember is a user to be let in.
type NewMember struct {
	UserID  string   // of an account that is there and not disabled
	RoleIDs []string // 1 to 20 roles of the tenant
}

// RolesUpdate is the new roles of a member.
type RolesUpdate struct {
	RoleIDs []string // 1 to 20 roles of the tenant; the others are taken from the member
	Version int      // the version that the change is based on; 0 = whatever it is
}

// AddMember lets a user into the caller's tenant. Nobody gives a role that
// exceeds his own rights.
//
// It asks the user nothing, and shows the name and address of his account: it is for the
// host program, which knows both sides. No route leads to it, for anybody may make a
// tenant. Over HTTP people come by invitation.
//
// Errors: Unauthenticated; Forbidden; Invalid for a user or role that is not
// there; Conflict for somebody who is a member already, and for an e-mail address that
// the settings of the tenant do not let in, unless a service adds it.
func (s *Service) AddMember(ctx context.Context, in NewMember) (Member, error) {
	who, err := s.authorize(ctx, auth.MemberCreate, "")
	if err != nil {
		return Member{}, err
	}
	roleIDs, err := validateRoles(in.RoleIDs)
	if err != nil {
		return Member{}, err
	}
	var m Member
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if known, err := userExists(ctx, tx, in.UserID); err != nil || !known {
			return unknownUser(err)
		}
		if err := s.roles.Grantable(ctx, tx, roleIDs); err != nil {
			return err
		}
		if m, err = s.insertWithRoles(ctx, tx, who.TenantID, in.UserID, roleIDs); err != nil {
			return err
		}
		if err := s.admitAddress(ctx, tx, who.Kind, who.TenantID, m.Email); err != nil {
			return err
		}
		return s.audit(ctx, tx, memberEntry(who, auth.MemberCreate, m.UserID, nil, map[string]any{"roles": m.Roles}))
	})
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

// insertWithRoles lets a user in.
func (s *Service) insertWithRoles(ctx context.Context, tx bun.IDB, tenantID, userID string, roleIDs []string) (Member, error) {
	if err := s.Admit(ctx, tx, tenantID, Members); err != nil {
		return Member{}, err
	}
	row := &memberRow{TenantID: tenantID, UserID: userID, CreatedAt: s.clock.Now(), Version: 1}
	if err := insertMember(ctx, tx, row); err != nil {
		return Member{}, err
	}
	if err := insertMemberRoles(ctx, tx, tenantID, userID, roleIDs); err != nil {
		return Member{}, err
	}
	return selectMember(ctx, tx, tenantID, userID)
}

// SetRoles gives a member other roles, from his next call on. The caller must
// hold everything that the roles before and after give. The last Owner stays one.
//
// Errors: Unauthenticated; Forbidden; NotFound; Invalid for a role that is not
// there; Conflict for the last Owner; Stale.
func (s *Service) SetRoles(ctx context.Context, userID string, in RolesUpdate) (Member, error) {
	who, err := s.authorize(ctx, auth.MemberUpdate, userID)
	if err != nil {
		return Member{}, err
	}
	roleIDs, err := validateRoles(in.RoleIDs)
	if err != nil {
		return Member{}, err
	}
	var m Member
	err = s.changeMember(ctx, who, userID, roleIDs, func(ctx context.Context, tx bun.IDB, before Member) error {
		if in.Version != 0 && in.Version != before.Version {
			return problem.New(problem.Stale, "stale", "the member was changed since it was read")
		}
		if err := replaceRoles(ctx, tx, who.TenantID, before, roleIDs); err != nil {
			return err
		}
		if err := raiseMember(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		if m, err = selectMember(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		return s.audit(ctx, tx, memberEntry(who, auth.MemberUpdate, userID, map[string]any{"roles": before.Roles}, map[string]any{"roles": m.Roles}))
	})
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

// RemoveMember takes a user out of the caller's tenant, from his next call on. His API
// keys and open invitations of the tenant end with it: should he come back, they do not.
// The caller must hold everything that the member's roles give. The last Owner
// stays.
//
// Errors: Unauthenticated; Forbidden; NotFound; Conflict for the last Owner.
func (s *Service) RemoveMember(ctx context.Context, userID string) error {
	who, err := s.authorize(ctx, auth.MemberDelete, userID)
	if err != nil {
		return err
	}
	return s.changeMember(ctx, who, userID, nil, func(ctx context.Context, tx bun.IDB, before Member) error {
		if err := s.roles.MemberLeft(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		if err := deleteMember(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		withdrawn, err := s.withdrawInvitations(ctx, tx, who.TenantID, userID)
		if err != nil {
			return err
		}
		if err := s.accounts.LeaveTenant(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		for _, row := range withdrawn {
			if err := s.audit(ctx, tx, row.entry("invitation.delete", map[string]any{"reason": "who has sent it has left the tenant"})); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, memberEntry(who, auth.MemberDelete, userID, map[string]any{"roles": before.Roles}, nil))
	})
}

// changeMember runs a change after which a member has the roles `after`. The tenant's
// row and then the member's are locked for it, in the order of whoever makes
// something, and what may not happen to him is refused.
func (s *Service) changeMember(ctx context.Context, who *auth.Principal, userID string, after []string, fn func(ctx context.Context, tx bun.IDB, before Member) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, who.TenantID); err != nil {
			return err
		}
		if err := s.lockMember(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		before, err := selectMember(ctx, tx, who.TenantID, userID)
		if err != nil {
			return err
		}
		had := before.roleIDs()
		if err := s.roles.Grantable(ctx, tx, after); err != nil {
			return err
		}
		if err := s.roles.Grantable(ctx, tx, had); err != nil {
			return err
		}
		if err := s.keepOwner(ctx, tx, who.TenantID, userID, had, after); err != nil {
			return err
		}
		return fn(ctx, tx, before)
	})
}

func validateRoles(roleIDs []string) ([]string, error) {
	const most = 20
	roleIDs = slices.Clone(roleIDs)
	slices.Sort(roleIDs)
	roleIDs = slices.Compact(roleIDs)
	var f problem.Faults
	f.Check(len(roleIDs) >= 1 && len(roleIDs) <= most, "roleIds", fmt.Sprintf("must name 1 to %d roles", most))
	return roleIDs, f.Err("member_invalid", "the member is not valid")
}

func memberEntry(who *auth.Principal, action auth.Permission, userID string, before, after any) audit.Entry {
	return audit.Entry{TenantID: who.TenantID, Action: string(action), ObjectType: "member", ObjectID: userID, Before: before, After: after}
}

func (s *Service) lockMember(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	var found string
	err := tx.NewRaw("SELECT user_id FROM ?schema.jet_member WHERE tenant_id = ? AND user_id = ? "+s.db.Dialect.ForUpdate(),
		tenantID, userID).Scan(ctx, &found)
	if store.IsMissing(err) {
		return problem.Missing("member")
	}
	if err != nil {
		return fmt.Errorf("lock the member: %w", err)
	}
	return nil
}
