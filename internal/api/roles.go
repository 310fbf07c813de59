package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/rbac"
)

func (a *API) roleRoutes() {
	const tag = "roles"
	example := map[string]any{"name": "Analyst", "description": "writes queries", "permissions": []string{"datasource.read", "query.*"}}
	register(a, Operation{
		ID: "listPermissions", Method: http.MethodGet, Path: "/tenants/{tenantId}/permissions", Access: InTenant, Permission: auth.RoleList, Tag: tag,
		Summary: "Every permission there is",
	}, a.listPermissions)
	register(a, Operation{
		ID: "listRoles", Method: http.MethodGet, Path: "/tenants/{tenantId}/roles", Access: InTenant, Permission: auth.RoleList, Tag: tag,
		Summary: "Roles, the default ones first",
	}, a.listRoles)
	register(a, Operation{
		ID: "createRole", Method: http.MethodPost, Path: "/tenants/{tenantId}/roles", Access: InTenant, Permission: auth.RoleCreate, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Make a role",
		Description: "Nobody gives what he does not hold himself.",
		Example:     example,
	}, a.createRole)
	register(a, Operation{
		ID: "getRole", Method: http.MethodGet, Path: "/tenants/{tenantId}/roles/{id}", Access: InTenant, Permission: auth.RoleRead, Tag: tag,
		Summary: "One role",
	}, a.getRole)
	register(a, Operation{
		ID: "updateRole", Method: http.MethodPatch, Path: "/tenants/{tenantId}/roles/{id}", Access: InTenant, Permission: auth.RoleUpdate, Tag: tag,
		Summary: "Change a role",
		Example: map[string]any{"permissions": []string{"query.execute"}, "version": 1},
	}, a.updateRole)
	register(a, Operation{
		ID: "deleteRole", Method: http.MethodDelete, Path: "/tenants/{tenantId}/roles/{id}", Access: InTenant, Permission: auth.RoleDelete, Tag: tag,
		Summary: "Delete a role that nobody has",
	}, a.deleteRole)
}

type permissionsOutput struct {
	Body struct {
		Items []rbac.PermissionInfo `json:"items"`
	} `nameHint:"RbacPermissionInfoList"`
}

func (a *API) listPermissions(ctx context.Context, _ *TenantPath) (*permissionsOutput, error) {
	if _, err := a.cfg.RBAC.Authorize(ctx, auth.RoleList, ""); err != nil {
		return nil, err
	}
	out := &permissionsOutput{}
	out.Body.Items = a.cfg.RBAC.Catalogue()
	return out, nil
}

func (a *API) listRoles(ctx context.Context, in *listInput) (*output[page.Page[rbac.Role]], error) {
	return reply200(a.cfg.RBAC.Roles(ctx, in.request()))
}

type createRoleInput struct {
	TenantPath
	Body struct {
		Name        string            `json:"name" maxLength:"1000"`
		Description string            `json:"description,omitempty" maxLength:"5000"`
		Permissions []auth.Permission `json:"permissions" maxItems:"500"`
	} `nameHint:"NewRole"`
}

func (a *API) createRole(ctx context.Context, in *createRoleInput) (*createdVersion[rbac.Role], error) {
	role, err := a.cfg.RBAC.CreateRole(ctx, rbac.NewRole{Name: in.Body.Name, Description: in.Body.Description, Permissions: in.Body.Permissions})
	return &createdVersion[rbac.Role]{Location: a.at(in.TenantID, "roles", role.ID), ETag: etag(role.Version), Body: role}, err
}

func (a *API) getRole(ctx context.Context, in *ObjectPath) (*versioned[rbac.Role], error) {
	role, err := a.cfg.RBAC.Role(ctx, in.ID)
	return &versioned[rbac.Role]{ETag: etag(role.Version), Body: role}, err
}

type updateRoleInput struct {
	ObjectPath
	VersionInput
	Body struct {
		Name        *string           `json:"name,omitempty" maxLength:"1000"`
		Description *string           `json:"description,omitempty" maxLength:"5000"`
		Permissions []auth.Permission `json:"permissions,omitempty" maxItems:"500" doc:"the new set"`
		Version     int               `json:"version,omitempty" minimum:"1"`
	} `nameHint:"RoleUpdate"`
}

func (a *API) updateRole(ctx context.Context, in *updateRoleInput) (*versioned[rbac.Role], error) {
	version, err := in.version(in.Body.Version)
	if err != nil {
		return nil, err
	}
	role, err := a.cfg.RBAC.UpdateRole(ctx, in.ID, rbac.RoleUpdate{
		Name: in.Body.Name, Description: in.Body.Description, Permissions: in.Body.Permissions, Version: version,
	})
	return &versioned[rbac.Role]{ETag: etag(role.Version), Body: role}, err
}

func (a *API) deleteRole(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.RBAC.Role(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.RBAC.DeleteRole(ctx, in.ID)
}
