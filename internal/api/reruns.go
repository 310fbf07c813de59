package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) rerunRoutes() {
	const tag = "runs"
	register(a, Operation{
		ID: "getRunSettings", Method: http.MethodGet, Path: "/tenants/{tenantId}/run-settings", Access: InTenant, Permission: auth.TenantRead, Tag: tag,
		Summary: "How runs are kept",
	}, a.getRunSettings)
	register(a, Operation{
		ID: "updateRunSettings", Method: http.MethodPatch, Path: "/tenants/{tenantId}/run-settings", Access: InTenant, Permission: auth.TenantUpdate, Tag: tag,
		Summary:     "Change how runs are kept",
		Description: "Runs that ended longer ago than the retention are deleted, with their nodes, outputs, logs and idempotency keys.",
		Example:     map[string]any{"retentionDays": 90},
	}, a.updateRunSettings)
	register(a, Operation{
		ID: "retryRun", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/{id}/retry", Access: InTenant, Permission: auth.RunRetry, Tag: tag,
		Status:      http.StatusAccepted,
		Summary:     "Run again what failed",
		Description: "Makes a new run out of one that failed, timed out or was cancelled. What had succeeded is taken over with its output.",
		Example:     map[string]any{"version": "same"},
	}, a.retryRun)
	register(a, Operation{
		ID: "rerunRun", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/{id}/rerun", Access: InTenant, Permission: auth.RunRetry, Tag: tag,
		Status:      http.StatusAccepted,
		Summary:     "Run again from a node",
		Description: "Makes a new run out of one that has ended. The node and everything behind it run, what was before is taken over with its outputs.",
		Example:     map[string]any{"from": "query", "version": "same"},
	}, a.rerunRun)
	register(a, Operation{
		ID: "replayRun", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/{id}/replay", Access: InTenant, Permission: auth.RunRetry, Tag: tag,
		Status:      http.StatusAccepted,
		Summary:     "Run again from the beginning",
		Description: "Makes a new run with the input of the old one, or with another.",
		Example:     map[string]any{"input": map[string]any{"country": "DE"}},
	}, a.replayRun)
	register(a, Operation{
		ID: "cancelRuns", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/bulk/cancel", Access: InTenant, Permission: auth.RunCancel, Tag: tag,
		Summary:     "End many runs",
		Description: "Oldest first, up to the limit. While `more` is true, send the same with `after`.",
		Example:     map[string]any{"status": "waiting", "createdBefore": "2026-01-01T00:00:00Z"},
	}, a.cancelRuns)
	register(a, Operation{
		ID: "retryRuns", Method: http.MethodPost, Path: "/tenants/{tenantId}/runs/bulk/retry", Access: InTenant, Permission: auth.RunRetry, Tag: tag,
		Summary:     "Run again what failed in many runs",
		Description: "Oldest first, up to the limit. A run that was run again before is passed over. While `more` is true, send the same with `after`.",
		Example:     map[string]any{"status": "failed", "createdAfter": "2026-01-01T00:00:00Z", "version": "latest"},
	}, a.retryRuns)
	register(a, Operation{
		ID: "testWorkflow", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows/test", Access: InTenant, Permission: auth.WorkflowTest, Tag: tag,
		Status:  http.StatusAccepted,
		Summary: "Run a graph that is not published",
		Description: "The run acts with the caller's rights, and is listed with `test=true` only. " +
			"A pinned node is not run: it succeeds with the output that is given.",
		Example: map[string]any{
			"graph": map[string]any{
				"nodes": []map[string]any{{"key": "start", "type": "start"}, {"key": "end", "type": "end"}},
				"edges": []map[string]any{{"from": "start", "to": "end"}},
			},
			"pins": map[string]any{"end": map[string]any{"output": "done"}},
			"wait": true,
		},
	}, a.testWorkflow)
}

type retryRunInput struct {
	ObjectPath
	Body *struct {
		Version workflow.RerunVersion `json:"version,omitempty" enum:"same,latest" doc:"the version that the run executed, or the published one; default same"`
	} `nameHint:"RunRetry"`
}

func (a *API) retryRun(ctx context.Context, in *retryRunInput) (*created[workflow.Run], error) {
	var version workflow.RerunVersion
	if in.Body != nil {
		version = in.Body.Version
	}
	return a.rerun(in.TenantID)(a.cfg.Workflows.Retry(ctx, in.ID, version))
}

type rerunRunInput struct {
	ObjectPath
	Body struct {
		From    string                `json:"from" minLength:"1" maxLength:"64" doc:"key of the node to begin at"`
		Version workflow.RerunVersion `json:"version,omitempty" enum:"same,latest" doc:"the version that the run executed, or the published one; default same"`
	} `nameHint:"RunRerun"`
}

func (a *API) rerunRun(ctx context.Context, in *rerunRunInput) (*created[workflow.Run], error) {
	return a.rerun(in.TenantID)(a.cfg.Workflows.Rerun(ctx, in.ID, in.Body.From, in.Body.Version))
}

type replayRunInput struct {
	ObjectPath
	Body *struct {
		Input   map[string]any        `json:"input,omitempty" doc:"default: that of the run"`
		Version workflow.RerunVersion `json:"version,omitempty" enum:"same,latest" doc:"the version that the run executed, or the published one; default same"`
	} `nameHint:"RunReplay"`
}

func (a *API) replayRun(ctx context.Context, in *replayRunInput) (*created[workflow.Run], error) {
	var input map[string]any
	var version workflow.RerunVersion
	if in.Body != nil {
		input, version = in.Body.Input, in.Body.Version
	}
	return a.rerun(in.TenantID)(a.cfg.Workflows.Replay(ctx, in.ID, input, version))
}

func (a *API) rerun(tenantID string) func(workflow.Run, error) (*created[workflow.Run], error) {
	return func(run workflow.Run, err error) (*created[workflow.Run], error) {
		return &created[workflow.Run]{Location: a.at(tenantID, "runs", run.ID), Body: run}, err
	}
}

func (a *API) getRunSettings(ctx context.Context, _ *TenantPath) (*versioned[workflow.RunSettings], error) {
	s, err := a.cfg.Workflows.RunSettings(ctx)
	return &versioned[workflow.RunSettings]{ETag: etag(s.Version), Body: s}, err
}

type updateRunSettingsInput struct {
	TenantPath
	VersionInput
	Body workflow.RunSettingsUpdate
}

func (a *API) updateRunSettings(ctx context.Context, in *updateRunSettingsInput) (*versioned[workflow.RunSettings], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	s, err := a.cfg.Workflows.UpdateRunSettings(ctx, in.Body)
	return &versioned[workflow.RunSettings]{ETag: etag(s.Version), Body: s}, err
}

type cancelRunsInput struct {
	TenantPath
	Body workflow.Bulk
}

func (a *API) cancelRuns(ctx context.Context, in *cancelRunsInput) (*output[workflow.BulkResult], error) {
	return reply200(a.cfg.Workflows.CancelRuns(ctx, in.Body))
}

// BulkRetry says which runs to retry, and on which version.
type BulkRetry struct {
	workflow.Bulk
	Version workflow.RerunVersion `json:"version,omitempty" enum:"same,latest" doc:"the version that each run executed, or the published one; default same"`
}

type retryRunsInput struct {
	TenantPath
	Body BulkRetry
}

func (a *API) retryRuns(ctx context.Context, in *retryRunsInput) (*output[workflow.BulkResult], error) {
	return reply200(a.cfg.Workflows.RetryRuns(ctx, in.Body.Bulk, in.Body.Version))
}

type testWorkflowInput struct {
	TenantPath
	Body struct {
		Graph      workflow.Graph          `json:"graph"`
		WorkflowID string                  `json:"workflowId,omitempty" maxLength:"100" doc:"the workflow that the graph is a draft of; default: of none"`
		Input      map[string]any          `json:"input,omitempty" doc:"as the start node declares it"`
		Pins       map[string]workflow.Pin `json:"pins,omitempty" doc:"results of nodes that are not to be run, by their keys"`
		Wait       bool                    `json:"wait,omitempty" doc:"reply when the run has ended, after 30 seconds at the latest"`
	} `nameHint:"WorkflowTest"`
}

func (a *API) testWorkflow(ctx context.Context, in *testWorkflowInput) (*created[StartedRun], error) {
	run, err := a.cfg.Workflows.Test(ctx, workflow.TestParams{
		WorkflowID: in.Body.WorkflowID, Graph: in.Body.Graph, Input: in.Body.Input, Pins: in.Body.Pins,
	})
	if err != nil {
		return nil, err
	}
	started := StartedRun{Run: run}
	if in.Body.Wait {
		started = a.awaited(ctx, started)
	}
	return &created[StartedRun]{Location: a.at(in.TenantID, "runs", run.ID), Body: started}, nil
}
