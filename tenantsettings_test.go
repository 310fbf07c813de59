package jetadmin_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/tenancy"
)

// Each setting of a tenant has its effect, in this tenant alone, and goes along in its
// export. Who watches the tenant hears of the change.
func TestSettingsOfATenantTakeEffect(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := signedInto(t, app, app.Owner), "/tenants/"+app.Tenant.ID
		viewer := app.Member(rbac.Viewer)
		other := "/tenants/" + owner.call("POST", "/tenants", object{"name": "Other"}).want(http.StatusCreated).text("id")
		flow := func(T string) string {
			path := T + "/workflows/" + owner.call("POST", T+"/workflows", object{"name": "Flow", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).
				want(http.StatusCreated).text("id")
			owner.call("POST", path+"/publish", nil).want(http.StatusCreated)
			return path[strings.LastIndex(path, "/")+1:]
		}
		schedule := func(T, name, workflowID string) string {
			return owner.call("POST", T+"/schedules", object{"workflowId": workflowID, "name": name, "expression": "@daily"}).want(http.StatusCreated).text("zone")
		}
		here, there := flow(T), flow(other)
		if zone := schedule(T, "before", here); zone != "UTC" {
			t.Errorf("the default is %s", zone)
		}
		socket := owner.dial()
		must(t, socket.Subscribe("tenant:"+app.Tenant.ID, 0))
		in := object{"timeZone": "Asia/Kolkata", "logoUrl": "https://www.example.com/logo.svg", "invitationDomains": []string{"example.com"}, "apiKeyMaxDays": 30}
		owner.call("PUT", T+"/settings", in).want(http.StatusOK)
		told := socket.next()
		for told.Kind != liveclient.Event || told.Type != "tenant.updated" {
			told = socket.next()
		}
		if string(told.Data) != `{"id":"`+app.Tenant.ID+`"}` {
			t.Errorf("told %s", told.Data)
		}

		if a, b := schedule(T, "after", here), schedule(other, "after", there); a != "Asia/Kolkata" || b != "UTC" {
			t.Errorf("zones %s and %s", a, b)
		}
		if next := owner.call("POST", T+"/schedules/preview", object{"expression": "@daily", "count": 1}).want(http.StatusOK); !bytes.Contains(next.Body, []byte("T00:00:00+05:30")) {
			t.Errorf("a preview: %s", next.Body)
		}

		key := object{"name": "k", "scopes": []string{"query.list"}}
		if got := owner.call("POST", T+"/apikeys", key).want(http.StatusUnprocessableEntity); !bytes.Contains(got.Body, []byte(`"path":"expiresAt"`)) || !bytes.Contains(got.Body, []byte("30 days")) {
			t.Errorf("a key without an end: %s", got.Body)
		}
		owner.call("POST", other+"/apikeys", key).want(http.StatusCreated)
		key["expiresAt"] = time.Now().Add(29 * 24 * time.Hour)
		owner.call("POST", T+"/apikeys", key).want(http.StatusCreated)

		member, err := app.Tenants().Member(app.Owner.Context(t.Context()), viewer.User.ID)
		must(t, err)
		guest := object{"email": "guest@example.org", "roleIds": []string{member.Roles[0].ID}}
		if got := owner.call("POST", T+"/invitations", guest).want(http.StatusConflict); got.text("code") != "domain_not_admitted" {
			t.Errorf("a guest: %s", got.Body)
		}
		guest["email"] = "guest@EXAMPLE.com"
		owner.call("POST", T+"/invitations", guest).want(http.StatusCreated)

		export := owner.call("GET", T+"/export", nil).want(http.StatusOK)
		line, _, _ := bytes.Cut(export.Body, []byte("\n"))
		var tenant struct {
			Data struct {
				Name, LogoURL string
				Settings      tenancy.Settings
			}
		}
		must(t, json.Unmarshal(line, &tenant))
		if d := tenant.Data; d.Name != app.Tenant.Name || d.LogoURL != in["logoUrl"] || d.Settings.TimeZone != "Asia/Kolkata" || d.Settings.APIKeyMaxDays != 30 {
			t.Errorf("exported %s", line)
		}

		stranger := signedInto(t, app, viewer)
		stranger.call("GET", T+"/settings", nil).want(http.StatusOK)
		stranger.call("PUT", T+"/settings", in).want(http.StatusForbidden)
		stranger.call("GET", other+"/settings", nil).want(http.StatusNotFound)
		stranger.call("PUT", other+"/settings", in).want(http.StatusNotFound)
	})
}

// Of two who replace the same settings at once, one is told that they were changed.
func TestSettingsAreReplacedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := signedInto(t, app, app.Owner), "/tenants/"+app.Tenant.ID
		read := owner.call("GET", T+"/settings", nil).want(http.StatusOK)
		var in object
		read.into(&in)
		delete(in, "version")
		var all sync.WaitGroup
		statuses := make(chan int, 2)
		for range cap(statuses) {
			all.Go(func() {
				statuses <- owner.with("If-Match", read.Header.Get("ETag")).call("PUT", T+"/settings", in).Status
			})
		}
		all.Wait()
		if got := []int{<-statuses, <-statuses}; got[0]+got[1] != http.StatusOK+http.StatusPreconditionFailed {
			t.Errorf("they got %v", got)
		}
	})
}

// What a host gives a tenant is there with it, or there is no tenant.
func TestATenantIsMadeWithLimitsAndSettings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		made, err := app.Tenants().CreateFor(t.Context(), app.Owner.User.ID, tenancy.NewTenant{
			Name: "Acme", Limits: tenancy.Limits{Workflows: 3}, Settings: tenancy.Settings{TimeZone: "Europe/Berlin", LogoURL: "https://example.com/a.png", Version: 7},
		})
		must(t, err)
		owner, T := signedInto(t, app, app.Owner), "/tenants/"+made.ID
		got := owner.call("GET", T+"/settings", nil).want(http.StatusOK)
		if got.text("timeZone") != "Europe/Berlin" || got.Header.Get("ETag") != `"1"` || made.LogoURL != "https://example.com/a.png" {
			t.Errorf("%s, %+v", got.Body, made)
		}
		if usage := owner.call("GET", T+"/usage", nil).want(http.StatusOK); !bytes.Contains(usage.Body, []byte(`"workflows":{"used":0,"limit":3}`)) {
			t.Errorf("%s", usage.Body)
		}
		_, err = app.Tenants().CreateFor(t.Context(), app.Owner.User.ID, tenancy.NewTenant{Settings: tenancy.Settings{TimeZone: "Mars/Base", APIKeyMaxDays: -1}})
		paths := ""
		for _, fault := range problem.Of(err).Faults {
			paths += " " + fault.Path
		}
		if paths != " name settings.timeZone settings.apiKeyMaxDays" {
			t.Errorf("faults at%s: %v", paths, err)
		}
		owner.call("POST", "/tenants", object{"name": "x", "limits": object{"workflows": -1}, "settings": object{}}).want(http.StatusUnprocessableEntity)
	})
}
