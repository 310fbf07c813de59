package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) keyRoutes() {
	const tag = "API keys"
	register(a, Operation{
		ID: "listAPIKeys", Method: http.MethodGet, Path: "/tenants/{tenantId}/apikeys", Access: InTenant, Permission: auth.APIKeyList, Tag: tag,
		Summary: "API keys, newest first",
	}, a.listKeys)
	register(a, Operation{
		ID: "createAPIKey", Method: http.MethodPost, Path: "/tenants/{tenantId}/apikeys", Access: InTenant, Permission: auth.APIKeyCreate, Tag: tag,
		Secret:      true,
		Status:      http.StatusCreated,
		Summary:     "Make an API key",
		Description: "Its secret is in this reply and never again. A key can do what its maker can do, within its scopes.",
		Example:     map[string]any{"name": "nightly export", "scopes": []string{"query.execute"}},
	}, a.createKey)
	register(a, Operation{
		ID: "updateAPIKey", Method: http.MethodPatch, Path: "/tenants/{tenantId}/apikeys/{id}", Access: InTenant, Permission: auth.APIKeyUpdate, Tag: tag,
		Summary:     "Change the name, the addresses or the end of an API key",
		Description: "What is not given stays. Scopes cannot be changed. For the key of somebody else it also needs what the scopes stand for.",
		Example:     map[string]any{"addresses": []string{"203.0.113.0/24"}, "version": 1},
	}, a.updateKey)
	register(a, Operation{
		ID: "rotateAPIKey", Method: http.MethodPost, Path: "/tenants/{tenantId}/apikeys/{id}/rotate", Access: InTenant, Permission: auth.APIKeyUpdate, Tag: tag,
		Secret:      true,
		Status:      http.StatusCreated,
		Summary:     "Give an API key another secret",
		Description: "It is in this reply and never again. The one before is good for the overlap too; until then there is no further rotation (409) but one with an overlap of 0s, which ends every secret before. Only who made a key rotates it.",
		Example:     map[string]any{"overlap": "24h"},
	}, a.rotateKey)
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
		Addresses []string          `json:"addresses,omitempty" maxItems:"50" doc:"from where it is good: addresses and CIDR prefixes, of the client as the server sees it; default: from everywhere"`
		ExpiresAt *time.Time        `json:"expiresAt,omitempty" doc:"default: never"`
	} `nameHint:"NewAPIKey"`
}

// IssuedAPIKey is an API key that was just made, with its secret.
type IssuedAPIKey struct {
	auth.APIKey
	Key string `json:"key" doc:"the key itself, shown this once"`
}

func (a *API) createKey(ctx context.Context, in *createKeyInput) (*createdVersion[IssuedAPIKey], error) {
	key, secret, err := a.cfg.Auth.CreateKey(ctx, auth.NewKey{
		Name: in.Body.Name, Scopes: in.Body.Scopes, Addresses: in.Body.Addresses, ExpiresAt: in.Body.ExpiresAt,
	})
	return &createdVersion[IssuedAPIKey]{Location: a.at(in.TenantID, "apikeys", key.ID), ETag: etag(key.Version), Body: IssuedAPIKey{APIKey: key, Key: secret}}, err
}

type updateKeyInput struct {
	ObjectPath
	VersionInput
	Body struct {
		Name         *string    `json:"name,omitempty" maxLength:"1000"`
		Addresses    *[]string  `json:"addresses,omitempty" maxItems:"50" doc:"empty = from everywhere"`
		ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
		NeverExpires bool       `json:"neverExpires,omitempty" doc:"takes the end away"`
		Version      int        `json:"version,omitempty" minimum:"1" doc:"the version that was read; another is refused"`
	} `nameHint:"APIKeyUpdate"`
}

func (a *API) updateKey(ctx context.Context, in *updateKeyInput) (*versioned[auth.APIKey], error) {
	version, err := in.version(in.Body.Version)
	if err != nil {
		return nil, err
	}
	key, err := a.cfg.Auth.UpdateKey(ctx, in.ID, auth.KeyUpdate{
		Name: in.Body.Name, Addresses: in.Body.Addresses, ExpiresAt: in.Body.ExpiresAt, NeverExpires: in.Body.NeverExpires, Version: version,
	})
	return &versioned[auth.APIKey]{ETag: etag(key.Version), Body: key}, err
}

type rotateKeyInput struct {
	ObjectPath
	VersionInput
	Body *struct {
		Overlap *workflow.Duration `json:"overlap,omitempty" doc:"how long the secret before stays good; default 24h, at most 30d, 0s ends it at once"`
	} `nameHint:"APIKeyRotation"`
}

func (a *API) rotateKey(ctx context.Context, in *rotateKeyInput) (*createdVersion[IssuedAPIKey], error) {
	version, err := in.version(0)
	if err != nil {
		return nil, err
	}
	overlap := auth.DefaultKeyOverlap
	if in.Body != nil && in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap)
	}
	key, secret, err := a.cfg.Auth.RotateKey(ctx, in.ID, overlap, version)
	return &createdVersion[IssuedAPIKey]{
		Location: a.at(in.TenantID, "apikeys", key.ID), ETag: etag(key.Version), Body: IssuedAPIKey{APIKey: key, Key: secret},
	}, err
}

func (a *API) revokeKey(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Auth.RevokeKey(ctx, in.ID)
}
