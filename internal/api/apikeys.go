package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) keyRoutes() {
	const tag = "API keys"
	register(a, Operation{
		ID: "listAPIKeys", Method: http.MethodGet, Path: "/tenants/{tenantId}/apikeys", Access: InTenant, Permission: auth.APIKeyList, Tag: tag,
		Summary: "API keys, newest first",
	}, a.listKeys)
	register(a, Operation{
		ID: "createAPIKey", Method: http.MethodPost, Path: "/tenants/{tenantId}/apikeys", Access: InTenant, Permission: auth.APIKeyCreate, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Make an API key",
		Description: "Its secret is in this reply and never again. A key can do what its maker can do, within its scopes.",
		Example:     map[string]any{"name": "nightly export", "scopes": []string{"query.execute"}},
	}, a.createKey)
	register(a, Operation{
		ID: "revokeAPIKey", Method: http.MethodDelete, Path: "/tenants/{tenantId}/apikeys/{id}", Access: InTenant, Permission: auth.APIKeyDelete, Tag: tag,
		Summary: "Revoke an API key",
	}, a.revokeKey)
}

func (a *API) listKeys(ctx context.Context, in *listInput) (*output[page.Page[auth.APIKey]], error) {
	return reply200(a.cfg.Auth.Keys(ctx, in.request()))
}

type createKeyInput struct {
	TenantPath
	Body struct {
		Name      string            `json:"name" maxLength:"1000"`
		Scopes    []auth.Permission `json:"scopes" maxItems:"200" doc:"what the key may do; wildcards are allowed"`
		ExpiresAt *time.Time        `json:"expiresAt,omitempty" doc:"default: never"`
	} `nameHint:"NewAPIKey"`
}

// IssuedAPIKey is an API key that was just made, with its secret.
type IssuedAPIKey struct {
	auth.APIKey
	Key string `json:"key" doc:"the key itself, shown this once"`
}

func (a *API) createKey(ctx context.Context, in *createKeyInput) (*created[IssuedAPIKey], error) {
	key, secret, err := a.cfg.Auth.CreateKey(ctx, auth.NewKey{Name: in.Body.Name, Scopes: in.Body.Scopes, ExpiresAt: in.Body.ExpiresAt})
	return &created[IssuedAPIKey]{Location: a.at(in.TenantID, "apikeys", key.ID), Body: IssuedAPIKey{APIKey: key, Key: secret}}, err
}

func (a *API) revokeKey(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Auth.RevokeKey(ctx, in.ID)
}
