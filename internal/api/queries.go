package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
)

func (a *API) queryRoutes() {
	const tag = "queries"
	operation := map[string]any{"text": "select id, total from orders where country = {{ country }}"}
	params := []map[string]any{{"name": "country", "type": "string", "required": true}}
	register(a, Operation{
		ID: "listQueries", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries", Access: InTenant, Permission: auth.QueryList, Tag: tag,
		Summary: "Saved queries, newest first",
	}, a.listQueries)
	register(a, Operation{
		ID: "createQuery", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries", Access: InTenant, Permission: auth.QueryCreate, Tag: tag,
		Status:  http.StatusCreated,
		Summary: "Save a query",
		Example: map[string]any{"name": "Orders by country", "datasourceId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f", "operation": operation, "params": params},
	}, a.createQuery)
	register(a, Operation{
		ID: "testQuery", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries/test", Access: InTenant, Permission: auth.QueryTest, Tag: tag,
		Summary: "Run a query that is not saved",
		Example: map[string]any{"datasourceId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f", "operation": operation, "params": params, "values": map[string]any{"country": "DE"}},
	}, a.testQuery)
	register(a, Operation{
		ID: "suggestQueries", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries/suggestions", Access: InTenant, Permission: auth.QueryCreate, Tag: tag,
		MaxBody: maxDescriptionBody, Unkeyed: true,
		Summary:     "Suggest queries from the description of an API",
		Description: "Reads an OpenAPI document of version 3.0 or 3.1, in JSON or YAML. Saves nothing, and fetches nothing that the document refers to.",
		Example:     map[string]any{"type": "rest", "document": "openapi: 3.1.0\ninfo: {title: Shop, version: 1.0.0}\npaths:\n  /orders/{id}:\n    get: {operationId: order}\n"},
	}, a.suggestQueries)
	register(a, Operation{
		ID: "explainQuery", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries/explain", Access: InTenant, Permission: auth.QueryTest, Tag: tag,
		Unkeyed:     true,
		Summary:     "How the datasource would run a query that is not saved",
		Description: "Nothing of it is run. Types of datasources with the ability `explain` tell.",
		Example:     map[string]any{"datasourceId": "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f", "operation": operation, "params": params, "values": map[string]any{"country": "DE"}},
	}, a.explainQuery)
	register(a, Operation{
		ID: "getQuery", Method: http.MethodGet, Path: "/tenants/{tenantId}/queries/{id}", Access: InTenant, Permission: auth.QueryRead, Tag: tag,
		Summary: "One saved query",
	}, a.getQuery)
	register(a, Operation{
		ID: "updateQuery", Method: http.MethodPatch, Path: "/tenants/{tenantId}/queries/{id}", Access: InTenant, Permission: auth.QueryUpdate, Tag: tag,
		Summary:     "Change a saved query",
		Description: "Row rules, and of a query that has some also datasource, operation and parameters, need `query.rules` besides.",
		Example:     map[string]any{"rowLimit": 100, "version": 1},
	}, a.updateQuery)
	register(a, Operation{
		ID: "deleteQuery", Method: http.MethodDelete, Path: "/tenants/{tenantId}/queries/{id}", Access: InTenant, Permission: auth.QueryDelete, Tag: tag,
		Summary: "Delete a saved query",
	}, a.deleteQuery)
	registerStreamed(a, Operation{
		ID: "runQuery", Method: http.MethodPost, Path: "/tenants/{tenantId}/queries/{id}/run", Access: InTenant, Permission: auth.QueryExecute, Tag: tag,
		Reads:   true, // of a query that does not write
		Summary: "Run a saved query",
		Description: "Values are always bound, never pasted into a text. With `Accept: text/csv` or `application/x-ndjson` up to 1,000,000 rows come as they are read. " +
			"A stream that is whole has the trailers `X-Row-Count` and `X-Truncated`; NDJSON also says so in its last line, or has an `error` there. " +
			"Of CSV that fails in the middle the connection is broken off.",
		Example: map[string]any{"params": map[string]any{"country": "DE"}},
	}, a.runQuery, a.streamQuery)
}

type listQueriesInput struct {
	TenantPath
	PageInput
	DatasourceID string `query:"datasourceId" maxLength:"100" doc:"only queries of this datasource"`
}

func (a *API) listQueries(ctx context.Context, in *listQueriesInput) (*output[page.Page[datasource.Query]], error) {
	return reply200(a.cfg.Datasources.Queries(ctx, datasource.QueryFilter{DatasourceID: in.DatasourceID}, in.request()))
}

// QueryParam is [datasource.Param] with what may be left out.
type QueryParam struct {
	Name        string               `json:"name" doc:"a letter or _, then letters, digits and _"`
	Type        datasource.ParamType `json:"type" doc:"string, number, integer, boolean, date, timestamp, uuid, json, or a list: string[]; in SQL also identifier and direction"`
	Description string               `json:"description,omitempty"`
	Required    bool                 `json:"required,omitempty"`
	Default     any                  `json:"default,omitempty" doc:"for an absent value; without it an absent value is null"`
	Enum        []any                `json:"enum,omitempty" doc:"the only values; an identifier needs it"`
	Min         *float64             `json:"min,omitempty"`
	Max         *float64             `json:"max,omitempty"`
	MaxLength   int                  `json:"maxLength,omitempty"`
	Pattern     string               `json:"pattern,omitempty" doc:"RE2, for the whole of a text"`
	Sensitive   bool                 `json:"sensitive,omitempty" doc:"its value is not kept in the history, and no message of the datasource is shown with it"`
}

func declared(params []QueryParam) []datasource.Param {
	list := make([]datasource.Param, len(params))
	for i, p := range params {
		list[i] = datasource.Param(p)
	}
	return list
}

// QueryTransform is [datasource.Transform] with what may be left out.
type QueryTransform struct {
	Language datasource.TransformLanguage `json:"language" enum:"none,expression,script"`
	Text     string                       `json:"text,omitempty" doc:"an expression, or the body of a JavaScript function; sees input.columns, input.rows and input.params"`
}

func (t *QueryTransform) given() datasource.Transform {
	if t == nil {
		return datasource.Transform{}
	}
	return datasource.Transform(*t)
}

// QueryRule is [datasource.RowRule] with words for each member.
type QueryRule struct {
	Roles    []string                `json:"roles,omitempty" doc:"ids of roles, or keys of default ones, which are saved as ids"`
	Everyone bool                    `json:"everyone,omitempty" doc:"whoever may run the query, runs of workflows among them, instead of roles"`
	Filter   string                  `json:"filter" maxLength:"2000" doc:"an expression that is true for the rows to show, over row.<column>, params.<name>, user.id, user.claims.<name> and tenant.id; true for all"`
	Mask     []datasource.ColumnMask `json:"mask,omitempty" doc:"columns whose values are not shown: partial, null or hidden"`
}

func ruled(rules []QueryRule) []datasource.RowRule {
	list := make([]datasource.RowRule, len(rules))
	for i, r := range rules {
		list[i] = datasource.RowRule(r)
	}
	return list
}

type createQueryInput struct {
	TenantPath
	Body struct {
		Name         string          `json:"name" maxLength:"1000"`
		Description  string          `json:"description,omitempty" maxLength:"10000"`
		DatasourceID string          `json:"datasourceId" maxLength:"100"`
		Operation    json.RawMessage `json:"operation" doc:"by the schema of the datasource type"`
		Params       []QueryParam    `json:"params,omitempty"`
		Writes       bool            `json:"writes,omitempty" doc:"may change data"`
		RowLimit     int             `json:"rowLimit,omitempty" doc:"1 to 10000; default 1000"`
		TimeoutMS    int64           `json:"timeoutMs,omitempty" doc:"1 to 30000; default 30000"`
		CacheTTLMS   int64           `json:"cacheTtlMs,omitempty" doc:"for how long a result serves whoever asks the same, up to 3600000; default 0, not at all"`
		Transform    *QueryTransform `json:"transform,omitempty" doc:"what becomes of the rows; default: nothing else"`
		Rules        []QueryRule     `json:"rules,omitempty" doc:"who sees which rows; needs query.rules; default: whoever may run it all of them"`
	} `nameHint:"NewQuery"`
}

func (a *API) createQuery(ctx context.Context, in *createQueryInput) (*createdVersion[datasource.Query], error) {
	b := in.Body
	q, err := a.cfg.Datasources.CreateQuery(ctx, datasource.NewQuery{
		Name: b.Name, Description: b.Description, DatasourceID: b.DatasourceID, Operation: b.Operation,
		Params: declared(b.Params), Writes: b.Writes, RowLimit: b.RowLimit, TimeoutMS: b.TimeoutMS, CacheTTLMS: b.CacheTTLMS,
		Transform: b.Transform.given(), Rules: ruled(b.Rules),
	})
	return &createdVersion[datasource.Query]{Location: a.at(in.TenantID, "queries", q.ID), ETag: etag(q.Version), Body: q}, err
}

type testQueryInput struct {
	TenantPath
	Body struct {
		DatasourceID string          `json:"datasourceId" maxLength:"100"`
		Operation    json.RawMessage `json:"operation" doc:"by the schema of the datasource type"`
		Params       []QueryParam    `json:"params,omitempty"`
		Writes       bool            `json:"writes,omitempty" doc:"may change data"`
		RowLimit     int             `json:"rowLimit,omitempty" doc:"1 to 10000; default 1000"`
		TimeoutMS    int64           `json:"timeoutMs,omitempty" doc:"1 to 30000; default 30000"`
		Transform    *QueryTransform `json:"transform,omitempty" doc:"what becomes of the rows; default: nothing else"`
		Rules        []QueryRule     `json:"rules,omitempty" doc:"to try: what the caller would see; default: all rows"`
		Values       map[string]any  `json:"values,omitempty" doc:"of the parameters"`
	} `nameHint:"QueryTest"`
}

func (in *testQueryInput) test() datasource.QueryTest {
	b := in.Body
	return datasource.QueryTest{
		DatasourceID: b.DatasourceID, Operation: b.Operation, Params: declared(b.Params),
		Writes: b.Writes, RowLimit: b.RowLimit, TimeoutMS: b.TimeoutMS, Transform: b.Transform.given(), Rules: ruled(b.Rules), Values: b.Values,
	}
}

func (a *API) testQuery(ctx context.Context, in *testQueryInput) (*output[datasource.Result], error) {
	return reply200(a.cfg.Datasources.TestQuery(ctx, in.test()))
}

func (a *API) explainQuery(ctx context.Context, in *testQueryInput) (*output[datasource.Explanation], error) {
	return reply200(a.cfg.Datasources.ExplainQuery(ctx, in.test()))
}

// maxDescriptionBody leaves room for a document whose quotes are escaped.
const maxDescriptionBody = datasource.MaxDescription * 3 / 2

type suggestQueriesInput struct {
	TenantPath
	Body struct {
		Type     string `json:"type" maxLength:"100" doc:"one of the datasource types that read descriptions: rest"`
		Document string `json:"document" doc:"the text of the description"`
	} `nameHint:"ApiDescription"`
}

func (a *API) suggestQueries(ctx context.Context, in *suggestQueriesInput) (*output[datasource.Import], error) {
	return reply200(a.cfg.Datasources.Suggest(ctx, in.Body.Type, []byte(in.Body.Document)))
}

func (a *API) getQuery(ctx context.Context, in *ObjectPath) (*versioned[datasource.Query], error) {
	q, err := a.cfg.Datasources.Query(ctx, in.ID)
	return &versioned[datasource.Query]{ETag: etag(q.Version), Body: q}, err
}

type updateQueryInput struct {
	ObjectPath
	VersionInput
	Body struct {
		Name         *string         `json:"name,omitempty" maxLength:"1000"`
		Description  *string         `json:"description,omitempty" maxLength:"10000"`
		DatasourceID *string         `json:"datasourceId,omitempty" maxLength:"100"`
		Operation    json.RawMessage `json:"operation,omitempty" doc:"by the schema of the datasource type"`
		Params       *[]QueryParam   `json:"params,omitempty"`
		Writes       *bool           `json:"writes,omitempty" doc:"may change data"`
		RowLimit     *int            `json:"rowLimit,omitempty" doc:"1 to 10000"`
		TimeoutMS    *int64          `json:"timeoutMs,omitempty" doc:"1 to 30000"`
		CacheTTLMS   *int64          `json:"cacheTtlMs,omitempty" doc:"0 to 3600000"`
		Transform    *QueryTransform `json:"transform,omitempty" doc:"what becomes of the rows; the language none takes it away"`
		Rules        *[]QueryRule    `json:"rules,omitempty" doc:"who sees which rows, all rules anew; needs query.rules; none: whoever may run it all of them"`
		Version      int             `json:"version,omitempty" minimum:"1"`
	} `nameHint:"QueryUpdate"`
}

func (a *API) updateQuery(ctx context.Context, in *updateQueryInput) (*versioned[datasource.Query], error) {
	b := in.Body
	version, err := in.version(b.Version)
	if err != nil {
		return nil, err
	}
	change := datasource.QueryUpdate{
		Name: b.Name, Description: b.Description, DatasourceID: b.DatasourceID, Operation: b.Operation,
		Writes: b.Writes, RowLimit: b.RowLimit, TimeoutMS: b.TimeoutMS, CacheTTLMS: b.CacheTTLMS, Version: version,
	}
	if b.Transform != nil {
		transform := b.Transform.given()
		change.Transform = &transform
	}
	if b.Rules != nil {
		rules := ruled(*b.Rules)
		change.Rules = &rules
	}
	if b.Params != nil {
		params := declared(*b.Params)
		change.Params = &params
	}
	q, err := a.cfg.Datasources.UpdateQuery(ctx, in.ID, change)
	return &versioned[datasource.Query]{ETag: etag(q.Version), Body: q}, err
}

func (a *API) deleteQuery(ctx context.Context, in *deletion) (*struct{}, error) {
	err := in.check(func() (int, error) {
		now, err := a.cfg.Datasources.Query(ctx, in.ID)
		return now.Version, err
	})
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Datasources.DeleteQuery(ctx, in.ID)
}

type runQueryInput struct {
	ObjectPath
	Body *struct {
		Params map[string]any `json:"params,omitempty"`
	} `nameHint:"QueryValues"`
}

func (a *API) runQuery(ctx context.Context, in *runQueryInput) (*output[datasource.Result], error) {
	var params map[string]any
	if in.Body != nil {
		params = in.Body.Params
	}
	result, err := a.cfg.Datasources.RunQuery(ctx, in.ID, params)
	if err == nil && !result.Wrote {
		changedNothing(ctx)
	}
	return reply200(result, err)
}
