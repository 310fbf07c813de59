package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/rbac"
)

// maxGrantsBody holds 20,000 grants.
const maxGrantsBody = 4 << 20

func (a *API) grantRoutes() {
	const tag = "roles"
	register(a, Operation{
		ID: "listRoleGrants", Method: http.MethodGet, Path: "/tenants/{tenantId}/roles/{id}/grants", Access: InTenant, Permission: auth.RoleRead, Tag: tag,
		Summary: "What a role allows and denies on single objects, oldest first",
	}, a.listRoleGrants)
	register(a, Operation{
		ID: "setRoleGrants", Method: http.MethodPut, Path: "/tenants/{tenantId}/roles/{id}/grants", Access: InTenant, Permission: auth.RoleUpdate, Tag: tag,
		Summary: "Replace the grants of a role",
		Description: "A denial wins over everything that allows. Nobody grants what he does not hold himself, " +
			"or takes a denial back that would keep him from it. The version is that of the role.",
		Example: map[string]any{"grants": []map[string]any{
			{"permission": "query.execute", "objectId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e11", "effect": "allow"},
			{"permission": "datasource.*", "objectId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e12", "effect": "deny"},
		}},
		MaxBody: maxGrantsBody,
	}, a.setRoleGrants)
	register(a, Operation{
		ID: "listMemberGrants", Method: http.MethodGet, Path: "/tenants/{tenantId}/members/{userId}/grants", Access: InTenant, Permission: auth.MemberRead, Tag: "members",
		Summary: "What is allowed and denied to a member alone, oldest first",
	}, a.listMemberGrants)
	register(a, Operation{
		ID: "setMemberGrants", Method: http.MethodPut, Path: "/tenants/{tenantId}/members/{userId}/grants", Access: InTenant, Permission: auth.MemberUpdate, Tag: "members",
		Summary:     "Replace the grants to a member alone",
		Description: "As for a role, whose rights the caller must hold: here those of the member. It needs role.update as well. The version is that of the member.",
		Example: map[string]any{"grants": []map[string]any{
			{"permission": "query.execute", "objectId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e11", "effect": "allow"},
		}},
		MaxBody: maxGrantsBody,
	}, a.setMemberGrants)
	register(a, Operation{
		ID: "explainDecision", Method: http.MethodPost, Path: "/tenants/{tenantId}/authz/explain", Access: InTenant, Permission: auth.RoleRead, Tag: tag,
		Summary:     "Why somebody may do something, or may not",
		Description: "It needs also the right to see the subject: member.read, role.read on the role, or apikey.list.",
		Example: map[string]any{
			"subject":    map[string]any{"kind": "user", "id": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f"},
			"permission": "query.execute", "objectId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e11",
		},
		Unkeyed: true,
		Reads:   true,
	}, a.explainDecision)
	register(a, Operation{
		ID: "memberPermissions", Method: http.MethodGet, Path: "/tenants/{tenantId}/members/{userId}/permissions", Access: InTenant, Permission: auth.MemberRead, Tag: "members",
		Summary:     "What a member may do, and by which rule",
		Description: "It needs role.read as well.",
	}, a.memberPermissions)
}

type listGrantsInput struct {
	ObjectPath
	PageInput
}

func (a *API) listRoleGrants(ctx context.Context, in *listGrantsInput) (*output[page.Page[rbac.Grant]], error) {
	return reply200(a.cfg.RBAC.RoleGrants(ctx, in.ID, in.request()))
}

// GrantsInput is the new list of the grants of a role or a member.
type GrantsInput struct {
	VersionInput
	Body struct {
		Grants  []rbac.NewGrant `json:"grants" maxItems:"20000"`
		Version int             `json:"version,omitempty" minimum:"1" doc:"the version of the role or the member that was read; default: any"`
	} `nameHint:"Grants"`
}

func (in GrantsInput) update() (rbac.GrantsUpdate, error) {
	version, err := in.version(in.Body.Version)
	return rbac.GrantsUpdate{Grants: in.Body.Grants, Version: version}, err
}

type setRoleGrantsInput struct {
	ObjectPath
	GrantsInput
}

func (a *API) setRoleGrants(ctx context.Context, in *setRoleGrantsInput) (*versioned[rbac.GrantsChange], error) {
	update, err := in.update()
	if err != nil {
		return nil, err
	}
	done, err := a.cfg.RBAC.SetRoleGrants(ctx, in.ID, update)
	return &versioned[rbac.GrantsChange]{ETag: etag(done.Version), Body: done}, err
}

type listMemberGrantsInput struct {
	MemberPath
	PageInput
}

func (a *API) listMemberGrants(ctx context.Context, in *listMemberGrantsInput) (*output[page.Page[rbac.Grant]], error) {
	return reply200(a.cfg.RBAC.MemberGrants(ctx, in.UserID, in.request()))
}

type setMemberGrantsInput struct {
	MemberPath
	GrantsInput
}

func (a *API) setMemberGrants(ctx context.Context, in *setMemberGrantsInput) (*versioned[rbac.GrantsChange], error) {
	update, err := in.update()
	if err != nil {
		return nil, err
	}
	done, err := a.cfg.RBAC.SetMemberGrants(ctx, in.UserID, update)
	return &versioned[rbac.GrantsChange]{ETag: etag(done.Version), Body: done}, err
}

type explainInput struct {
	TenantPath
	Body struct {
		Subject    rbac.Subject    `json:"subject"`
		Permission auth.Permission `json:"permission" maxLength:"100"`
		ObjectID   string          `json:"objectId,omitempty" maxLength:"100" doc:"default: the kind as a whole"`
	} `nameHint:"AuthzQuestion"`
}

func (a *API) explainDecision(ctx context.Context, in *explainInput) (*output[rbac.Explanation], error) {
	return reply200(a.cfg.RBAC.Explain(ctx, rbac.Question{Subject: in.Body.Subject, Permission: in.Body.Permission, ObjectID: in.Body.ObjectID}))
}

func (a *API) memberPermissions(ctx context.Context, in *MemberPath) (*output[rbac.MemberPermissions], error) {
	return reply200(a.cfg.RBAC.MemberPermissions(ctx, in.UserID))
}
