package node

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

// query runs a saved query.
type query struct {
	check func(ctx context.Context, queryID string, params map[string]any, unknown func(any) bool) error
	run   func(ctx context.Context, queryID string, params map[string]any) (any, error)
}

type queryConfig struct {
	QueryID string         `json:"queryId" jsonschema:"id of a saved query of the tenant, without {{ }}: what a version may read is known when it is published"`
	Params  map[string]any `json:"params,omitempty" jsonschema:"values of the query's parameters, by name"`
}

func (query) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "query", Title: "Query", Description: "Runs a saved query of the tenant.",
		Output: "`columns` (each with `name` and `type`), `rows` (lists in the order of the columns: `rows[0][1]`), `rowCount`, `truncated`; `output` of a query with a transformation, which can make objects of rows",
		Limits: []string{
			"rows, bytes and time as the saved query says; rows beyond them, 1,000 unless its `rowLimit` says more, at most 10,000, are cut off and `truncated` is true: a condition on it keeps a loop from missing some",
			"whoever publishes needs `query.execute` on the query; its runs need nothing more",
			"of a query with row rules a run sees what its rules for everyone show: it has no roles and no claims, but the `user.id` of who started it",
			"parameters that the query does not declare, lacks or refuses are faults of the graph, as far as they are known before the run",
		},
		Config: schemaOf[queryConfig](),
	}
}

// Grants names the query. Its id is read from the graph, never from an
// expression, so that what a version may run is known when it is published.
func (query) Grants(config map[string]any) []auth.Grant {
	queryID, _ := config["queryId"].(string)
	return []auth.Grant{{Permission: auth.QueryExecute, ObjectID: queryID}}
}

// CheckReferences compares the parameters with those that the query declares.
func (q query) CheckReferences(ctx context.Context, config map[string]any) error {
	queryID, _ := config["queryId"].(string)
	params, ok := config["params"].(map[string]any)
	if given := config["params"]; !ok && given != nil {
		return nil // a template gives all of them, or the schema tells
	}
	return q.check(ctx, queryID, params, workflow.HasTemplate)
}

func (q query) Run(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
	queryID, _ := call.Config["queryId"].(string)
	params, _ := call.Config["params"].(map[string]any)
	out, err := q.run(ctx, queryID, params)
	return workflow.Result{Output: out}, err
}
