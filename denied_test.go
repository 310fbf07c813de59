package jetadmin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// What is refused over HTTP, on a socket and in Go is in the record of the tenant;
// what is of no tenant is in that of the platform.
func TestDeniedAttemptsAreInTheRecord(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	viewer := app.Member(rbac.Viewer)
	ctx, owner := viewer.Context(t.Context()), app.Owner.Context(t.Context())
	anybody := reach(t, app)
	key, secret, err := app.Auth().CreateKey(owner, auth.NewKey{Name: "k", Scopes: []auth.Permission{auth.QueryList}, Addresses: []string{"198.51.100.7"}})
	must(t, err)
	_, good, err := app.Auth().CreateKey(owner, auth.NewKey{Name: "k", Scopes: []auth.Permission{auth.QueryList}})
	must(t, err)
	T := "/tenants/" + app.Tenant.ID

	// In Go.
	if _, _, err := app.Auth().CreateKey(ctx, auth.NewKey{Name: "k", Scopes: []auth.Permission{"*"}}); !problem.Is(err, problem.Forbidden) {
		t.Fatal(err)
	}
	// T50: over HTTP, in lists, streams and exports, by a key without the scope.
	byKey := anybody.bearer(good)
	byKey.call("GET", T+"/queries", nil).want(http.StatusOK)
	for path, permission := range map[string]auth.Permission{
		"/audit": auth.AuditList, "/audit/export": auth.AuditList, "/audit/facets": auth.AuditList, "/workflows": auth.WorkflowList, "/runs": auth.RunList,
		"/executions": auth.QueryHistory, "/apikeys": auth.APIKeyList,
	} {
		if got := byKey.call("GET", T+path, nil); got.Status != http.StatusForbidden {
			t.Errorf("%s (%s): status %d", path, permission, got.Status)
		}
	}
	socket := byKey.dial()
	must(t, socket.Subscribe("monitor:"+app.Tenant.ID, liveclient.Now))
	if code := socket.refused("monitor:" + app.Tenant.ID); code == "" {
		t.Error("T50: the socket shows the monitor")
	}
	// A key from elsewhere: its tenant learns why, its user does not.
	anybody.bearer(secret).call("GET", T+"/queries", nil).want(http.StatusUnauthorized)
	anybody.call("POST", "/auth/login", object{"email": viewer.User.Email, "password": "wrong wrong wrong"}).want(http.StatusUnauthorized)

	var seen []string
	byAddress := false
	must(t, app.Audit().Export(owner, audit.Filter{Action: audit.Denied}, func(e audit.Event) error {
		var detail struct{ Attempted, Code, Address string }
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			return err
		}
		seen = append(seen, detail.Attempted)
		byAddress = byAddress || detail.Attempted == "apikey.authenticate" && e.ObjectID == key.ID && detail.Address == "127.0.0.1" && strings.Contains(detail.Code, "address")
		return nil
	}))
	for _, want := range []string{"apikey.create", "audit.list", "workflow.list", "run.list", "query.history", "monitor.read", "apikey.authenticate"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%s is not in the record: %v", want, seen)
		}
	}
	if !byAddress {
		t.Error("the record does not tell that the key came from elsewhere")
	}
	var logins int
	platform := app.Audit().Platform()
	must(t, platform.Export(t.Context(), audit.Filter{Action: audit.Denied, ObjectID: viewer.User.ID}, func(audit.Event) error {
		logins++
		return nil
	}))
	if logins != 1 {
		t.Errorf("%d refused log-ins are recorded", logins)
	}
	if v, err := platform.Verify(t.Context()); err != nil || !v.Valid || v.Events == 0 {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := app.Audit().Verify(owner); err != nil || !v.Valid {
		t.Errorf("%+v %v", v, err)
	}
}

// Whatever is refused for want of a right or a proof is in a record, also what no
// permission decides: by its action and the code of the answer.
func TestRefusalsOfOtherKindsAreInTheRecord(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	_, err := app.Roles().CreateRole(app.Owner.Context(t.Context()), rbac.NewRole{Name: "Keeper", Permissions: []auth.Permission{"role.*", auth.RunAnswer, auth.RunRead}})
	must(t, err)
	member := app.Member("Keeper")
	owner, he := app.Client(app.Owner), app.Client(member)
	T := "/tenants/" + app.Tenant.ID
	role, err := app.Roles().CreateRole(app.Owner.Context(t.Context()), rbac.NewRole{Name: "Empty"})
	must(t, err)
	var run struct{ ID string }
	draft := askingGraph()
	draft["nodes"].([]object)[1]["config"] = object{"title": "Well?", "roles": []string{"owner"}}
	var flow struct{ ID string }
	owner.Call("POST", T+"/workflows", object{"name": "Ask", "draft": draft}).Want(http.StatusCreated).Into(&flow)
	owner.Call("POST", T+"/workflows/"+flow.ID+"/publish", nil).Want(http.StatusCreated)
	owner.Call("POST", T+"/workflows/"+flow.ID+"/runs", nil).Want(http.StatusAccepted).Into(&run)
	var waits struct{ Items []struct{ ID string } }
	holds(t, "the run asks", func() bool {
		owner.Call("GET", T+"/waits?runId="+run.ID, nil).Want(http.StatusOK).Into(&waits)
		return len(waits.Items) == 1
	})

	grant := object{"grants": []object{{"permission": "query.*", "effect": "allow"}}}
	for _, c := range []struct {
		reply  *jetadmintest.Reply
		status int
	}{
		{he.Call("POST", T+"/roles", object{"name": "More", "permissions": []string{"*"}}), http.StatusForbidden},
		{he.Call("PATCH", T+"/roles/"+role.ID, object{"permissions": []string{"query.*"}}), http.StatusForbidden},
		{he.Call("PUT", T+"/roles/"+role.ID+"/grants", grant), http.StatusForbidden},
		{he.Call("POST", T+"/waits/"+waits.Items[0].ID, object{"approved": true}), http.StatusForbidden},
		{he.Call("POST", "/auth/password", object{"old": "wrong wrong wrong", "new": "four other random words"}), http.StatusUnprocessableEntity},
		{he.Call("POST", "/invitations/accept", object{"token": "jai_" + strings.Repeat("A", 59)}), http.StatusNotFound},
	} {
		c.reply.Want(c.status)
	}

	var hook struct{ Path string }
	owner.Call("POST", T+"/webhooks", object{"workflowId": flow.ID, "name": "Hook"}).Want(http.StatusCreated).Into(&hook)
	forged := httptest.NewRecorder()
	app.ServeHTTP(forged, httptest.NewRequest(http.MethodPost, hook.Path, strings.NewReader("{}")))
	if forged.Code != http.StatusUnauthorized {
		t.Errorf("a delivery without a signature: status %d: %s", forged.Code, forged.Body)
	}

	attempts := func(log func(each func(audit.Event) error) error) map[string]int {
		seen := map[string]int{}
		must(t, log(func(e audit.Event) error {
			var detail struct {
				Attempted, Code string
				Attempts        int
			}
			err := json.Unmarshal(e.Detail, &detail)
			seen[detail.Attempted+" "+detail.Code] += max(1, detail.Attempts)
			return err
		}))
		return seen
	}
	ofTenant := attempts(func(each func(audit.Event) error) error {
		return app.Audit().Export(app.Owner.Context(t.Context()), audit.Filter{Action: audit.Denied}, each)
	})
	ofNone := attempts(func(each func(audit.Event) error) error {
		return app.Audit().Platform().Export(t.Context(), audit.Filter{Action: audit.Denied}, each)
	})
	for want, seen := range map[string]map[string]int{
		"role.update permission_not_held": ofTenant, "run.answer not_assigned": ofTenant, "webhook.deliver delivery_unproven": ofTenant,
		"user.password password_wrong": ofNone, "invitation.accept invitation_not_good": ofNone,
	} {
		if seen[want] == 0 {
			t.Errorf("%s is not in the record: %v", want, seen)
		}
	}
}
