package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
)

func (a *API) tenantRoutes() {
	const tag = "tenants"
	register(a, Operation{
		ID: "listTenants", Method: http.MethodGet, Path: "/tenants", Access: SignedIn, Tag: tag,
		Summary: "The tenants of the caller, all of them (at most 1,000)",
	}, a.listTenants)
	register(a, Operation{
		ID: "createTenant", Method: http.MethodPost, Path: "/tenants", Access: SignedIn, Tag: tag, Status: http.StatusCreated,
		Summary: "Make a tenant, with the caller as its owner",
		Example: map[string]any{"name": "Acme"},
	}, a.createTenant)
	register(a, Operation{
		ID: "getTenant", Method: http.MethodGet, Path: "/tenants/{tenantId}", Access: InTenant, Permission: auth.TenantRead, Tag: tag,
		Summary: "One tenant",
	}, a.getTenant)
	register(a, Operation{
		ID: "updateTenant", Method: http.MethodPatch, Path: "/tenants/{tenantId}", Access: InTenant, Permission: auth.TenantUpdate, Tag: tag,
		Summary: "Rename a tenant",
		Example: map[string]any{"name": "Acme Ltd", "version": 1},
	}, a.updateTenant)
	register(a, Operation{
		ID: "tenantUsage", Method: http.MethodGet, Path: "/tenants/{tenantId}/usage", Access: InTenant, Permission: auth.TenantRead, Tag: tag,
		Summary:     "What a tenant has of everything that is limited",
		Description: "A limit that is null is none. Whoever runs the server sets the limits.",
	}, a.tenantUsage)
	register(a, Operation{
		ID: "deleteTenant", Method: http.MethodDelete, Path: "/tenants/{tenantId}", Access: InTenant, Permission: auth.TenantDelete, Tag: tag,
		Summary: "Delete a tenant with everything in it",
		Description: "The body repeats the name of the tenant. From then on the tenant is not found by anybody; its data is removed in the background. " +
			"There is no way back.",
		Example: map[string]any{"name": "Acme"},
	}, a.deleteTenant)
	if a.cfg.ExportTenant != nil {
		a.tenantExportRoute()
	}
}

// JoinedTenant is a tenant as one of its members sees it in a list.
type JoinedTenant struct {
	tenancy.Tenant
	Roles []tenancy.MemberRole `json:"roles" doc:"of the caller"`
	Since time.Time            `json:"since" doc:"since when the caller is a member"`
}

type tenantsOutput struct {
	Body struct {
		Items []JoinedTenant `json:"items"`
	} `nameHint:"JoinedTenantList"`
}

func (a *API) listTenants(ctx context.Context, _ *struct{}) (*tenantsOutput, error) {
	mine, err := a.mine(ctx)
	out := &tenantsOutput{}
	out.Body.Items = make([]JoinedTenant, len(mine))
	for i, m := range mine {
		out.Body.Items[i] = JoinedTenant{Tenant: m.Tenant, Roles: m.Roles, Since: m.Since}
	}
	return out, err
}

// mine lists the caller's tenants: of whoever the host confines to a tenant, that one.
func (a *API) mine(ctx context.Context) ([]tenancy.Membership, error) {
	mine, err := a.cfg.Tenancy.Mine(ctx)
	if only := auth.FromContext(ctx).TenantID; only != "" {
		mine = slices.DeleteFunc(mine, func(m tenancy.Membership) bool { return m.Tenant.ID != only })
	}
	return mine, err
}

type createTenantInput struct {
	Body struct {
		Name string `json:"name" maxLength:"1000"`
	} `nameHint:"NewTenant"`
}

func (a *API) createTenant(ctx context.Context, in *createTenantInput) (*createdVersion[tenancy.Tenant], error) {
	if auth.FromContext(ctx).TenantID != "" {
		return nil, problem.New(problem.Forbidden, "tenant_confined", "this sign-in is for one tenant")
	}
	t, err := a.cfg.Tenancy.Create(ctx, tenancy.NewTenant{Name: in.Body.Name})
	return &createdVersion[tenancy.Tenant]{Location: a.at(t.ID), ETag: etag(t.Version), Body: t}, err
}

func (a *API) getTenant(ctx context.Context, _ *TenantPath) (*versioned[tenancy.Tenant], error) {
	t, err := a.cfg.Tenancy.Get(ctx)
	return &versioned[tenancy.Tenant]{ETag: etag(t.Version), Body: t}, err
}

type updateTenantInput struct {
	TenantPath
	VersionInput
	Body struct {
		Name    *string `json:"name,omitempty" maxLength:"1000"`
		Version int     `json:"version,omitempty" minimum:"1"`
	} `nameHint:"TenantUpdate"`
}

func (a *API) updateTenant(ctx context.Context, in *updateTenantInput) (*versioned[tenancy.Tenant], error) {
	version, err := in.version(in.Body.Version)
	if err != nil {
		return nil, err
	}
	t, err := a.cfg.Tenancy.Update(ctx, tenancy.TenantUpdate{Name: in.Body.Name, Version: version})
	return &versioned[tenancy.Tenant]{ETag: etag(t.Version), Body: t}, err
}

type deleteTenantInput struct {
	TenantPath
	Body struct {
		Name string `json:"name" maxLength:"1000" doc:"of the tenant, as a proof that the right one is meant"`
	} `nameHint:"TenantDeletion"`
}

func (a *API) deleteTenant(ctx context.Context, in *deleteTenantInput) (*struct{}, error) {
	return nil, a.cfg.Tenancy.Delete(ctx, tenancy.Deletion{Name: in.Body.Name})
}

func (a *API) tenantUsage(ctx context.Context, _ *TenantPath) (*output[map[tenancy.Resource]tenancy.Use], error) {
	return reply200(a.cfg.Tenancy.Usage(ctx))
}
