package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) waitRoutes() {
	const tag = "runs"
	register(a, Operation{
		ID: "listWaits", Method: http.MethodGet, Path: "/tenants/{tenantId}/waits", Access: InTenant, Permission: auth.RunAnswer, Tag: tag,
		Summary:     "Open waits of runs, newest first",
		Description: "With `mine`, those that the caller may answer; without, all of them, which takes `run.list` as well.",
	}, a.listWaits)
	register(a, Operation{
		ID: "getWait", Method: http.MethodGet, Path: "/tenants/{tenantId}/waits/{id}", Access: InTenant, Permission: auth.RunAnswer, Tag: tag,
		Summary:     "One wait, open or not",
		Description: "For whoever may answer it, or may read its run.",
	}, a.getWait)
	register(a, Operation{
		ID: "answerWait", Method: http.MethodPost, Path: "/tenants/{tenantId}/waits/{id}", Access: InTenant, Permission: auth.RunAnswer, Tag: tag,
		Summary:     "Answer an approval or a form",
		Description: "An approval takes `approved`, a form its `values`. One answer counts; after it, after the deadline and after the end of the run there is a conflict.",
		Example:     map[string]any{"approved": true, "comment": "Within the budget."},
	}, a.answerWait)
	register(a, Operation{
		ID: "sendEvent", Method: http.MethodPost, Path: "/tenants/{tenantId}/events", Access: InTenant, Permission: auth.RunSignal, Tag: tag,
		Status:      http.StatusAccepted,
		Summary:     "Send an event that runs wait for",
		Description: "It ends every open wait for its name and key. When there is none it is kept for its `ttl`, and ends the next one. A second event of the same `id` is the first one again.",
		Example:     map[string]any{"name": "payment.received", "key": "A-17", "data": map[string]any{"cents": 4200}, "id": "evt_1", "ttl": "24h"},
	}, a.sendEvent)
}

type listWaitsInput struct {
	TenantPath
	PageInput
	Mine  bool   `query:"mine" doc:"only those that the caller may answer"`
	RunID string `query:"runId" maxLength:"100" doc:"only those of this run"`
	Type  string `query:"type" maxLength:"100" doc:"only those of nodes of this type, e.g. approval"`
}

func (a *API) listWaits(ctx context.Context, in *listWaitsInput) (*output[page.Page[workflow.Waiting]], error) {
	return reply200(a.cfg.Workflows.Waits(ctx, workflow.WaitFilter{Mine: in.Mine, RunID: in.RunID, Type: in.Type}, in.request()))
}

func (a *API) getWait(ctx context.Context, in *ObjectPath) (*output[workflow.Waiting], error) {
	return reply200(a.cfg.Workflows.Waiting(ctx, in.ID))
}

type answerWaitInput struct {
	ObjectPath
	Body workflow.Answer
}

func (a *API) answerWait(ctx context.Context, in *answerWaitInput) (*output[workflow.Waiting], error) {
	return reply200(a.cfg.Workflows.Answer(ctx, in.ID, in.Body))
}

type sendEventInput struct {
	TenantPath
	Body workflow.NewEvent
}

func (a *API) sendEvent(ctx context.Context, in *sendEventInput) (*output[workflow.Event], error) {
	return reply200(a.cfg.Workflows.SendEvent(ctx, in.Body))
}
