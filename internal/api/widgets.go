package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) widgetRoutes() {
	const tag = "widgets"
	const links = "/tenants/{tenantId}/widget-links"
	register(a, Operation{
		ID: "connectWidget", Method: http.MethodPost, Path: links, Access: InTenant, Permission: auth.RunRead, Tag: tag, Status: http.StatusCreated,
		Summary:     "Connect a widget of a page with a run",
		Description: "`execute` starts a run, which takes `workflow.execute` as well; `subscribe` goes along with one; `replay` shows one that has ended. The topic `widget:<id>` tells of the run from then on. A caller has at most 256 links: one more ends the oldest.",
		Example:     map[string]any{"widget": "refunds", "mode": "execute", "workflowId": "0198c0de-0000-7000-8000-000000000001", "input": map[string]any{"order": "A-17"}},
	}, a.connectWidget)
	register(a, Operation{
		ID: "listWidgetLinks", Method: http.MethodGet, Path: links, Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary: "The caller's links, newest first",
	}, a.listLinks)
	register(a, Operation{
		ID: "getWidgetLink", Method: http.MethodGet, Path: links + "/{id}", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary: "A link of the caller, with what its run has come to",
	}, a.getLink)
	register(a, Operation{
		ID: "refreshWidget", Method: http.MethodPost, Path: links + "/{id}/refresh", Access: InTenant, Permission: auth.RunRead, Tag: tag, Status: http.StatusCreated,
		Summary:     "Run the workflow of a link again",
		Description: "It takes `workflow.execute`. The new link takes the place of this one, whose topic ends.",
		Example:     map[string]any{"input": map[string]any{"order": "A-18"}},
	}, a.refreshWidget)
	register(a, Operation{
		ID: "answerWidget", Method: http.MethodPost, Path: links + "/{id}/input", Access: InTenant, Permission: auth.RunAnswer, Tag: tag,
		Summary:     "Answer what the run of a link waits for",
		Description: "As `POST /waits/{id}`; `waitId` may be left out while the run has one wait that the caller may answer.",
		Example:     map[string]any{"values": map[string]any{"amount": 12}},
	}, a.answerWidget)
	register(a, Operation{
		ID: "disconnectWidget", Method: http.MethodDelete, Path: links + "/{id}", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary: "End a link; its run goes on",
	}, a.disconnectWidget)
}

type connectWidgetInput struct {
	TenantPath
	Body workflow.NewWidgetLink
}

func (a *API) connectWidget(ctx context.Context, in *connectWidgetInput) (*output[workflow.WidgetLinkDetail], error) {
	return reply200(a.cfg.Workflows.Connect(ctx, in.Body))
}

type listLinksInput struct {
	TenantPath
	PageInput
	Widget string `query:"widget" maxLength:"200" doc:"only those of this widget"`
}

func (a *API) listLinks(ctx context.Context, in *listLinksInput) (*output[page.Page[workflow.WidgetLink]], error) {
	return reply200(a.cfg.Workflows.Links(ctx, in.Widget, in.request()))
}

func (a *API) getLink(ctx context.Context, in *ObjectPath) (*output[workflow.WidgetLinkDetail], error) {
	return reply200(a.cfg.Workflows.Link(ctx, in.ID))
}

type refreshWidgetInput struct {
	ObjectPath
	Body struct {
		Input map[string]any `json:"input,omitempty" doc:"as the start node declares it"`
	}
}

func (a *API) refreshWidget(ctx context.Context, in *refreshWidgetInput) (*output[workflow.WidgetLinkDetail], error) {
	return reply200(a.cfg.Workflows.Refresh(ctx, in.ID, in.Body.Input))
}

type answerWidgetInput struct {
	ObjectPath
	Body workflow.WidgetInput
}

func (a *API) answerWidget(ctx context.Context, in *answerWidgetInput) (*output[workflow.Waiting], error) {
	return reply200(a.cfg.Workflows.Input(ctx, in.ID, in.Body))
}

func (a *API) disconnectWidget(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Workflows.Disconnect(ctx, in.ID)
}
