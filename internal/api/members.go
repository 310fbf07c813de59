package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/tenancy"
)

func (a *API) memberRoutes() {
	const tag = "members"
	register(a, Operation{
		ID: "listMembers", Method: http.MethodGet, Path: "/tenants/{tenantId}/members", Access: InTenant, Permission: auth.MemberList, Tag: tag,
		Summary: "Members, the newest account first",
	}, a.listMembers)
	register(a, Operation{
		ID: "getMember", Method: http.MethodGet, Path: "/tenants/{tenantId}/members/{userId}", Access: InTenant, Permission: auth.MemberRead, Tag: tag,
		Summary: "One member",
	}, a.getMember)
	register(a, Operation{
		ID: "setMemberRoles", Method: http.MethodPatch, Path: "/tenants/{tenantId}/members/{userId}", Access: InTenant, Permission: auth.MemberUpdate, Tag: tag,
		Summary:     "Replace the roles of a member",
		Description: "The last owner stays one.",
		Example:     map[string]any{"roleIds": []string{"0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e10"}, "version": 1},
	}, a.setMemberRoles)
	register(a, Operation{
		ID: "removeMember", Method: http.MethodDelete, Path: "/tenants/{tenantId}/members/{userId}", Access: InTenant, Permission: auth.MemberDelete, Tag: tag,
		Summary: "Remove a member",
	}, a.removeMember)
}

// MemberPath is the member of a route.
type MemberPath struct {
	TenantPath
	UserID string `path:"userId" doc:"the member's account"`
}

func (a *API) listMembers(ctx context.Context, in *listInput) (*output[page.Page[tenancy.Member]], error) {
	return reply200(a.cfg.Tenancy.Members(ctx, in.request()))
}

func (a *API) getMember(ctx context.Context, in *MemberPath) (*versioned[tenancy.Member], error) {
	m, err := a.cfg.Tenancy.Member(ctx, in.UserID)
	return &versioned[tenancy.Member]{ETag: etag(m.Version), Body: m}, err
}

type setMemberRolesInput struct {
	MemberPath
	VersionInput
	Body struct {
		RoleIDs []string `json:"roleIds" maxItems:"100"`
		Version int      `json:"version,omitempty" minimum:"1"`
	} `nameHint:"MemberRoles"`
}

func (a *API) setMemberRoles(ctx context.Context, in *setMemberRolesInput) (*versioned[tenancy.Member], error) {
	version, err := in.version(in.Body.Version)
	if err != nil {
		return nil, err
	}
	m, err := a.cfg.Tenancy.SetRoles(ctx, in.UserID, tenancy.RolesUpdate{RoleIDs: in.Body.RoleIDs, Version: version})
	return &versioned[tenancy.Member]{ETag: etag(m.Version), Body: m}, err
}

type removeMemberInput struct {
	MemberPath
	VersionInput
}

func (a *API) removeMember(ctx context.Context, in *removeMemberInput) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Tenancy.Member(ctx, in.UserID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Tenancy.RemoveMember(ctx, in.UserID)
}
