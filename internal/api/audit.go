package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
		ID: "auditFacets", Method: http.MethodGet, Path: "/tenants/{tenantId}/audit/facets", Access: InTenant, Permission: auth.AuditList, Tag: tag,
		Summary:     "What the record consists of",
		Description: "The most frequent actions, actors and types among the events of a filter, counted in the newest 50,000 of them.",
	}, a.auditFacets)
	a.registerRaw(Operation{
		ID: "exportAudit", Method: http.MethodGet, Path: "/tenants/{tenantId}/audit/export", Access: InTenant, Permission: auth.AuditList, Tag: tag,
		Summary:     "Take the record along, oldest first",
		Description: "Event by event, as JSON lines or CSV. A reply that is whole ends with the trailer X-Row-Count; NDJSON that is not ends with a line that has an error, CSV is broken off. The export is an event itself.",
		Query:       auditQuery(),
	}, http.HandlerFunc(a.exportAudit), map[string]*huma.Response{
		"200":     {Description: "the events", Content: streamContent()},
		"401":     problemResponse(http.StatusText(http.StatusUnauthorized)),
		"403":     problemResponse(http.StatusText(http.StatusForbidden)),
		"404":     problemResponse(http.StatusText(http.StatusNotFound)),
		"422":     problemResponse(http.StatusText(http.StatusUnprocessableEntity)),
		"default": problemResponse("any other problem"),
	})
	register(a, Operation{
		ID: "verifyAudit", Method: http.MethodGet, Path: "/tenants/{tenantId}/audit/verify", Access: InTenant, Permission: auth.AuditList, Tag: tag,
		Summary:     "Is the record as it was written?",
		Description: "Walks the whole hash chain. A broken chain is a result, not an error.",
	}, a.verifyAudit)
}

// AuditInput is the part of an input that picks events.
type AuditInput struct {
	Action     string    `query:"action" maxLength:"100" doc:"e.g. query.update"`
	Actor      string    `query:"actor" maxLength:"200" doc:"e.g. user:<id>"`
	ObjectType string    `query:"objectType" maxLength:"100" doc:"e.g. query"`
	ObjectID   string    `query:"objectId" maxLength:"200"`
	From       time.Time `query:"from" doc:"the first moment"`
	Until      time.Time `query:"until" doc:"the first moment that is too late"`
}

func (in AuditInput) filter() audit.Filter {
	return audit.Filter{Action: in.Action, Actor: in.Actor, ObjectType: in.ObjectType, ObjectID: in.ObjectID, From: in.From, Until: in.Until}
}

type listAuditInput struct {
	TenantPath
	PageInput
	AuditInput
	Seq int64 `query:"seq" minimum:"1" doc:"the number of one event, such as verification gives"`
}

func (a *API) listAudit(ctx context.Context, in *listAuditInput) (*output[page.Page[audit.Event]], error) {
	filter := in.filter()
	filter.Seq = in.Seq
	return reply200(a.cfg.Audit.List(ctx, filter, in.request()))
}

type auditFacetsInput struct {
	TenantPath
	AuditInput
}

func (a *API) auditFacets(ctx context.Context, in *auditFacetsInput) (*output[audit.Facets], error) {
	return reply200(a.cfg.Audit.Facets(ctx, in.filter()))
}

func (a *API) verifyAudit(ctx context.Context, _ *TenantPath) (*output[audit.Verification], error) {
	return reply200(a.cfg.Audit.Verify(ctx))
}
