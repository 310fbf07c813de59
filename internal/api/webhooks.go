package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) webhookRoutes() {
	const tag = "webhooks"
	register(a, Operation{
		ID: "listWebhooks", Method: http.MethodGet, Path: "/tenants/{tenantId}/webhooks", Access: InTenant, Permission: auth.WebhookList, Tag: tag,
		Summary: "Webhooks, newest first",
	}, a.listWebhooks)
	register(a, Operation{
		ID: "createWebhook", Method: http.MethodPost, Path: "/tenants/{tenantId}/webhooks", Access: InTenant, Permission: auth.WebhookCreate, Tag: tag,
		Secret:      true,
		Status:      http.StatusCreated,
		Summary:     "Let another system start a workflow",
		Description: "Its secret is in this reply and never again. Also needs `workflow.execute` on the workflow.",
		Example:     map[string]any{"workflowId": "…", "name": "Orders of the shop", "headers": []string{"X-Shop"}, "wait": "10s"},
	}, a.createWebhook)
	register(a, Operation{
		ID: "getWebhook", Method: http.MethodGet, Path: "/tenants/{tenantId}/webhooks/{id}", Access: InTenant, Permission: auth.WebhookRead, Tag: tag,
		Summary: "One webhook, without its secret",
	}, a.getWebhook)
	register(a, Operation{
		ID: "updateWebhook", Method: http.MethodPatch, Path: "/tenants/{tenantId}/webhooks/{id}", Access: InTenant, Permission: auth.WebhookUpdate, Tag: tag,
		Summary:     "Change, disable or enable a webhook",
		Description: "Also needs `workflow.execute` on the workflow. The mode cannot be changed.",
		Example:     map[string]any{"enabled": false, "version": 1},
	}, a.updateWebhook)
	register(a, Operation{
		ID: "rotateWebhook", Method: http.MethodPost, Path: "/tenants/{tenantId}/webhooks/{id}/rotate", Access: InTenant, Permission: auth.WebhookUpdate, Tag: tag,
		Secret:      true,
		Summary:     "Give a webhook another secret",
		Description: "It is in this reply and never again. The one before stays good for the overlap.",
		Example:     map[string]any{"overlap": "24h"},
	}, a.rotateWebhook)
	register(a, Operation{
		ID: "deleteWebhook", Method: http.MethodDelete, Path: "/tenants/{tenantId}/webhooks/{id}", Access: InTenant, Permission: auth.WebhookDelete, Tag: tag,
		Summary: "Delete a webhook",
	}, a.deleteWebhook)
}

func (a *API) listWebhooks(ctx context.Context, in *listTriggersInput) (*output[page.Page[workflow.Webhook]], error) {
	hooks, err := a.cfg.Workflows.Webhooks(ctx, in.WorkflowID, in.request())
	return reply200(hooks, err)
}

type createWebhookInput struct {
	TenantPath
	Body workflow.NewWebhook
}

// IssuedWebhook is a webhook whose secret was just made, with the secret.
type IssuedWebhook struct {
	workflow.Webhook
	Secret string `json:"secret,omitempty" doc:"the secret itself, shown this once; a public webhook has none"`
}

func (a *API) createWebhook(ctx context.Context, in *createWebhookInput) (*createdVersion[IssuedWebhook], error) {
	hook, secret, err := a.cfg.Workflows.CreateWebhook(ctx, in.Body)
	return &createdVersion[IssuedWebhook]{
		Location: a.at(in.TenantID, "webhooks", hook.ID), ETag: etag(hook.Version), Body: IssuedWebhook{hook, secret},
	}, err
}

func (a *API) getWebhook(ctx context.Context, in *ObjectPath) (*versioned[workflow.Webhook], error) {
	hook, err := a.cfg.Workflows.Webhook(ctx, in.ID)
	return &versioned[workflow.Webhook]{ETag: etag(hook.Version), Body: hook}, err
}

type updateWebhookInput struct {
	ObjectPath
	VersionInput
	Body workflow.WebhookUpdate
}

func (a *API) updateWebhook(ctx context.Context, in *updateWebhookInput) (*versioned[workflow.Webhook], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	hook, err := a.cfg.Workflows.UpdateWebhook(ctx, in.ID, in.Body)
	return &versioned[workflow.Webhook]{ETag: etag(hook.Version), Body: hook}, err
}

type rotateWebhookInput struct {
	ObjectPath
	VersionInput
	Body *struct {
		Overlap *workflow.Duration `json:"overlap,omitempty" doc:"how long the secret before stays good; default 24h, at most 30d, 0s ends it at once"`
	} `nameHint:"WebhookRotation"`
}

func (a *API) rotateWebhook(ctx context.Context, in *rotateWebhookInput) (*versioned[IssuedWebhook], error) {
	version, err := in.version(0)
	if err != nil {
		return nil, err
	}
	overlap := workflow.DefaultSecretOverlap
	if in.Body != nil && in.Body.Overlap != nil {
		overlap = *in.Body.Overlap
	}
	hook, secret, err := a.cfg.Workflows.RotateWebhookSecret(ctx, in.ID, overlap, version)
	return &versioned[IssuedWebhook]{ETag: etag(hook.Version), Body: IssuedWebhook{hook, secret}}, err
}

func (a *API) deleteWebhook(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Workflows.Webhook(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Workflows.DeleteWebhook(ctx, in.ID)
}
