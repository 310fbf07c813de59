package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) queryVersionRoutes() {
	const tag = "queries"
	register(a, Operation{
		ID: "listQueryVersions", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries/{id}/versions", Access: InTenant, Permission: auth.QueryRead, Tag: tag,
		Summary:     "The versions of a query, newest first",
		Description: "Each save is a version. The last 200 are kept.",
	}, a.listQueryVersions)
	register(a, Operation{
		ID: "getQueryVersion", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries/{id}/versions/{number}", Access: InTenant, Permission: auth.QueryRead, Tag: tag,
		Summary: "One version of a query, with its content",
	}, a.getQueryVersion)
	register(a, Operation{
		ID: "diffQueryVersions", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries/{id}/versions/{number}/diff", Access: InTenant, Permission: auth.QueryRead, Tag: tag,
		Summary: "What a version changed, field by field",
	}, a.diffQueryVersions)
	register(a, Operation{
		ID: "restoreQueryVersion", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries/{id}/versions/{number}/restore", Access: InTenant, Permission: auth.QueryUpdate, Tag: tag,
		Summary:     "Save what a version held as a new version",
		Description: "It is judged like any other change: what cannot be saved today cannot be restored.",
		Example:     map[string]any{"version": 1},
	}, a.restoreQueryVersion)
}

type listQueryVersionsInput struct {
	ObjectPath
	PageInput
}

func (a *API) listQueryVersions(ctx context.Context, in *listQueryVersionsInput) (*output[page.Page[datasource.QueryVersion]], error) {
	return reply200(a.cfg.Datasources.QueryVersions(ctx, in.ID, in.request()))
}

func (a *API) getQueryVersion(ctx context.Context, in *NumberPath) (*output[datasource.QueryVersion], error) {
	return reply200(a.cfg.Datasources.QueryVersion(ctx, in.ID, in.number()))
}

type diffQueryVersionsInput struct {
	NumberPath
	From int `query:"from" minimum:"1" doc:"the version to compare with; default: the one before"`
}

func (a *API) diffQueryVersions(ctx context.Context, in *diffQueryVersionsInput) (*output[datasource.QueryDiff], error) {
	return reply200(a.cfg.Datasources.DiffQueryVersions(ctx, in.ID, in.From, in.number()))
}

func (a *API) restoreQueryVersion(ctx context.Context, in *restoreInput) (*versioned[datasource.Query], error) {
	read, err := in.read()
	if err != nil {
		return nil, err
	}
	q, err := a.cfg.Datasources.RestoreQueryVersion(ctx, in.ID, in.number(), read)
	return &versioned[datasource.Query]{ETag: etag(q.Version), Body: q}, err
}
