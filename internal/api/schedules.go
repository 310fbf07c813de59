package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/workflow"
)

func (a *API) scheduleRoutes() {
	const tag = "schedules"
	register(a, Operation{
		ID: "listSchedules", Method: http.MethodGet, Path: "/tenants/{tenantId}/schedules", Access: InTenant, Permission: auth.ScheduleList, Tag: tag,
		Summary: "Schedules, newest first",
	}, a.listSchedules)
	register(a, Operation{
		ID: "createSchedule", Method: http.MethodPost, Path: "/tenants/{tenantId}/schedules", Access: InTenant, Permission: auth.ScheduleCreate, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Start a workflow at planned times",
		Description: "Also needs `workflow.execute` on the workflow.",
		Example: map[string]any{
			"workflowId": "…", "name": "Nightly report", "expression": "30 2 * * mon-fri", "zone": "Europe/Berlin",
			"overlap": "skip", "catchUp": "last",
		},
	}, a.createSchedule)
	register(a, Operation{
		ID: "previewSchedule", Method: http.MethodPost, Path: "/tenants/{tenantId}/schedules/preview", Access: InTenant, Permission: auth.ScheduleList, Tag: tag,
		Unkeyed: true,
		Reads:   true,
		Summary: "The next times of an expression, without a schedule",
		Example: map[string]any{"expression": "30 2 * * mon-fri", "zone": "Europe/Berlin", "count": 5},
	}, a.previewSchedule)
	register(a, Operation{
		ID: "getSchedule", Method: http.MethodGet, Path: "/tenants/{tenantId}/schedules/{id}", Access: InTenant, Permission: auth.ScheduleRead, Tag: tag,
		Summary: "One schedule",
	}, a.getSchedule)
	register(a, Operation{
		ID: "updateSchedule", Method: http.MethodPatch, Path: "/tenants/{tenantId}/schedules/{id}", Access: InTenant, Permission: auth.ScheduleUpdate, Tag: tag,
		Summary:     "Change, pause or resume a schedule",
		Description: "Also needs `workflow.execute` on the workflow. What was missed while it was disabled is not caught up.",
		Example:     map[string]any{"enabled": false, "version": 1},
	}, a.updateSchedule)
	register(a, Operation{
		ID: "deleteSchedule", Method: http.MethodDelete, Path: "/tenants/{tenantId}/schedules/{id}", Access: InTenant, Permission: auth.ScheduleDelete, Tag: tag,
		Summary: "Delete a schedule",
	}, a.deleteSchedule)
	register(a, Operation{
		ID: "listScheduleTimes", Method: http.MethodGet, Path: "/tenants/{tenantId}/schedules/{id}/preview", Access: InTenant, Permission: auth.ScheduleRead, Tag: tag,
		Summary: "The next times of a schedule",
	}, a.listScheduleTimes)
}

type listTriggersInput struct {
	TenantPath
	PageInput
	WorkflowID string `query:"workflowId" maxLength:"100" doc:"only those of this workflow"`
}

func (a *API) listSchedules(ctx context.Context, in *listTriggersInput) (*output[page.Page[workflow.Schedule]], error) {
	return reply200(a.cfg.Workflows.Schedules(ctx, in.WorkflowID, in.request()))
}

type createScheduleInput struct {
	TenantPath
	Body workflow.NewSchedule
}

func (a *API) createSchedule(ctx context.Context, in *createScheduleInput) (*createdVersion[workflow.Schedule], error) {
	s, err := a.cfg.Workflows.CreateSchedule(ctx, in.Body)
	return &createdVersion[workflow.Schedule]{Location: a.at(in.TenantID, "schedules", s.ID), ETag: etag(s.Version), Body: s}, err
}

// Occurrences are the next times of a schedule.
type Occurrences struct {
	Items []workflow.Occurrence `json:"items"`
}

type previewScheduleInput struct {
	TenantPath
	Body struct {
		Expression string `json:"expression" maxLength:"200"`
		Zone       string `json:"zone,omitempty" maxLength:"100" doc:"default: the timeZone of the tenant's settings"`
		Count      int    `json:"count,omitempty" minimum:"1" maximum:"50" doc:"default 10"`
	} `nameHint:"SchedulePreview"`
}

const defaultPreview = 10

func (a *API) previewSchedule(ctx context.Context, in *previewScheduleInput) (*output[Occurrences], error) {
	count := in.Body.Count
	if count == 0 {
		count = defaultPreview
	}
	times, err := a.cfg.Workflows.PreviewSchedule(ctx, in.Body.Expression, in.Body.Zone, count)
	return reply200(Occurrences{Items: times}, err)
}

func (a *API) getSchedule(ctx context.Context, in *ObjectPath) (*versioned[workflow.Schedule], error) {
	s, err := a.cfg.Workflows.Schedule(ctx, in.ID)
	return &versioned[workflow.Schedule]{ETag: etag(s.Version), Body: s}, err
}

type updateScheduleInput struct {
	ObjectPath
	VersionInput
	Body workflow.ScheduleUpdate
}

func (a *API) updateSchedule(ctx context.Context, in *updateScheduleInput) (*versioned[workflow.Schedule], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	s, err := a.cfg.Workflows.UpdateSchedule(ctx, in.ID, in.Body)
	return &versioned[workflow.Schedule]{ETag: etag(s.Version), Body: s}, err
}

func (a *API) deleteSchedule(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Workflows.Schedule(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Workflows.DeleteSchedule(ctx, in.ID)
}

type scheduleTimesInput struct {
	ObjectPath
	Count int `query:"count" minimum:"1" maximum:"50" default:"10" doc:"how many"`
}

func (a *API) listScheduleTimes(ctx context.Context, in *scheduleTimesInput) (*output[Occurrences], error) {
	times, err := a.cfg.Workflows.NextTimes(ctx, in.ID, in.Count)
	return reply200(Occurrences{Items: times}, err)
}
