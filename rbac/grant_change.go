package rbac

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

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
		done, err = s.replaceGrants(ctx, tx, p, who, role, in.Grants)
		return err
	})
	if err != nil {
		return GrantsChange{}, err
	}
	return done, nil
}

func (s *Service) replaceGrants(ctx context.Context, tx bun.IDB, p *policy, who *auth.Principal, role Role, next []NewGrant) (GrantsChange, error) {
	before, err := grantsOf(ctx, tx, who.TenantID, role.ID)
	if err != nil {
		return GrantsChange{}, err
	}
	added, removed := s.compare(who, role.ID, before, next)
	if err := s.mayReplace(ctx, tx, p, who, role, added, removed); err != nil {
		return GrantsChange{}, err
	}
	if err := deleteGrants(ctx, tx, who.TenantID, removed); err != nil {
		return GrantsChange{}, err
	}
	if err := insertGrants(ctx, tx, who.TenantID, added); err != nil {
		return GrantsChange{}, err
	}
	role.Version, role.UpdatedAt = role.Version+1, s.clock.Now()
	if err := raiseRole(ctx, tx, who.TenantID, role); err != nil {
		return GrantsChange{}, err
	}
	event := entry(who, auth.RoleUpdate, role.ID, grantState(len(before), removed), grantState(len(next), added))
	event.Detail = map[string]any{"name": role.Name, "added": len(added), "removed": len(removed)}
	return GrantsChange{RoleID: role.ID, Grants: len(next), Added: len(added), Removed: len(removed), Version: role.Version}, s.audit(ctx, tx, event)
}

// mayReplace is Forbidden for a change that gives what the caller does not hold:
// by what is added, by a denial that goes, or by a role that is above his own.
func (s *Service) mayReplace(ctx context.Context, db bun.IDB, p *policy, who *auth.Principal, role Role, added, removed []grantRow) error {
	var given []auth.Grant
	for _, row := range added {
		if row.Effect == string(Allow) {
			given = append(given, auth.Grant{Permission: auth.Permission(row.Permission), ObjectID: row.object()})
		}
	}
	for _, row := range removed {
		given = append(given, auth.Grant{Permission: auth.Permission(row.Permission), ObjectID: row.object()})
	}
	return s.holdsAll(ctx, db, p, who, append(given, p.rulesOf(role.ID, false)...))
}

// compare tells which rows a new list adds to, and takes from, those before.
func (s *Service) compare(who *auth.Principal, roleID string, before []grantRow, next []NewGrant) (added, removed []grantRow) {
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
			ID: id.New(), TenantID: who.TenantID, RoleID: roleID, Permission: string(g.Permission), ObjectID: g.ObjectID,
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
