package rbac

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Grantable is nil when the caller may give, or take away, the roles: they are
// roles of his tenant, and he holds everything that they give. Its statements go
// to db, so that it can be part of a change.
//
// Errors: Unauthenticated; Forbidden when a role exceeds his rights; Invalid, at
// "roleIds", when one is not there.
func (s *Service) Grantable(ctx context.Context, db bun.IDB, roleIDs []string) error {
	who, err := s.inTenant(ctx)
	if err != nil {
		return err
	}
	p, err := s.readPolicy(ctx, db, who.TenantID)
	if err != nil {
		return fmt.Errorf("read the roles: %w", err)
	}
	var f problem.Faults
	for i, roleID := range roleIDs {
		_, there := p.gives[roleID]
		f.Check(there, fmt.Sprintf("roleIds.%d", i), "is not a role of this tenant")
	}
	if err := f.Err("role_unknown", "a role does not exist"); err != nil {
		return err
	}
	for _, roleID := range roleIDs {
		missing, err := s.missing(p, who, p.gives[roleID])
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			err := problem.New(problem.Forbidden, "role_exceeds_rights", "this needs every right that the role gives")
			s.deny(ctx, auth.MemberUpdate, "", err)
			return err
		}
	}
	return nil
}

// holdsAll is Forbidden when the caller lacks one of the permissions.
func (s *Service) holdsAll(p *policy, who *auth.Principal, permissions []auth.Permission) error {
	missing, err := s.missing(p, who, permissions)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return problem.Newf(problem.Forbidden, "permission_not_held", "nobody gives a permission that he does not hold: %s", missing[0])
	}
	return nil
}

// missing lists which of the permissions the caller does not hold.
func (s *Service) missing(p *policy, who *auth.Principal, permissions []auth.Permission) ([]auth.Permission, error) {
	var missing []auth.Permission
	for _, permission := range permissions {
		held, err := s.holds(p, who, permission)
		if err != nil {
			return nil, err
		}
		if !held {
			missing = append(missing, permission)
		}
	}
	return missing, nil
}

// holds reports whether the caller has a permission for all objects, so that he
// may pass it on. Whoever holds "query.read" and all its siblings does not hold
// "query.*": that also gives what a later version adds.
func (s *Service) holds(p *policy, who *auth.Principal, permission auth.Permission) (bool, error) {
	switch who.Kind {
	case auth.KindService:
		return granted(who.Grants, permission, ""), nil
	case auth.KindAPIKey:
		if !covered(who.Scopes, permission) {
			return false, nil
		}
	case auth.KindUser:
	default:
		return false, nil
	}
	if !slices.ContainsFunc(who.Roles, func(role string) bool { return covered(p.gives[role], permission) }) {
		return false, nil
	}
	for _, info := range s.catalogue.list { // a rule that denies takes a part out of a wildcard
		if !permission.Covers(info.Permission) {
			continue
		}
		if allowed, err := p.allows(who.Roles, info.Permission, ""); err != nil || !allowed {
			return false, err
		}
	}
	return true, nil
}
