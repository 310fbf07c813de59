package rbac

import (
	"context"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/auth"
)

// MemberPermissions is what a member holds, as he himself would find it.
type MemberPermissions struct {
	UserID      string             `json:"userId"`
	Roles       []RoleName         `json:"roles" doc:"without those that are denied to the caller"`
	Permissions []MemberPermission `json:"permissions" doc:"the whole catalogue, each for the kind as a whole"`
	Objects     []Step             `json:"objects" doc:"rules about single objects, at most 1,000"`
	MoreObjects bool               `json:"moreObjects" doc:"there are more rules about single objects than those"`
}

// RoleName is a role of a member.
type RoleName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// MemberPermission is a permission with the rule that decides on it.
type MemberPermission struct {
	Permission auth.Permission `json:"permission"`
	Decision   Decision        `json:"decision" enum:"allow,deny,none"`
	By         *Step           `json:"by,omitempty" doc:"the rule that decides; none when nothing allows it"`
}

// maxShownObjects is how many rules about single objects are shown of a member.
const maxShownObjects = 1000

// MemberPermissions tells what a member of the caller's tenant may do, with the
// rule that gives each right. It needs member.read on him, and role.read.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) MemberPermissions(ctx context.Context, userID string) (MemberPermissions, error) {
	caller, err := s.Authorize(ctx, auth.MemberRead, userID)
	if err != nil {
		return MemberPermissions{}, err
	}
	if _, err := s.Authorize(ctx, auth.RoleRead, ""); err != nil {
		return MemberPermissions{}, err
	}
	who, err := memberPrincipal(ctx, s.db.DB, caller.TenantID, userID)
	if err != nil {
		return MemberPermissions{}, err
	}
	p, err := s.policyIn(ctx, s.db.DB, caller.TenantID)
	if err != nil {
		return MemberPermissions{}, fmt.Errorf("load the roles: %w", err)
	}
	names, err := s.namedRoles(ctx, caller.TenantID)
	if err != nil {
		return MemberPermissions{}, err
	}
	m := MemberPermissions{UserID: userID, Roles: []RoleName{}, Objects: []Step{}}
	for _, role := range who.Roles {
		if name, ok := names[role]; ok {
			m.Roles = append(m.Roles, RoleName{role, name})
		}
	}
	for _, info := range s.catalogue.list {
		e, err := s.explain(ctx, p, who, info.Permission, "")
		if err != nil {
			return MemberPermissions{}, err
		}
		m.Permissions = append(m.Permissions, e.of(info.Permission, names))
	}
	m.objects(p, who, names)
	return m, nil
}

// of is the decision of an explanation with the rule that made it.
func (e *Explanation) of(permission auth.Permission, names map[string]string) MemberPermission {
	m := MemberPermission{Permission: permission, Decision: e.Decision}
	if i := slices.IndexFunc(e.Chain, func(s Step) bool { return s.Decides }); i >= 0 {
		by := e.Chain[i]
		by.name(names)
		m.By = &by
	}
	return m
}

func (m *MemberPermissions) objects(p *policy, who *auth.Principal, names map[string]string) {
	q := question{roles: who.Roles, userID: who.UserID}
	for _, subject := range q.subjects() {
		for _, r := range p.of(subject) {
			if r.object == "" {
				continue
			}
			if len(m.Objects) == maxShownObjects {
				m.MoreObjects = true
				return
			}
			step := Step{Source: FromGrant, Effect: Effect(effect(&r)), Permission: r.permissions[0], ObjectID: r.object.named()}
			if !r.alone() {
				step.RoleID = r.subject
				step.name(names)
			}
			m.Objects = append(m.Objects, step)
		}
	}
}
