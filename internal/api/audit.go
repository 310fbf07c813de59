package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) auditRoutes() {
	const tag = "audit"
	register(a, Operation{
		ID: "listAudit", Method: http.MethodGet, Path: "/tenants/{tenantId}/audit", Access: InTenant, Permission: auth.AuditList, Tag: tag,
		Summary: "What was changed, newest first",
	}, a.listAudit)
	register(a, Operation{
		ID: "verifyAudit", Method: http.MethodGet, Path: "/tenants/{tenantId}/audit/verify", Access: InTenant, Permission: auth.AuditList, Tag: tag,
		Summary:     "Is the record as it was written?",
		Description: "Walks the whole hash chain. A broken chain is a result, not an error.",
	}, a.verifyAudit)
}

type listAuditInput struct {
	TenantPath
	PageInput
	Action     string `query:"action" maxLength:"100" doc:"e.g. query.update"`
	Actor      string `query:"actor" maxLength:"200" doc:"e.g. user:<id>"`
	ObjectType string `query:"objectType" maxLength:"100" doc:"e.g. query"`
	ObjectID   string `query:"objectId" maxLength:"200"`
}

func (a *API) listAudit(ctx context.Context, in *listAuditInput) (*output[page.Page[audit.Event]], error) {
	return reply200(a.cfg.Audit.List(ctx, audit.Filter{
		Action: in.Action, Actor: in.Actor, ObjectType: in.ObjectType, ObjectID: in.ObjectID,
	}, in.request()))
}

func (a *API) verifyAudit(ctx context.Context, _ *TenantPath) (*output[audit.Verification], error) {
	return reply200(a.cfg.Audit.Verify(ctx))
}
