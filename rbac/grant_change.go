package rbac

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// SetRoleGrants replaces the grants of a role, a default one too; those that stay
// the same keep their ids. It holds for the next decision, in other processes
// within a second. Its version is that of the role.
//
// The caller needs role.update, must hold everything that the role gives before
// and afterwards, and what a denial that he takes back denies: otherwise he could
// free himself of it. The Owner role takes no grants.
//
// Errors: Unauthenticated; Forbidden; NotFound; Invalid with every fault; Conflict
// for the Owner role and when the tenant would have more than 50,000 grants; Stale.
func (s *Service) SetRoleGrants(ctx context.Context, roleID string, in GrantsUpdate) (GrantsChange, error) {
	who, err := s.Authorize(ctx, auth.RoleUpdate, roleID)
	if err != nil {
		return GrantsChange{}, err
	}
	if err := s.checkGrants(in.Grants); err != nil {
		return GrantsChange{}, err
	}
	var done GrantsChange
	err = s.change(ctx, who, func(ctx context.Context, tx bun.IDB, p *policy) error {
		row, err := selectRole(ctx, tx, who.TenantID, roleID)
		if err != nil {
			return err
		}
		if row.Builtin == Owner {
			return problem.New(problem.Conflict, "role_owner", "the Owner role has everything, and nothing can be denied to it").
				Fix("use another role")
		}
		role, err := row.role()
		if err != nil {
			return err
		}
		if in.Version != 0 && in.Version != role.Version {
			return problem.New(problem.Stale, "stale", "the role was changed since it was read")
		}
		n, err := s.replaceGrants(ctx, tx, p, who, grantee{roleID: role.ID, gives: p.rulesOf(role.ID, false)}, in.Grants)
		if err != nil {
			return err
		}
		role.Version, role.UpdatedAt = role.Version+1, s.clock.Now()
		if err := raiseRole(ctx, tx, who.TenantID, role); err != nil {
			return err
		}
		done = GrantsChange{RoleID: role.ID, Grants: len(in.Grants), Added: len(n.added), Removed: len(n.removed), Version: role.Version}
		event := entry(who, auth.RoleUpdate, role.ID, n.before(), n.after())
		event.Detail = n.detail(role.Name)
		return s.audit(ctx, tx, event)
	})
	if err != nil {
		return GrantsChange{}, err
	}
	return done, nil
}

// SetMemberGrants is [Service.SetRoleGrants] for the grants to a member alone, which
// end with his membership. Its version is that of the member. The caller needs
// member.update on him and role.update, and must hold what the member's roles give.
//
// Errors: Unauthenticated; Forbidden; NotFound; Invalid with every fault; Conflict
// when the tenant would have more than 50,000 grants; Stale.
func (s *Service) SetMemberGrants(ctx context.Context, userID string, in GrantsUpdate) (GrantsChange, error) {
	who, err := s.Authorize(ctx, auth.MemberUpdate, userID)
	if err != nil {
		return GrantsChange{}, err
	}
	if _, err := s.Authorize(ctx, auth.RoleUpdate, ""); err != nil {
		return GrantsChange{}, err
	}
	if err := s.checkGrants(in.Grants); err != nil {
		return GrantsChange{}, err
	}
	var done GrantsChange
	defer s.policies.invalidate(who.TenantID)
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		// In the order of whoever makes something: the tenant first, then its member.
		p, err := s.lockPolicy(ctx, tx, who.TenantID)
		if err != nil {
			return err
		}
		version, err := lockMember(ctx, tx, s.db.Dialect, who.TenantID, userID)
		if err != nil {
			return err
		}
		if in.Version != 0 && in.Version != version {
			return problem.New(problem.Stale, "stale", "the member was changed since it was read")
		}
		to, err := granteeOf(ctx, tx, p, who.TenantID, userID)
		if err != nil {
			return err
		}
		n, err := s.replaceGrants(ctx, tx, p, who, to, in.Grants)
		if err != nil {
			return err
		}
		if err := raiseMember(ctx, tx, who.TenantID, userID); err != nil {
			return err
		}
		done = GrantsChange{UserID: userID, Grants: len(in.Grants), Added: len(n.added), Removed: len(n.removed), Version: version + 1}
		return s.audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: string(auth.MemberUpdate), ObjectType: "member", ObjectID: userID,
			Before: n.before(), After: n.after(), Detail: n.detail(""),
		})
	})
	if err != nil {
		return GrantsChange{}, err
	}
	return done, nil
}

// grantee is whose grants are replaced, with everything that is his: who changes it
// must hold that.
type grantee struct {
	roleID, userID string // one of them
	gives          []auth.Grant
}

func granteeOf(ctx context.Context, db bun.IDB, p *policy, tenantID, userID string) (grantee, error) {
	member, err := memberPrincipal(ctx, db, tenantID, userID)
	if err != nil {
		return grantee{}, err
	}
	to := grantee{userID: userID, gives: p.rulesOf(userSubject(userID), false)}
	for _, roleID := range member.Roles {
		to.gives = append(to.gives, p.rulesOf(roleID, false)...)
	}
	return to, nil
}

// replacing is a change of a list of grants.
type replacing struct {
	had, has       int
	added, removed []grantRow
}

func (r *replacing) before() map[string]any { return grantState(r.had, r.removed) }
func (r *replacing) after() map[string]any  { return grantState(r.has, r.added) }

func (r *replacing) detail(name string) map[string]any {
	detail := map[string]any{"added": len(r.added), "removed": len(r.removed)}
	if name != "" {
		detail["name"] = name
	}
	return detail
}

func (s *Service) replaceGrants(ctx context.Context, tx bun.IDB, p *policy, who *auth.Principal, to grantee, next []NewGrant) (*replacing, error) {
	before, err := grantsOf(ctx, tx, who.TenantID, to)
	if err != nil {
		return nil, err
	}
	n := &replacing{had: len(before), has: len(next)}
	n.added, n.removed = s.compare(who, to, before, next)
	if err := s.mayReplace(ctx, tx, p, who, to, n); err != nil {
		return nil, err
	}
	if err := deleteGrants(ctx, tx, who.TenantID, n.removed); err != nil {
		return nil, err
	}
	return n, insertGrants(ctx, tx, who.TenantID, n.added)
}

// mayReplace is Forbidden for a change that gives what the caller does not hold: by
// what is added, by a denial that goes, or to somebody who has more than he.
func (s *Service) mayReplace(ctx context.Context, db bun.IDB, p *policy, who *auth.Principal, to grantee, n *replacing) error {
	given := to.gives
	for _, row := range n.added {
		if row.Effect == string(Allow) {
			given = append(given, auth.Grant{Permission: auth.Permission(row.Permission), ObjectID: row.object()})
		}
	}
	for _, row := range n.removed {
		given = append(given, auth.Grant{Permission: auth.Permission(row.Permission), ObjectID: row.object()})
	}
	return s.holdsAll(ctx, db, p, who, given)
}

// compare tells which rows a new list adds to, and takes from, those before.
func (s *Service) compare(who *auth.Principal, to grantee, before []grantRow, next []NewGrant) (added, removed []grantRow) {
	wanted := make(map[NewGrant]bool, len(next))
	for _, g := range next {
		wanted[g] = true
	}
	for _, row := range before {
		same := NewGrant{auth.Permission(row.Permission), row.object(), Effect(row.Effect)}
		if !wanted[same] {
			removed = append(removed, row)
		}
		delete(wanted, same)
	}
	now := s.clock.Now()
	for _, g := range next {
		if !wanted[g] {
			continue
		}
		row := grantRow{
			ID: id.New(), TenantID: who.TenantID, RoleID: to.roleID, UserID: to.userID, Permission: string(g.Permission), ObjectID: g.ObjectID,
			Effect: string(g.Effect), CreatedBy: who.Actor(), CreatedAt: now,
		}
		if row.ObjectID == "" {
			row.ObjectID = everyObject
		}
		added = append(added, row)
	}
	return added, removed
}

// maxGrantFaults is how many faults of a list of grants are told: whoever sends
// 20,000 wrong ones has understood by then.
const maxGrantFaults = 100

func (s *Service) checkGrants(grants []NewGrant) error {
	var f problem.Faults
	f.Check(len(grants) <= maxGrants, "grants", fmt.Sprintf("must have at most %d entries", maxGrants))
	type about struct {
		permission auth.Permission
		objectID   string
	}
	seen := make(map[about]bool, min(len(grants), maxGrants))
	for i, g := range grants[:min(len(grants), maxGrants)] {
		if len(f.List()) >= maxGrantFaults {
			break
		}
		at := fmt.Sprintf("grants.%d", i)
		known := s.catalogue.grantable(g.Permission)
		f.Check(known, at+".permission", "is not a permission")
		f.Check(g.Effect == Allow || g.Effect == Deny, at+".effect", "must be allow or deny")
		f.Check(g.ObjectID == "" || id.Valid(g.ObjectID) && g.ObjectID != everyObject, at+".objectId", "is not an id")
		f.Check(g.ObjectID == "" || !known || s.catalogue.aboutObjects(g.Permission), at+".permission", "cannot be about a single object")
		key := about{g.Permission, g.ObjectID}
		f.Check(!seen[key], at, "is there already, with the same permission and object")
		seen[key] = true
	}
	return f.Err("grants_invalid", "the grants are not valid")
}

// maxRecordedGrants is how many of the grants that a change adds or removes are in
// the record of it.
const maxRecordedGrants = 100

func grantState(count int, rows []grantRow) map[string]any {
	shown := make([]map[string]any, 0, min(len(rows), maxRecordedGrants))
	for _, row := range rows[:min(len(rows), maxRecordedGrants)] {
		shown = append(shown, map[string]any{"permission": row.Permission, "objectId": row.object(), "effect": row.Effect})
	}
	return map[string]any{"grants": count, "differing": shown}
}
