package rbac

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
)

// Effect is what a [Grant] does.
type Effect string

// The effects. One that denies wins over everything that allows.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// Grant allows or denies the holders of a role, or one member, a permission on one object, or on
// all of a kind. A grant on a workflow is one on its runs: run.read on it is the
// right to read those.
type Grant struct {
	ID         string          `json:"id"`
	Permission auth.Permission `json:"permission"`         // or a wildcard
	ObjectID   string          `json:"objectId,omitempty"` // "" = all objects
	Effect     Effect          `json:"effect" enum:"allow,deny"`
	CreatedBy  string          `json:"createdBy"`
	CreatedAt  time.Time       `json:"createdAt"`
}

// NewGrant is a grant to be made.
type NewGrant struct {
	Permission auth.Permission `json:"permission" maxLength:"100" doc:"of the catalogue, or a wildcard like query.*"`
	ObjectID   string          `json:"objectId,omitempty" maxLength:"100" doc:"the object that it is about, for run.* a workflow or a run; default: all of the kind"`
	Effect     Effect          `json:"effect" enum:"allow,deny" doc:"a denial wins over everything that allows"`
}

// GrantsUpdate is what [Service.SetRoleGrants] and [Service.SetMemberGrants] make of a
// list of grants.
type GrantsUpdate struct {
	Grants  []NewGrant // the new list, at most 20,000; none = no grants
	Version int        // of the role or the member, that the change is based on; 0 = whatever it is
}

// GrantsChange is what a change of a list of grants came to.
type GrantsChange struct {
	RoleID  string `json:"roleId,omitempty"`
	UserID  string `json:"userId,omitempty" doc:"the member, of grants to him alone"`
	Grants  int    `json:"grants" doc:"how many there are now"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Version int    `json:"version" doc:"of the role or the member"`
}

// The limits of grants: what keeps the policy of a tenant in memory, and its load,
// in their bounds.
const (
	maxGrants       = 20_000 // of a role
	maxTenantGrants = 50_000
)

// RoleGrants lists the grants of a role of the caller's tenant, oldest first. A
// grant whose object is gone stays until the list is replaced, and gives nothing.
//
// Errors: Unauthenticated, Forbidden, NotFound; Invalid for a bad page request.
func (s *Service) RoleGrants(ctx context.Context, roleID string, r page.Request) (page.Page[Grant], error) {
	who, err := s.Authorize(ctx, auth.RoleRead, roleID)
	if err != nil {
		return page.Page[Grant]{}, err
	}
	if _, err := selectRole(ctx, s.db.DB, who.TenantID, roleID); err != nil {
		return page.Page[Grant]{}, err
	}
	return page.List[grantRow, Grant]{
		Key:         func(g Grant) string { return g.ID },
		OldestFirst: true,
		Query:       s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Where("role_id = ?", roleID),
		Scope:       []string{"grants", who.TenantID, roleID},
		View:        page.Plain((*grantRow).grant),
	}.Read(ctx, s.pages, r)
}

// MemberGrants lists the grants to a member of the caller's tenant alone, oldest
// first. It needs member.read on him.
//
// Errors: Unauthenticated, Forbidden, NotFound; Invalid for a bad page request.
func (s *Service) MemberGrants(ctx context.Context, userID string, r page.Request) (page.Page[Grant], error) {
	who, err := s.Authorize(ctx, auth.MemberRead, userID)
	if err != nil {
		return page.Page[Grant]{}, err
	}
	if _, err := memberPrincipal(ctx, s.db.DB, who.TenantID, userID); err != nil {
		return page.Page[Grant]{}, err
	}
	return page.List[grantRow, Grant]{
		Key:         func(g Grant) string { return g.ID },
		OldestFirst: true,
		Query:       s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Where("user_id = ?", userID),
		Scope:       []string{"memberGrants", who.TenantID, userID},
		View:        page.Plain((*grantRow).grant),
	}.Read(ctx, s.pages, r)
}
