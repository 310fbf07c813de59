package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/tenancy"
)

func (a *API) settingsRoutes() {
	const tag = "tenants"
	register(a, Operation{
		ID: "getSettings", Method: http.MethodGet, Path: "/tenants/{tenantId}/settings", Access: InTenant, Permission: auth.TenantRead, Tag: tag,
		Summary: "What a tenant has decided for itself",
	}, a.getSettings)
	register(a, Operation{
		ID: "setSettings", Method: http.MethodPut, Path: "/tenants/{tenantId}/settings", Access: InTenant, Permission: auth.TenantUpdate, Tag: tag,
		Summary: "Replace the settings of a tenant, all of them",
		Description: "They hold for what is made from then on: schedules and API keys stay as they are. An invitation that is open is judged when it is accepted. " +
			"Their version is that of the tenant.",
		Example: map[string]any{
			"timeZone": "Europe/Berlin", "logoUrl": "https://www.example.com/logo.svg", "invitationDomains": []string{"example.com"}, "apiKeyMaxDays": 90, "version": 1,
		},
	}, a.setSettings)
}

func (a *API) getSettings(ctx context.Context, _ *TenantPath) (*versioned[tenancy.Settings], error) {
	s, err := a.cfg.Tenancy.Settings(ctx)
	return &versioned[tenancy.Settings]{ETag: etag(s.Version), Body: s}, err
}

type setSettingsInput struct {
	TenantPath
	VersionInput
	Body tenancy.Settings
}

func (a *API) setSettings(ctx context.Context, in *setSettingsInput) (*versioned[tenancy.Settings], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	s, err := a.cfg.Tenancy.SetSettings(ctx, in.Body)
	return &versioned[tenancy.Settings]{ETag: etag(s.Version), Body: s}, err
}
