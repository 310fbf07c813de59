package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) workflowRoutes() {
	const tag = "workflows"
	register(a, Operation{
		ID: "listNodeTypes", Method: http.MethodGet, Path: "/tenants/{tenantId}/node-types", Access: InTenant, Permission: auth.WorkflowList, Tag: tag,
		Summary: "The node types that a graph can use",
	}, a.listNodeTypes)
	register(a, Operation{
		ID: "listWorkflows", Method: http.MethodGet, Path: "/tenants/{tenantId}/workflows", Access: InTenant, Permission: auth.WorkflowList, Tag: tag,
		Summary: "Workflows, newest first",
	}, a.listWorkflows)
	register(a, Operation{
		ID: "createWorkflow", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows", Access: InTenant, Permission: auth.WorkflowCreate, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Make a workflow with a draft",
		Description: "A draft with faults is refused with all of them.",
		Example:     exampleWorkflow(),
	}, a.createWorkflow)
	register(a, Operation{
		ID: "getWorkflow", Method: http.MethodGet, Path: "/tenants/{tenantId}/workflows/{id}", Access: InTenant, Permission: auth.WorkflowRead, Tag: tag,
		Summary: "One workflow with its draft",
	}, a.getWorkflow)
	register(a, Operation{
		ID: "updateWorkflow", Method: http.MethodPatch, Path: "/tenants/{tenantId}/workflows/{id}", Access: InTenant, Permission: auth.WorkflowUpdate, Tag: tag,
		Summary: "Change a workflow or its draft",
		Example: map[string]any{"name": "Weekly revenue", "version": 1},
	}, a.updateWorkflow)
	register(a, Operation{
		ID: "deleteWorkflow", Method: http.MethodDelete, Path: "/tenants/{tenantId}/workflows/{id}", Access: InTenant, Permission: auth.WorkflowDelete, Tag: tag,
		Summary:     "Delete a workflow",
		Description: "Its runs stay, and those under way go on.",
	}, a.deleteWorkflow)
	register(a, Operation{
		ID: "validateWorkflow", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows/{id}/validate", Access: InTenant, Permission: auth.WorkflowUpdate, Tag: tag,
		Unkeyed: true,
		Summary: "Check a draft, the stored or the given one, without storing it",
	}, a.validateWorkflow)
	register(a, Operation{
		ID: "publishWorkflow", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows/{id}/publish", Access: InTenant, Permission: auth.WorkflowPublish, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Make the draft the version that new runs execute",
		Description: "The caller must hold every right that the nodes need; the version pins them.",
	}, a.publishWorkflow)
	register(a, Operation{
		ID: "listVersions", Method: http.MethodGet, Path: "/tenants/{tenantId}/workflows/{id}/versions", Access: InTenant, Permission: auth.WorkflowRead, Tag: tag,
		Summary: "Published versions, newest first",
	}, a.listVersions)
	register(a, Operation{
		ID: "getVersion", Method: http.MethodGet, Path: "/tenants/{tenantId}/workflows/{id}/versions/{number}", Access: InTenant, Permission: auth.WorkflowRead, Tag: tag,
		Summary: "One published version",
	}, a.getVersion)
	register(a, Operation{
		ID: "restoreVersion", Method: http.MethodPost, Path: "/tenants/{tenantId}/workflows/{id}/versions/{number}/restore", Access: InTenant, Permission: auth.WorkflowUpdate, Tag: tag,
		Summary:     "Make what a version published the draft",
		Description: "It is judged like any other draft. New runs follow it once it is published.",
		Example:     map[string]any{"version": 1},
	}, a.restoreVersion)
}

func exampleWorkflow() map[string]any {
	return map[string]any{
		"name": "Nightly greeting",
		"draft": map[string]any{
			"nodes": []map[string]any{{"key": "start", "type": "start"}, {"key": "end", "type": "end"}},
			"edges": []map[string]any{{"from": "start", "to": "end"}},
		},
	}
}

type nodeTypesOutput struct {
	Body struct {
		Items []workflow.NodeSpec `json:"items"`
	} `nameHint:"WorkflowNodeSpecList"`
}

func (a *API) listNodeTypes(ctx context.Context, _ *TenantPath) (*nodeTypesOutput, error) {
	types, err := a.cfg.Workflows.NodeTypes(ctx)
	out := &nodeTypesOutput{}
	out.Body.Items = types
	return out, err
}

func (a *API) listWorkflows(ctx context.Context, in *listInput) (*output[page.Page[workflow.Workflow]], error) {
	return reply200(a.cfg.Workflows.List(ctx, in.request()))
}

type createWorkflowInput struct {
	TenantPath
	Body workflow.NewWorkflow
}

func (a *API) createWorkflow(ctx context.Context, in *createWorkflowInput) (*createdVersion[workflow.Workflow], error) {
	w, err := a.cfg.Workflows.Create(ctx, in.Body)
	return &createdVersion[workflow.Workflow]{Location: a.at(in.TenantID, "workflows", w.ID), ETag: etag(w.Version), Body: w}, err
}

func (a *API) getWorkflow(ctx context.Context, in *ObjectPath) (*versioned[workflow.Workflow], error) {
	w, err := a.cfg.Workflows.Get(ctx, in.ID)
	return &versioned[workflow.Workflow]{ETag: etag(w.Version), Body: w}, err
}

type updateWorkflowInput struct {
	ObjectPath
	VersionInput
	Body workflow.Update
}

func (a *API) updateWorkflow(ctx context.Context, in *updateWorkflowInput) (*versioned[workflow.Workflow], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	w, err := a.cfg.Workflows.Update(ctx, in.ID, in.Body)
	return &versioned[workflow.Workflow]{ETag: etag(w.Version), Body: w}, err
}

func (a *API) deleteWorkflow(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Workflows.Get(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Workflows.Delete(ctx, in.ID)
}

type validateWorkflowInput struct {
	ObjectPath
	Body *struct {
		Draft *workflow.Graph `json:"draft,omitempty" doc:"default: the stored one"`
	} `nameHint:"WorkflowDraft"`
}

// WorkflowCheck is the result of checking a draft.
type WorkflowCheck struct {
	Valid  bool            `json:"valid"`
	Errors []problem.Fault `json:"errors" doc:"every fault of the draft"`
}

func (a *API) validateWorkflow(ctx context.Context, in *validateWorkflowInput) (*output[WorkflowCheck], error) {
	// Before the draft is looked for, so that who lacks the right does not learn
	// whether there is one.
	if _, err := a.cfg.RBAC.Authorize(ctx, auth.WorkflowUpdate, in.ID); err != nil {
		return nil, err
	}
	w, err := a.cfg.Workflows.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	draft := w.Draft
	if in.Body != nil && in.Body.Draft != nil {
		draft = *in.Body.Draft
	}
	err = a.cfg.Workflows.ValidateDraft(ctx, in.ID, draft)
	if problem.Is(err, problem.Invalid) {
		return reply200(WorkflowCheck{Errors: problem.Of(err).Faults}, nil)
	}
	return reply200(WorkflowCheck{Valid: true, Errors: []problem.Fault{}}, err)
}

type publishInput struct {
	ObjectPath
	VersionInput
	Body *struct {
		Version int `json:"version,omitempty" minimum:"1" doc:"the workflow's version that was read; default: any"`
	} `nameHint:"Publication"`
}

func (a *API) publishWorkflow(ctx context.Context, in *publishInput) (*created[workflow.Version], error) {
	read := 0
	if in.Body != nil {
		read = in.Body.Version
	}
	read, err := in.version(read)
	if err != nil {
		return nil, err
	}
	v, err := a.cfg.Workflows.Publish(ctx, in.ID, read)
	return &created[workflow.Version]{Location: a.at(in.TenantID, "workflows", in.ID, "versions", strconv.Itoa(v.Number)), Body: v}, err
}

type listVersionsInput struct {
	ObjectPath
	PageInput
}

func (a *API) listVersions(ctx context.Context, in *listVersionsInput) (*output[page.Page[workflow.Version]], error) {
	return reply200(a.cfg.Workflows.Versions(ctx, in.ID, in.request()))
}

func (a *API) getVersion(ctx context.Context, in *NumberPath) (*output[workflow.Version], error) {
	return reply200(a.cfg.Workflows.Version(ctx, in.ID, in.number()))
}

func (a *API) restoreVersion(ctx context.Context, in *restoreInput) (*versioned[workflow.Workflow], error) {
	read, err := in.read()
	if err != nil {
		return nil, err
	}
	w, err := a.cfg.Workflows.RestoreVersion(ctx, in.ID, in.number(), read)
	return &versioned[workflow.Workflow]{ETag: etag(w.Version), Body: w}, err
}
