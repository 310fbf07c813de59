package rbac

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// NewRole is a role to be made.
type NewRole struct {
	Name        string            // 1 to 100 characters, unique in the tenant
	Description string            // up to 500 characters
	Permissions []auth.Permission // permissions of the catalogue, "query.*" or "*"; order and repetition do not matter
}

// RoleUpdate is what to change of a role; nil stays as it is.
type RoleUpdate struct {
	Name        *string
	Description *string
	Permissions []auth.Permission // the new set; nil = unchanged, empty = none
	Version     int               // the version that the change is based on; 0 = whatever it is
}

// CreateRole makes a role in the caller's tenant. Nobody gives what he does not
// hold himself.
//
// Errors: Unauthenticated; Forbidden, also when the role exceeds the caller's
// rights; Invalid; Conflict when the name is taken or there are 100 roles.
func (s *Service) CreateRole(ctx context.Context, in NewRole) (Role, error) {
	who, err := s.Authorize(ctx, auth.RoleCreate, "")
	if err != nil {
		return Role{}, err
	}
	now := s.clock.Now()
	role := Role{ID: id.New(), Name: in.Name, Description: in.Description, Permissions: in.Permissions, CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := s.validate(role); err != nil {
		return Role{}, err
	}
	role.Permissions = canonical(role.Permissions)
	err = s.change(ctx, who, func(ctx context.Context, tx bun.IDB, p *policy) error {
		if err := s.holdsAll(ctx, tx, p, who, onAll(role.Permissions)); err != nil {
			return err
		}
		if err := insertRole(ctx, tx, who.TenantID, role); err != nil {
			return err
		}
		return s.audit(ctx, tx, entry(who, auth.RoleCreate, role.ID, nil, role.state()))
	})
	if err != nil {
		return Role{}, err
	}
	return role, nil
}

// UpdateRole changes a role that was made in the caller's tenant; it holds for
// the next decision. The caller must hold what the role gave before and what it
// gives afterwards.
//
// Errors: Unauthenticated; Forbidden; NotFound; Invalid; Conflict for a default
// role or a name that is taken; Stale.
func (s *Service) UpdateRole(ctx context.Context, roleID string, in RoleUpdate) (Role, error) {
	who, err := s.Authorize(ctx, auth.RoleUpdate, roleID)
	if err != nil {
		return Role{}, err
	}
	var role Role
	err = s.change(ctx, who, func(ctx context.Context, tx bun.IDB, p *policy) error {
		before, err := s.changeable(ctx, tx, p, who, roleID)
		if err != nil {
			return err
		}
		if in.Version != 0 && in.Version != before.Version {
			return problem.New(problem.Stale, "stale", "the role was changed since it was read")
		}
		role = in.apply(before)
		role.UpdatedAt = s.clock.Now()
		if err := s.validate(role); err != nil {
			return err
		}
		role.Permissions = canonical(role.Permissions)
		if err := s.holdsAll(ctx, tx, p, who, onAll(role.Permissions)); err != nil {
			return err
		}
		if err := updateRole(ctx, tx, who.TenantID, role); err != nil {
			return err
		}
		return s.audit(ctx, tx, entry(who, auth.RoleUpdate, roleID, before.state(), role.state()))
	})
	if err != nil {
		return Role{}, err
	}
	return role, nil
}

// DeleteRole removes a role that was made in the caller's tenant and that nobody
// has.
//
// Errors: Unauthenticated; Forbidden, also when the role exceeds the caller's
// rights; NotFound; Conflict for a default role or one in use.
func (s *Service) DeleteRole(ctx context.Context, roleID string) error {
	who, err := s.Authorize(ctx, auth.RoleDelete, roleID)
	if err != nil {
		return err
	}
	return s.change(ctx, who, func(ctx context.Context, tx bun.IDB, p *policy) error {
		role, err := s.changeable(ctx, tx, p, who, roleID)
		if err != nil {
			return err
		}
		if err := deleteRole(ctx, tx, who.TenantID, roleID); err != nil {
			return err
		}
		return s.audit(ctx, tx, entry(who, auth.RoleDelete, roleID, role.state(), nil))
	})
}

// change runs a change of the rules of a tenant, as they are in p. It begins with
// the version of the policy, whose row is thereby locked: changes of one tenant's
// rules come one after the other.
func (s *Service) change(ctx context.Context, who *auth.Principal, fn func(ctx context.Context, tx bun.IDB, p *policy) error) error {
	defer s.policies.invalidate(who.TenantID) // also after an error: a commit may have come through although its answer did not
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		p, err := s.lockPolicy(ctx, tx, who.TenantID)
		if err != nil {
			return err
		}
		return fn(ctx, tx, p)
	})
}

// lockPolicy raises the version of a policy and reads it.
func (s *Service) lockPolicy(ctx context.Context, tx bun.IDB, tenantID string) (*policy, error) {
	if err := raiseVersion(ctx, tx, tenantID); err != nil {
		return nil, err
	}
	p, err := s.readPolicy(ctx, tx, tenantID)
	if err != nil {
		return nil, fmt.Errorf("read the roles: %w", err)
	}
	return p, nil
}

// changeable returns a role that the caller may change: one made in the tenant
// that gives, by its grants too, nothing beyond his own rights.
func (s *Service) changeable(ctx context.Context, tx bun.IDB, p *policy, who *auth.Principal, roleID string) (Role, error) {
	row, err := selectRole(ctx, tx, who.TenantID, roleID)
	if err != nil {
		return Role{}, err
	}
	if row.Builtin != "" {
		return Role{}, problem.New(problem.Conflict, "role_builtin", "a default role cannot be changed").
			Fix("create a role of your own with the permissions you want")
	}
	role, err := row.role()
	if err != nil {
		return Role{}, err
	}
	return role, s.holdsAll(ctx, tx, p, who, p.rulesOf(roleID, false))
}

func (in RoleUpdate) apply(role Role) Role {
	if in.Name != nil {
		role.Name = *in.Name
	}
	if in.Description != nil {
		role.Description = *in.Description
	}
	if in.Permissions != nil {
		role.Permissions = in.Permissions
	}
	role.Version++
	return role
}

// state is what a change of a role can change, for the record.
func (r Role) state() map[string]any {
	return map[string]any{"name": r.Name, "description": r.Description, "permissions": r.Permissions}
}

func entry(who *auth.Principal, action auth.Permission, roleID string, before, after any) audit.Entry {
	return audit.Entry{TenantID: who.TenantID, Action: string(action), ObjectType: "role", ObjectID: roleID, Before: before, After: after}
}

// canonical is a set of permissions in order, each once.
func canonical(permissions []auth.Permission) []auth.Permission {
	set := append([]auth.Permission{}, permissions...)
	slices.Sort(set)
	return slices.Compact(set)
}
