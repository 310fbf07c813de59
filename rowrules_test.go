package jetadmin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/rbac"
)

// Case T89 over HTTP, in every form in which a query answers: members of two roles,
// an API key, a run of a workflow, and who may write queries but not rule them.
func TestT89_RowRulesOverHTTP(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		app, owner, T := w.app, w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		source := w.places["datasources/id"].existing
		roles := []string{"query.list", "query.read", "query.execute"}
		role := owner.call("POST", T+"/roles", object{"name": "Sales", "permissions": slices.Concat(roles, []string{"apikey.create"})}).want(http.StatusCreated).text("id")
		sales := app.Member("Sales")
		in := object{
			"name": "ruled", "datasourceId": source, "operation": object{"text": "SELECT id, country, total FROM orders ORDER BY id"}, "cacheTtlMs": 60_000,
			"rules": []object{
				{"roles": []string{role}, "filter": "row.country == 'FR'", "mask": []object{{"column": "total", "as": "null"}}},
				{"roles": []string{"owner"}, "filter": "true"},
			},
		}
		query := T + "/queries/" + owner.call("POST", T+"/queries", in).want(http.StatusCreated).text("id")
		for _, accept := range []string{"application/json", "text/csv", "application/x-ndjson"} {
			for name, c := range map[string]*caller{"a person": w.signedIn(sales), "a key": w.keyOf(sales, "query.execute")} {
				got := string(c.with("Accept", accept).call("POST", query+"/run", nil).want(http.StatusOK).Body)
				if strings.Contains(got, "DE") || strings.Contains(got, "7.25") || !strings.Contains(got, "FR") {
					t.Errorf("%s, %s: got %s", name, accept, got)
				}
			}
			if got := string(owner.with("Accept", accept).call("POST", query+"/run", nil).want(http.StatusOK).Body); !strings.Contains(got, "DE") || !strings.Contains(got, "7.25") {
				t.Errorf("the owner, %s: got %s", accept, got)
			}
			w.signedIn(app.Member(rbac.Operator)).with("Accept", accept).call("POST", query+"/run", nil).want(http.StatusForbidden)
		}

		owner.call("POST", T+"/roles", object{"name": "Author", "permissions": slices.Concat(roles, []string{"query.create", "query.update"})}).want(http.StatusCreated)
		author := w.signedIn(app.Member("Author"))
		author.call("PATCH", query, object{"rules": []object{}}).want(http.StatusForbidden)
		author.call("PATCH", query, object{"operation": object{"text": "SELECT id, 'FR' AS country, total FROM orders"}}).want(http.StatusForbidden)
		author.call("PATCH", query, object{"description": "what is not judged"}).want(http.StatusOK)
		in["name"] = "another"
		author.call("POST", T+"/queries", in).want(http.StatusForbidden)
		if got := string(owner.call("GET", T+"/audit", nil).want(http.StatusOK).Body); !strings.Contains(got, "row.country == 'FR'") && !strings.Contains(got, `row.country == \u0027FR\u0027`) {
			t.Errorf("the record does not have the rules: %s", got)
		}

		flow := owner.call("POST", T+"/workflows", object{"name": "ruled", "draft": asking(query[strings.LastIndex(query, "/")+1:], object{})}).want(http.StatusCreated).text("id")
		owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
		run := func() string {
			return string(owner.call("POST", T+"/workflows/"+flow+"/runs", object{"wait": true}).want(http.StatusAccepted).Body)
		}
		if got := run(); !strings.Contains(got, `"failed"`) {
			t.Errorf("a run has no roles: %s", got)
		}
		owner.call("PATCH", query, object{"rules": []object{{"everyone": true, "filter": "row.country == 'FR' && user.id != ''"}}}).want(http.StatusOK)
		if got := run(); !strings.Contains(got, `"succeeded"`) {
			t.Errorf("a rule for everyone is for runs, too: %s", got)
		}
	})
}
