package jetadmin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// T2, T3: a tenant has one name, and it stands in the path alone.
func TestATenantHasOneName(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner, T := w.signedIn(w.app.Owner), w.app.Tenant.ID
		missing := strings.TrimSpace(string(withoutID(owner.call("GET", "/tenants/"+id.New(), nil).want(http.StatusNotFound))))
		for _, other := range []string{
			strings.ToUpper(T), strings.ReplaceAll(T, "-", ""), "{" + T + "}", T + ".", "urn:uuid:" + T, "%2530" + T[1:], T + "%00", "*", "null", "0", "-1",
		} {
			for _, path := range []string{"", "/queries", "/queries/" + w.places["queries/id"].existing} {
				got := owner.call("GET", "/tenants/"+other+path, nil)
				if got.Status != http.StatusNotFound {
					t.Errorf("%s%s: status %d: %s", other, path, got.Status, got.Body)
				}
			}
		}
		query := w.places["queries/id"].existing
		for _, other := range []string{strings.ToUpper(query), strings.ReplaceAll(query, "-", ""), query + ".", "*", "null"} {
			owner.call("GET", "/tenants/"+T+"/queries/"+other, nil).want(http.StatusNotFound)
		}
		stranger := owner.with("X-Tenant-Id", id.New()).call("GET", "/tenants/"+T, nil).want(http.StatusNotFound)
		if got := string(withoutID(stranger)); got != missing {
			t.Errorf("two tenants in one request get %s, a missing one %s", got, missing)
		}
	})
}

// withoutID is a problem without the id of its request.
func withoutID(r *reply) []byte {
	return []byte(strings.ReplaceAll(string(r.Body), r.Header.Get("X-Request-Id"), ""))
}

// T5: a reference to what another tenant has is refused when it is saved, and
// goes nowhere when it got into the database by another way.
func TestReferencesStayInTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		foreign, owner, _ := w.foreign()
		T := "/tenants/" + foreign
		source, query := w.places["datasources/id"].existing, w.places["queries/id"].existing
		graph := func(queryID string) object {
			return object{
				"nodes": []object{{"key": "start", "type": "start"}, {"key": "read", "type": "query", "config": object{"queryId": queryID}}},
				"edges": []object{{"from": "start", "to": "read"}},
			}
		}
		for path, body := range map[string]object{
			"/queries":      {"name": "x", "datasourceId": source, "operation": object{"text": "SELECT 1"}},
			"/queries/test": {"datasourceId": source, "operation": object{"text": "SELECT 1"}},
			"/workflows":    {"name": "x", "draft": graph(query)},
		} {
			got := owner.call("POST", T+path, body)
			if got.Status != http.StatusUnprocessableEntity && got.Status != http.StatusNotFound {
				t.Errorf("POST %s: status %d: %s", path, got.Status, got.Body)
			}
		}

		// A published version that names the query of the other tenant, planted in
		// the database with the right to run it.
		flow := owner.call("POST", T+"/workflows", object{"name": "x", "draft": object{
			"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{},
		}}).want(http.StatusCreated).text("id")
		owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
		_, err := db.NewRaw("UPDATE ?schema.jet_workflow_version SET graph = ?, grants = ? WHERE tenant_id = ? AND workflow_id = ?",
			`{"nodes":[{"key":"start","type":"start"},{"key":"read","type":"query","config":{"queryId":"`+query+`","params":{"country":"DE"}}}],"edges":[{"from":"start","to":"read"}]}`,
			`[{"permission":"query.execute","objectId":"`+query+`"}]`, foreign, flow).Exec(t.Context())
		must(t, err)
		var run struct {
			Status string
			Error  struct{ Kind string }
		}
		got := owner.call("POST", T+"/workflows/"+flow+"/runs", object{"wait": true}).want(http.StatusAccepted).into(&run)
		if run.Status != "failed" || run.Error.Kind != string(problem.NotFound) || strings.Contains(string(got.Body), "Zoë") {
			t.Errorf("the run: %s", got.Body)
		}
	})
}

// T18: requests of two tenants at the same time each get their own.
func TestConcurrentTenantsSeeTheirOwn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		anybody := reach(t, app)
		type side struct {
			marker, tenantID string
			owner            *caller
		}
		sides := make([]side, 2)
		for i := range sides {
			marker := fmt.Sprint("marker-", i)
			user, err := app.Auth().CreateUser(t.Context(), auth.NewUser{Email: marker + "@example.com", Name: marker, Password: "four random words here"})
			must(t, err)
			login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: user.Email, Password: "four random words here"})
			must(t, err)
			tenant, err := app.Tenants().CreateFor(t.Context(), user.ID, tenancy.NewTenant{Name: marker})
			must(t, err)
			sides[i] = side{marker, tenant.ID, anybody.bearer(login.Token)}
			sides[i].owner.call("POST", "/tenants/"+tenant.ID+"/roles", object{"name": marker, "permissions": []string{"query.list"}}).want(http.StatusCreated)
		}
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for n := range 125 {
					mine, other := sides[(worker+n)%2], sides[(worker+n+1)%2]
					got := mine.owner.call("GET", "/tenants/"+mine.tenantID+"/roles", nil)
					if got.Status != http.StatusOK || !strings.Contains(string(got.Body), mine.marker) || strings.Contains(string(got.Body), other.marker) {
						t.Errorf("%s got %d %s", mine.marker, got.Status, got.Body)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// T20, T21: a role is a limit on what its holder gives and starts.
func TestRolesLimitTheirHolders(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	anybody := reach(t, app)
	as := func(m jetadmintest.Member) *caller {
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: m.User.Email, Password: m.Password})
		must(t, err)
		return anybody.bearer(login.Token)
	}
	T := "/tenants/" + app.Tenant.ID
	adminMember, editorMember := app.Member(rbac.Admin), app.Member(rbac.Editor)
	admin, editor, viewer := as(adminMember), as(editorMember), as(app.Member(rbac.Viewer))
	var roles struct {
		Items []struct{ ID, Builtin string }
	}
	admin.call("GET", T+"/roles", nil).want(http.StatusOK).into(&roles)
	ids := map[string]string{}
	for _, r := range roles.Items {
		ids[r.Builtin] = r.ID
	}
	flow := app.Publish(app.Owner.Context(t.Context()), workflow.NewWorkflow{Name: "x", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}, Edges: []workflow.Edge{},
	}})
	newcomer, err := app.Auth().CreateUser(t.Context(), auth.NewUser{Email: "new@example.com", Name: "New", Password: "four random words here"})
	must(t, err)

	viewer.call("POST", T+"/workflows/"+flow+"/runs", nil).want(http.StatusForbidden)
	viewer.call("POST", T+"/queries/test", object{"datasourceId": id.New(), "operation": object{"text": "SELECT 1"}}).want(http.StatusForbidden)
	add := func(by jetadmintest.Member, role string) error {
		_, err := app.Tenants().AddMember(by.Context(t.Context()), tenancy.NewMember{UserID: newcomer.ID, RoleIDs: []string{ids[role]}})
		return err
	}
	if err := add(editorMember, "viewer"); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("an editor adds a member: %v", err)
	}
	editor.call("POST", T+"/apikeys", object{"name": "x", "scopes": []string{"query.list"}}).want(http.StatusForbidden)
	if err := add(adminMember, "owner"); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("an admin adds an owner: %v", err)
	}
	admin.call("PATCH", T+"/members/"+adminMember.User.ID, object{"roleIds": []string{ids["owner"]}}).want(http.StatusForbidden)
	admin.call("POST", T+"/apikeys", object{"name": "x", "scopes": []string{"*"}}).want(http.StatusForbidden)
	admin.call("POST", T+"/roles", object{"name": "x", "permissions": []string{"tenant.update"}}).want(http.StatusForbidden)
	admin.call("DELETE", T+"/members/"+app.Owner.User.ID, nil).want(http.StatusForbidden)
}

// T30, T131: a right that is taken away is gone within a second: from decisions
// that were made before, from keys, and from open sockets.
func TestATakenRightIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		anybody := reach(t, app)
		ctx := app.Owner.Context(t.Context())
		role, err := app.Roles().CreateRole(ctx, rbac.NewRole{Name: "watcher", Permissions: []auth.Permission{"run.*", "workflow.*", "apikey.create"}})
		must(t, err)
		member := app.Member("watcher")
		flow := app.Publish(ctx, workflow.NewWorkflow{Name: "x", Draft: workflow.Graph{
			Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "wait", Type: "delay", Config: object{"duration": "1h"}}},
			Edges: []workflow.Edge{{From: "start", To: "wait"}},
		}})
		run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: flow})
		must(t, err)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: member.User.Email, Password: member.Password})
		must(t, err)
		_, key, err := app.Auth().CreateKey(member.Context(t.Context()), auth.NewKey{Name: "x", Scopes: []auth.Permission{"run.read"}})
		must(t, err)
		person, machine := anybody.bearer(login.Token), anybody.bearer(key)
		at := "/tenants/" + app.Tenant.ID + "/runs/" + run.ID
		person.call("GET", at, nil).want(http.StatusOK)
		machine.call("GET", at, nil).want(http.StatusOK)
		watcher := person.dial()
		watcher.subscribe("run:" + run.ID)

		taken := time.Now()
		_, err = app.Roles().UpdateRole(ctx, role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{"workflow.list"}})
		must(t, err)
		person.call("GET", at, nil).want(http.StatusForbidden)
		machine.call("GET", at, nil).want(http.StatusForbidden)
		if code := watcher.refused("run:" + run.ID); code != "subscription_ended" {
			t.Errorf("the subscription ended with %s", code)
		}
		if took := time.Since(taken); took > time.Second+socketSlack {
			t.Errorf("the subscription ended after %s", took)
		}

		must(t, app.Auth().SetDisabled(t.Context(), member.User.ID, true))
		person.call("GET", at, nil).want(http.StatusUnauthorized)
		machine.call("GET", at, nil).want(http.StatusUnauthorized)
		if code := watcher.closed(); code != realtime.CloseUnauthenticated {
			t.Errorf("the socket was closed with %d", code)
		}
	})
}
