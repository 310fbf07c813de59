package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) executionRoutes() {
	const tag = "queries"
	register(a, Operation{
		ID: "listQueryExecutions", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries/{id}/executions", Access: InTenant, Permission: auth.QueryHistory, Tag: tag,
		Summary:     "Who ran a query, newest first",
		Description: "Values are shortened, those of sensitive parameters masked.",
	}, a.listQueryExecutions)
	register(a, Operation{
		ID: "listExecutions", Method: http.MethodGet, Path: "/tenants/{tenantId}/executions", Access: InTenant, Permission: auth.QueryHistory, Tag: tag,
		Summary: "Who ran what, newest first, texts that are not saved among it",
	}, a.listExecutions)
	register(a, Operation{
		ID: "stopExecution", Method: http.MethodDelete, Path: "/tenants/{tenantId}/executions/{id}", Access: InTenant, Permission: auth.QueryCancel, Tag: tag,
		Summary:     "Stop a query that runs",
		Description: "In whichever process it runs, it ends within two seconds. Callers stop what they run themselves without the permission.",
	}, a.stopExecution)
}

// ExecutionsInput is the part of an input that narrows a list of executions.
type ExecutionsInput struct {
	Running bool `query:"running" doc:"only those that have not ended"`
}

type listQueryExecutionsInput struct {
	ObjectPath
	PageInput
	ExecutionsInput
}

func (a *API) listQueryExecutions(ctx context.Context, in *listQueryExecutionsInput) (*output[page.Page[datasource.Execution]], error) {
	return reply200(a.cfg.Datasources.Executions(ctx, datasource.ExecutionFilter{QueryID: in.ID, Running: in.Running}, in.request()))
}

type listExecutionsInput struct {
	TenantPath
	PageInput
	ExecutionsInput
}

func (a *API) listExecutions(ctx context.Context, in *listExecutionsInput) (*output[page.Page[datasource.Execution]], error) {
	return reply200(a.cfg.Datasources.Executions(ctx, datasource.ExecutionFilter{Running: in.Running}, in.request()))
}

func (a *API) stopExecution(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Datasources.StopExecution(ctx, in.ID)
}
