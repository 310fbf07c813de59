package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// maxWait is how long a start may wait for the end of its run.
const maxWait = 30 * time.Second

func (a *API) runRoutes() {
	const tag = "runs"
	register(a, Operation{
		ID: "startRun", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows/{id}/runs", Access: InTenant, Permission: auth.WorkflowExecute, Tag: tag,
		Status:      http.StatusAccepted,
		Summary:     "Start a run of the published version",
		Description: "With `wait` the reply comes when the run has ended, or after 30 seconds: its status tells which.",
		Example:     map[string]any{"input": map[string]any{"country": "DE"}, "wait": true},
	}, a.startRun)
	register(a, Operation{
		ID: "listRuns", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs", Access: InTenant, Permission: auth.RunList, Tag: tag,
		Summary: "Runs, newest first",
	}, a.listRuns)
	register(a, Operation{
		ID: "getRun", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs/{id}", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary: "One run, with its graph and nodes",
	}, a.getRun)
	register(a, Operation{
		ID: "getRunNode", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs/{id}/nodes/{key}", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary: "One node of a run, with its attempts",
	}, a.getRunNode)
	register(a, Operation{
		ID: "getMonitor", Method: http.MethodGet, Path: "/tenants/{tenantId}/monitor", Access: InTenant, Permission: auth.MonitorRead, Tag: tag,
		Summary:     "How busy the workflow engine is with the tenant's runs",
		Description: "The same comes every second as `monitor.stats` on the topic `monitor:<tenant id>` while somebody watches it.",
	}, a.getMonitor)
	register(a, Operation{
		ID: "getRunTimeline", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs/{id}/timeline", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary:     "When a run, its nodes and their attempts were queued, started and finished",
		Description: "Everything is read from what is stored. A time that has passed and was not kept is named under `unavailable`.",
	}, a.getTimeline)
	register(a, Operation{
		ID: "listRunEvents", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs/{id}/events", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary:     "What has happened in a run since a position",
		Description: "For watching without a socket: ask again with `last` as `since`. These are the events of the topic `run:<id>`, with the same numbers, and asking counts as watching: they are kept from then on.",
	}, a.listRunEvents)
	register(a, Operation{
		ID: "listRunLog", Method: http.MethodGet, Path: "/tenants/{tenantId}/runs/{id}/logs", Access: InTenant, Permission: auth.RunRead, Tag: tag,
		Summary:     "What the nodes of a run have logged, oldest first",
		Description: "To read on later, give the id of the last line as `after`. Lines are also sent live, as `run.log` on the topic of the run.",
	}, a.listRunLog)
	register(a, Operation{
		ID: "cancelRun", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/{id}/cancel", Access: InTenant, Permission: auth.RunCancel, Tag: tag,
		Summary: "End a run",
	}, a.cancelRun)
}

type startRunInput struct {
	ObjectPath
	Body *struct {
		Input          map[string]any `json:"input,omitempty" doc:"as the start node declares it"`
		IdempotencyKey string         `json:"idempotencyKey,omitempty" maxLength:"200" doc:"a second start of this workflow with the same key returns the first run"`
		Wait           bool           `json:"wait,omitempty" doc:"reply when the run has ended, after 30 seconds at the latest"`
	} `nameHint:"NewRun"`
}

// StartedRun is a run and, when it was waited for, what it came to.
type StartedRun struct {
	workflow.Run
	Output any               `json:"output,omitempty"`
	Error  *workflow.Failure `json:"error,omitempty"`
}

func (a *API) startRun(ctx context.Context, in *startRunInput) (*created[StartedRun], error) {
	start, wait := workflow.StartParams{WorkflowID: in.ID}, false
	if in.Body != nil {
		start.Input, start.IdempotencyKey, wait = in.Body.Input, in.Body.IdempotencyKey, in.Body.Wait
	}
	run, err := a.cfg.Workflows.Start(ctx, start)
	if err != nil {
		return nil, err
	}
	started := StartedRun{Run: run}
	if wait {
		started = a.awaited(ctx, started)
	}
	return &created[StartedRun]{Location: a.at(in.TenantID, "runs", run.ID), Body: started}, nil
}

// awaited is the run at its end, or as it is when that takes too long or the
// caller may start runs but not read them: the start is done in any case.
func (a *API) awaited(ctx context.Context, started StartedRun) StartedRun {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	run, err := a.cfg.Workflows.Wait(auth.AsQuestion(ctx), started.ID)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		if !problem.Is(err, problem.Forbidden) {
			a.logProblem(ctx, statusOf(problem.KindOf(err)), err)
		}
		return started
	}
	return StartedRun{Run: run.Run, Output: run.Output, Error: run.Error}
}

type listRunsInput struct {
	TenantPath
	PageInput
	WorkflowID string             `query:"workflowId" maxLength:"100" doc:"only runs of this workflow"`
	Status     workflow.RunStatus `query:"status" enum:"queued,running,waiting,succeeded,failed,cancelled,timedOut" doc:"only runs in this status"`
	Test       bool               `query:"test" doc:"the test runs, instead of the others"`
	Parent     string             `query:"parent" maxLength:"100" doc:"id of a run: only the runs that its nodes have begun; they are not listed otherwise"`
	Node       string             `query:"node" maxLength:"100" doc:"with parent: key of the node that has begun them"`
}

func (a *API) listRuns(ctx context.Context, in *listRunsInput) (*output[page.Page[workflow.Run]], error) {
	f := workflow.RunFilter{WorkflowID: in.WorkflowID, Status: in.Status, Test: in.Test, Parent: in.Parent, Node: in.Node}
	return reply200(a.cfg.Workflows.Runs(ctx, f, in.request()))
}

func (a *API) getRun(ctx context.Context, in *ObjectPath) (*output[workflow.RunDetail], error) {
	return reply200(a.cfg.Workflows.Run(ctx, in.ID))
}

type getRunNodeInput struct {
	ObjectPath
	Key string `path:"key" doc:"the node's key in the graph"`
}

func (a *API) getRunNode(ctx context.Context, in *getRunNodeInput) (*output[workflow.RunNodeDetail], error) {
	return reply200(a.cfg.Workflows.RunNode(ctx, in.ID, in.Key))
}

func (a *API) cancelRun(ctx context.Context, in *ObjectPath) (*output[workflow.Run], error) {
	return reply200(a.cfg.Workflows.Cancel(ctx, in.ID))
}

type listRunEventsInput struct {
	ObjectPath
	Since int64 `query:"since" minimum:"0" doc:"the position up to which all is known; 0 = from the beginning"`
}

func (a *API) listRunEvents(ctx context.Context, in *listRunEventsInput) (*output[workflow.RunEvents], error) {
	return reply200(a.cfg.Workflows.Events(ctx, in.ID, in.Since))
}

type listRunLogInput struct {
	ObjectPath
	PageInput
	Node  string `query:"node" maxLength:"100" doc:"only lines of the node with this key"`
	After string `query:"after" maxLength:"36" doc:"only lines behind the one with this id"`
}

func (a *API) listRunLog(ctx context.Context, in *listRunLogInput) (*output[page.Page[workflow.LogLine]], error) {
	return reply200(a.cfg.Workflows.Logs(ctx, in.ID, workflow.LogFilter{Node: in.Node, After: in.After}, in.request()))
}

func (a *API) getTimeline(ctx context.Context, in *ObjectPath) (*output[workflow.Timeline], error) {
	return reply200(a.cfg.Workflows.Timeline(ctx, in.ID))
}

func (a *API) getMonitor(ctx context.Context, _ *TenantPath) (*output[workflow.Monitor], error) {
	return reply200(a.cfg.Workflows.Monitor(ctx))
}
