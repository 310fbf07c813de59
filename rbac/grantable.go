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
	p, err := s.policyIn(ctx, db, who.TenantID)
	if err != nil {
		return fmt.Errorf("read the roles: %w", err)
	}
	var f problem.Faults
	for i, roleID := range roleIDs {
		f.Check(p.roles[roleID], fmt.Sprintf("roleIds.%d", i), "is not a role of this tenant")
	}
	if err := f.Err("role_unknown", "a role does not exist"); err != nil {
		return err
	}
	h := s.holding(ctx, db, p, who)
	for _, roleID := range roleIDs {
		// Whoever takes a role away takes its denials back.
		missing, err := h.missing(append(p.rulesOf(roleID, false), p.rulesOf(roleID, true)...))
		if err != nil {
			return err
		}
		if missing != nil {
			err := problem.New(problem.Forbidden, "role_exceeds_rights", "this needs every right that the role gives or denies")
			s.deny(ctx, auth.MemberUpdate, "", err)
			return err
		}
	}
	return nil
}

// rulesOf are the rules of a role that allow, or those that deny, as rights.
func (p *policy) rulesOf(roleID string, deny bool) []auth.Grant {
	var grants []auth.Grant
	for _, r := range p.of(roleID) {
		if r.deny != deny {
			continue
		}
		for _, permission := range r.permissions {
			grants = append(grants, auth.Grant{Permission: permission, ObjectID: r.object.named()})
		}
	}
	return grants
}

// holdsAll is Forbidden, and that he tried is taken down, when the caller lacks one of
// the rights.
func (s *Service) holdsAll(ctx context.Context, db bun.IDB, p *policy, who *auth.Principal, grants []auth.Grant) error {
	missing, err := s.holding(ctx, db, p, who).missing(grants)
	if err != nil || missing == nil {
		return err
	}
	what := string(missing.Permission)
	if missing.ObjectID != "" {
		what += " on the object " + missing.ObjectID
	}
	err = problem.New(problem.Forbidden, "permission_not_held", "nobody gives a permission that he does not hold: "+what)
	s.deny(ctx, auth.RoleUpdate, "", err)
	return err
}

// onAll are permissions for all objects, as rights.
func onAll(permissions []auth.Permission) []auth.Grant {
	grants := make([]auth.Grant, len(permissions))
	for i, p := range permissions {
		grants[i].Permission = p
	}
	return grants
}

// holding answers which rights a caller holds, so that he may pass them on.
type holding struct {
	s   *Service
	ctx context.Context
	db  bun.IDB
	p   *policy
	who *auth.Principal

	everywhere map[auth.Permission]bool // what was asked before for all objects, yes or no
	partly     map[auth.Permission]bool // whether it is denied on some object
}

func (s *Service) holding(ctx context.Context, db bun.IDB, p *policy, who *auth.Principal) *holding {
	return &holding{s: s, ctx: ctx, db: db, p: p, who: who, everywhere: map[auth.Permission]bool{}, partly: map[auth.Permission]bool{}}
}

// missing is the first of the rights that the caller does not hold.
func (h *holding) missing(grants []auth.Grant) (*auth.Grant, error) {
	for i, g := range grants {
		held, err := h.holds(g)
		if err != nil {
			return nil, err
		}
		if !held {
			return &grants[i], nil
		}
	}
	return nil, nil
}

// holds reports whether the caller has a permission for an object, or for all.
// Whoever holds "query.read" and all its siblings does not hold "query.*": that
// also gives what a later version adds. Who is denied it for one object does not
// hold it for all, nor, of runs, for any that he names.
func (h *holding) holds(g auth.Grant) (bool, error) {
	if h.everywhere[g.Permission] {
		return true, nil
	}
	if h.who.Viewed() != nil { // he changes nothing
		return false, nil
	}
	switch h.who.Kind {
	case auth.KindService:
		return granted(h.who.Grants, g.Permission, g.ObjectID), nil
	case auth.KindAPIKey:
		if !covered(h.who.Scopes, g.Permission) {
			return false, nil
		}
	case auth.KindUser:
	default:
		return false, nil
	}
	if h.p.owns(h.who.Roles) { // or nobody could take a denial back
		return true, nil
	}
	if _, asked := h.everywhere[g.Permission]; !asked {
		held, err := h.byRules(g.Permission, "")
		if err != nil {
			return false, err
		}
		if h.everywhere[g.Permission] = held; held {
			return true, nil
		}
	}
	if g.ObjectID == "" {
		return false, nil
	}
	return h.byRules(g.Permission, g.ObjectID)
}

// deniedSome remembers: a tenant has thousands of rules, and whoever asks has locked it.
func (h *holding) deniedSome(subjects subjectSet, permission auth.Permission) bool {
	some, asked := h.partly[permission]
	if !asked {
		some = h.p.some(subjects, true, permission)
		h.partly[permission] = some
	}
	return some
}

func (h *holding) byRules(permission auth.Permission, objectID string) (bool, error) {
	q := question{roles: h.who.Roles, userID: h.who.UserID, objectID: objectID}
	subjects := q.subjects()
	whole := slices.ContainsFunc(h.p.relevant(&q, subjects), func(r *rule) bool { return !r.deny && covered(r.permissions, permission) })
	if !whole && (objectID == "" || !h.s.catalogue.has(permission)) {
		return false, nil
	}
	for _, info := range h.s.catalogue.list { // a rule that denies takes a part out of a wildcard
		if !permission.Covers(info.Permission) {
			continue
		}
		q.permission = info.Permission
		v, _, err := h.p.decide(&q)
		if err == nil && v == unsaid && objectID != "" {
			owned, err := owns(h.ctx, h.db, h.who, info.Permission, objectID)
			if err != nil || !owned {
				return false, err
			}
			continue
		}
		// What is denied of one run may be denied by its workflow, or of what the workflow has.
		whole := objectID == "" || isPart(info.Permission)
		if err != nil || v != allowed || whole && h.deniedSome(subjects, info.Permission) {
			return false, err
		}
	}
	return true, nil
}
