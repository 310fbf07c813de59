package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) datasourceRoutes() {
	const tag = "datasources"
	example := map[string]any{
		"name": "Shop", "type": "postgres", "readOnly": true,
		"settings": map[string]any{"host": "db.example.com", "database": "shop", "user": "reader"},
		"secrets":  map[string]string{"password": "…"},
	}
	register(a, Operation{
		ID: "listDatasourceTypes", Method: http.MethodGet, Path: "/tenants/{tenantId}/datasource-types", Access: InTenant, Permission: auth.DatasourceList, Tag: tag,
		Summary: "The types of datasources, with their settings",
	}, a.listDatasourceTypes)
	register(a, Operation{
		ID: "listDatasources", Method: http.MethodGet, Path: "/tenants/{tenantId}/datasources", Access: InTenant, Permission: auth.DatasourceList, Tag: tag,
		Summary: "Datasources, newest first",
	}, a.listDatasources)
	register(a, Operation{
		ID: "createDatasource", Method: http.MethodPost, Path: "/tenants/{tenantId}/datasources", Access: InTenant, Permission: auth.DatasourceCreate, Tag: tag,
		Status:      http.StatusCreated,
		Summary:     "Save a connection",
		Description: "Secrets are encrypted and never come back.",
		Example:     example,
	}, a.createDatasource)
	register(a, Operation{
		ID: "testDatasource", Method: http.MethodPost, Path: "/tenants/{tenantId}/datasources/test", Access: InTenant, Permission: auth.DatasourceTest, Tag: tag,
		Unkeyed: true,
		Summary: "Test a connection that is not saved",
		Example: example,
	}, a.testDatasource)
	register(a, Operation{
		ID: "getDatasource", Method: http.MethodGet, Path: "/tenants/{tenantId}/datasources/{id}", Access: InTenant, Permission: auth.DatasourceRead, Tag: tag,
		Summary: "One datasource, without its secrets",
	}, a.getDatasource)
	register(a, Operation{
		ID: "updateDatasource", Method: http.MethodPatch, Path: "/tenants/{tenantId}/datasources/{id}", Access: InTenant, Permission: auth.DatasourceUpdate, Tag: tag,
		Summary:     "Change a datasource",
		Description: "A secret that is sent back masked stays. A change of where secrets are sent forgets them.",
		Example:     map[string]any{"settings": map[string]any{"database": "shop2"}, "version": 1},
	}, a.updateDatasource)
	register(a, Operation{
		ID: "deleteDatasource", Method: http.MethodDelete, Path: "/tenants/{tenantId}/datasources/{id}", Access: InTenant, Permission: auth.DatasourceDelete, Tag: tag,
		Summary: "Delete a datasource that no query uses",
	}, a.deleteDatasource)
	register(a, Operation{
		ID: "testSavedDatasource", Method: http.MethodPost, Path: "/tenants/{tenantId}/datasources/{id}/test", Access: InTenant, Permission: auth.DatasourceTest, Tag: tag,
		Unkeyed: true,
		Summary: "Test a saved connection",
	}, a.testSavedDatasource)
	register(a, Operation{
		ID: "getDatasourceSchema", Method: http.MethodGet, Path: "/tenants/{tenantId}/datasources/{id}/schema", Access: InTenant, Permission: auth.DatasourceRead, Tag: tag,
		Summary:     "Its tables and columns",
		Description: "What was read within five minutes is not read again, unless `refresh` says so.",
	}, a.getDatasourceSchema)
	register(a, Operation{
		ID: "getDatasourceUsage", Method: http.MethodGet, Path: "/tenants/{tenantId}/datasources/{id}/usage", Access: InTenant, Permission: auth.DatasourceRead, Tag: tag,
		Summary: "The queries that use it, and what uses those",
	}, a.getDatasourceUsage)
}

type datasourceTypesOutput struct {
	Body struct {
		Items []datasource.Spec `json:"items"`
	} `nameHint:"DatasourceSpecList"`
}

func (a *API) listDatasourceTypes(ctx context.Context, _ *TenantPath) (*datasourceTypesOutput, error) {
	if _, err := a.cfg.RBAC.Authorize(ctx, auth.DatasourceList, ""); err != nil {
		return nil, err
	}
	out := &datasourceTypesOutput{}
	out.Body.Items = a.cfg.Datasources.Types()
	return out, nil
}

func (a *API) listDatasources(ctx context.Context, in *listInput) (*output[page.Page[datasource.Datasource]], error) {
	return reply200(a.cfg.Datasources.List(ctx, in.request()))
}

// NewDatasource is [datasource.NewDatasource] with what may be left out.
type NewDatasource struct {
	Name        string            `json:"name" maxLength:"1000"`
	Description string            `json:"description,omitempty" maxLength:"10000"`
	Type        string            `json:"type" maxLength:"100" doc:"one of the datasource types"`
	Settings    map[string]any    `json:"settings,omitempty" doc:"the fields of the type that are not secret"`
	Secrets     map[string]string `json:"secrets,omitempty" doc:"those that are"`
	ReadOnly    bool              `json:"readOnly,omitempty" doc:"no query of it may write"`
}

type newDatasourceInput struct {
	TenantPath
	Body NewDatasource
}

func (a *API) createDatasource(ctx context.Context, in *newDatasourceInput) (*createdVersion[datasource.Datasource], error) {
	d, err := a.cfg.Datasources.Create(ctx, datasource.NewDatasource(in.Body))
	return &createdVersion[datasource.Datasource]{Location: a.at(in.TenantID, "datasources", d.ID), ETag: etag(d.Version), Body: d}, err
}

// DatasourceTest is a datasource that need not have a name yet.
type DatasourceTest struct {
	Name        string            `json:"name,omitempty" maxLength:"1000"`
	Description string            `json:"description,omitempty" maxLength:"10000"`
	Type        string            `json:"type" maxLength:"100" doc:"one of the datasource types"`
	Settings    map[string]any    `json:"settings,omitempty" doc:"the fields of the type that are not secret"`
	Secrets     map[string]string `json:"secrets,omitempty" doc:"those that are"`
	ReadOnly    bool              `json:"readOnly,omitempty"`
}

type datasourceTestInput struct {
	TenantPath
	Body DatasourceTest
}

func (a *API) testDatasource(ctx context.Context, in *datasourceTestInput) (*output[datasource.Report], error) {
	return reply200(a.cfg.Datasources.Test(ctx, datasource.NewDatasource(in.Body)))
}

func (a *API) getDatasource(ctx context.Context, in *ObjectPath) (*versioned[datasource.Datasource], error) {
	d, err := a.cfg.Datasources.Get(ctx, in.ID)
	return &versioned[datasource.Datasource]{ETag: etag(d.Version), Body: d}, err
}

// DatasourceUpdate is [datasource.DatasourceUpdate] with what may be left out.
type DatasourceUpdate struct {
	Name        *string           `json:"name,omitempty" maxLength:"1000"`
	Description *string           `json:"description,omitempty" maxLength:"10000"`
	Settings    map[string]any    `json:"settings,omitempty" doc:"the named fields; null takes one back to its default"`
	Secrets     map[string]string `json:"secrets,omitempty" doc:"the named fields; the mask keeps one, an empty text removes it"`
	ReadOnly    *bool             `json:"readOnly,omitempty"`
	Version     int               `json:"version,omitempty" minimum:"1"`
}

type updateDatasourceInput struct {
	ObjectPath
	VersionInput
	Body DatasourceUpdate
}

func (a *API) updateDatasource(ctx context.Context, in *updateDatasourceInput) (*versioned[datasource.Datasource], error) {
	var err error
	if in.Body.Version, err = in.version(in.Body.Version); err != nil {
		return nil, err
	}
	d, err := a.cfg.Datasources.Update(ctx, in.ID, datasource.DatasourceUpdate(in.Body))
	return &versioned[datasource.Datasource]{ETag: etag(d.Version), Body: d}, err
}

func (a *API) deleteDatasource(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Datasources.Get(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Datasources.Delete(ctx, in.ID)
}

func (a *API) testSavedDatasource(ctx context.Context, in *ObjectPath) (*output[datasource.Report], error) {
	return reply200(a.cfg.Datasources.TestSaved(ctx, in.ID))
}

type datasourceSchemaInput struct {
	ObjectPath
	Refresh bool `query:"refresh" doc:"read it again, at most 20 times a minute"`
}

func (a *API) getDatasourceSchema(ctx context.Context, in *datasourceSchemaInput) (*output[datasource.Schema], error) {
	if in.Refresh {
		return reply200(a.cfg.Datasources.RefreshSchema(ctx, in.ID))
	}
	return reply200(a.cfg.Datasources.Schema(ctx, in.ID))
}

type datasourceUsageInput struct {
	ObjectPath
	PageInput
}

func (a *API) getDatasourceUsage(ctx context.Context, in *datasourceUsageInput) (*output[page.Page[datasource.QueryUse]], error) {
	return reply200(a.cfg.Datasources.Usage(ctx, in.ID, in.request()))
}
