package jetadmin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// asking is a workflow that reads a query with the given parameters.
func asking(queryID string, params any) object {
	return object{
		"nodes": []object{
			{"key": "start", "type": "start"},
			{"key": "ask", "type": "query", "config": object{"queryId": queryID, "params": params}},
		},
		"edges": []object{{"from": "start", "to": "ask"}},
	}
}

// What a run would refuse for certain is refused when the graph is saved, with
// what a template gives left to the run.
func TestAGraphMustCallItsQueriesRight(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		query := owner.call("POST", T+"/queries", object{
			"name": "limited", "datasourceId": w.places["datasources/id"].existing, "operation": object{"text": "SELECT {{ n }} AS n, {{ s }} AS s"},
			"params": []object{{"name": "n", "type": "integer", "required": true, "max": 5}, {"name": "s", "type": "string"}},
		}).want(http.StatusCreated).text("id")
		for name, c := range map[string]struct {
			params any
			fault  string // "" = none
		}{
			"right":            {object{"n": 3}, ""},
			"templates":        {object{"n": "{{ input.n }}", "s": "a {{ input.s }}"}, ""},
			"all by template":  {"{{ input }}", ""},
			"missing":          {object{"s": "x"}, "nodes.ask.config.params.n"},
			"none":             {nil, "nodes.ask.config.params.n"},
			"wrong type":       {object{"n": "three"}, "nodes.ask.config.params.n"},
			"too large":        {object{"n": 6}, "nodes.ask.config.params.n"},
			"not declared":     {object{"n": 1, "typo": 1}, "nodes.ask.config.params.typo"},
			"unknown template": {object{"n": 1, "typo": "{{ input.x }}"}, "nodes.ask.config.params.typo"},
		} {
			graph := asking(query, c.params)
			if c.params == nil {
				graph["nodes"].([]object)[1]["config"] = object{"queryId": query}
			}
			got := owner.call("POST", T+"/workflows", object{"name": name, "draft": graph})
			switch {
			case c.fault == "":
				got.want(http.StatusCreated)
				owner.call("POST", T+"/workflows/"+got.text("id")+"/publish", nil).want(http.StatusCreated)
			default:
				if got.want(http.StatusUnprocessableEntity); !strings.Contains(string(got.Body), `"`+c.fault+`"`) {
					t.Errorf("%s: %s", name, got.Body)
				}
			}
		}

		// A draft that was right when it was saved is looked at again.
		draft := owner.call("POST", T+"/workflows", object{"name": "draft", "draft": asking(query, object{"n": 3})}).want(http.StatusCreated).text("id")
		owner.call("PATCH", T+"/queries/"+query, object{"params": []object{{"name": "n", "type": "integer", "max": 2}, {"name": "s", "type": "string"}}}).want(http.StatusOK)
		owner.call("POST", T+"/workflows/"+draft+"/publish", nil).want(http.StatusUnprocessableEntity)
	})
}

// A query that a published workflow pins stays, and whoever wants it gone learns
// why.
func TestAQueryInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		query := owner.call("POST", T+"/queries", object{
			"name": "q", "datasourceId": w.places["datasources/id"].existing, "operation": object{"text": "SELECT 1 AS one"},
		}).want(http.StatusCreated).text("id")
		flow := owner.call("POST", T+"/workflows", object{"name": "Nightly report", "draft": asking(query, object{})}).want(http.StatusCreated).text("id")
		spare := owner.call("POST", T+"/queries", object{
			"name": "spare", "datasourceId": w.places["datasources/id"].existing, "operation": object{"text": "SELECT 2 AS two"},
		}).want(http.StatusCreated).text("id")
		owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)

		got := owner.call("DELETE", T+"/queries/"+query, nil).want(http.StatusConflict)
		if got.text("code") != "query_in_use" || !strings.Contains(got.text("detail"), `"Nightly report"`) || got.text("remedy") == "" {
			t.Errorf("%s", got.Body)
		}
		blind := auth.NewContext(t.Context(), auth.ServicePrincipal(w.app.Tenant.ID, "test", auth.Grant{Permission: auth.QueryDelete}))
		if err := w.app.Datasources().DeleteQuery(blind, query); !problem.Is(err, problem.Conflict) || strings.Contains(problem.Of(err).Message, "Nightly") {
			t.Errorf("who may not see the workflow is told %v", err)
		}
		owner.call("DELETE", T+"/queries/"+spare, nil).want(http.StatusNoContent)

		owner.call("PATCH", T+"/workflows/"+flow, object{"draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).want(http.StatusOK)
		owner.call("DELETE", T+"/queries/"+query, nil).want(http.StatusConflict) // the draft changed, not what is published
		owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
		owner.call("DELETE", T+"/queries/"+query, nil).want(http.StatusNoContent)
	})
}
