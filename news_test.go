package jetadmin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/tenancy"
)

// Every change of something that a tenant has is told to who watches the tenant, by
// its kind and id alone (T9, T134): names are for those who may read the object.
func TestWhoWatchesATenantIsToldOfChanges(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Hooks.Tenancy.BeforeAccept = func(context.Context, tenancy.Accepting) error { return nil }
		app := jetadmintest.Start(t, cfg)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
		must(t, err)
		owner, T := reach(t, app).bearer(login.Token), "/tenants/"+app.Tenant.ID
		socket := owner.dial()
		must(t, socket.Subscribe("tenant:"+app.Tenant.ID, 0))
		makeShop(t, cfg.DataDir, app.Tenant.ID)

		var expected []string
		done := func(kind string, r *reply, status int, key string) string {
			t.Helper()
			id := key
			if r.want(status); key == "" {
				id = r.text("id")
			}
			expected = append(expected, kind+" "+id)
			return id
		}
		source := done("datasource.created", owner.call("POST", T+"/datasources", object{"name": "Shop", "type": "sqlite", "settings": object{"file": "shop.db"}}), http.StatusCreated, "")
		done("datasource.updated", owner.call("PATCH", T+"/datasources/"+source, object{"description": "x"}), http.StatusOK, source)
		query := done("query.created", owner.call("POST", T+"/queries", object{"name": "One", "datasourceId": source, "operation": object{"text": "SELECT 1"}}), http.StatusCreated, "")
		done("query.deleted", owner.call("DELETE", T+"/queries/"+query, nil), http.StatusNoContent, query)
		done("datasource.deleted", owner.call("DELETE", T+"/datasources/"+source, nil), http.StatusNoContent, source)
		role := done("role.created", owner.call("POST", T+"/roles", object{"name": "Looker", "permissions": []string{"query.list"}}), http.StatusCreated, "")
		done("role.deleted", owner.call("DELETE", T+"/roles/"+role, nil), http.StatusNoContent, role)
		done("apikey.created", owner.call("POST", T+"/apikeys", object{"name": "Key", "scopes": []string{"query.list"}}), http.StatusCreated, "")
		flow := done("workflow.created", owner.call("POST", T+"/workflows", object{"name": "Flow", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}), http.StatusCreated, "")
		done("workflow.published", owner.call("POST", T+"/workflows/"+flow+"/publish", nil), http.StatusCreated, flow)
		done("tenant.updated", owner.call("PATCH", T, object{"name": "Another name"}), http.StatusOK, app.Tenant.ID)

		var roles struct {
			Items []struct{ ID, Builtin string }
		}
		owner.call("GET", T+"/roles", nil).want(http.StatusOK).into(&roles)
		var viewer string
		for _, role := range roles.Items {
			if role.Builtin == rbac.Viewer {
				viewer = role.ID
			}
		}
		invited := owner.call("POST", T+"/invitations", object{"email": "guest@example.com", "roleIds": []string{viewer}}).want(http.StatusCreated)
		invitation := done("invitation.created", invited, http.StatusCreated, "")
		accepted := reach(t, app).call("POST", "/invitations/accept", object{"token": invited.text("token"), "email": "guest@example.com", "name": "Guest", "password": "a long enough password"})
		done("invitation.accepted", accepted, http.StatusOK, invitation)
		done("member.created", accepted, http.StatusOK, accepted.text("member.userId"))

		for _, want := range expected {
			f := socket.next()
			for f.Kind != liveclient.Event {
				f = socket.next()
			}
			var data map[string]string
			must(t, json.Unmarshal(f.Data, &data))
			if got := f.Type + " " + data["id"]; got != want || len(data) != 1 {
				t.Errorf("told %s %s, want %s", f.Type, f.Data, want)
			}
		}
	})
}
