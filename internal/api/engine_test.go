package api

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// shop is a tenant with a workflow that asks somebody, and runs of it.
type shop struct {
	ada              *caller
	tenant, workflow string
	asking, failed   string // runs
	wait             string // of the asking one
	schedule, hook   string
}

func newShop(t *testing.T, w *world) *shop {
	t.Helper()
	s := &shop{ada: w.as("ada")}
	s.tenant = s.ada.tenant("Shop")
	flow := s.ada.call("POST", s.tenant+"/workflows", map[string]any{"name": "Move", "draft": map[string]any{
		"nodes": []map[string]any{
			{"key": "start", "type": "start"},
			{"key": "price", "type": "transform", "config": map[string]any{"value": "{{ input.cents / 100 }}"}},
			{"key": "address", "type": "form", "config": map[string]any{"title": "Where to?", "fields": map[string]any{
				"type": "object", "required": []string{"street", "zip"}, "properties": map[string]any{"street": map[string]any{"type": "string"}, "zip": map[string]any{"type": "string"}},
			}}},
			{"key": "end", "type": "end", "config": map[string]any{"output": "{{ steps.address.values.street }}"}},
		},
		"edges": []map[string]any{{"from": "start", "to": "price"}, {"from": "price", "to": "address"}, {"from": "address", "to": "end"}},
	}}).want(201)
	s.workflow = flow.text("id")
	at := s.tenant + "/workflows/" + s.workflow
	s.ada.call("POST", at+"/publish", nil).want(201)
	s.failed = s.ada.call("POST", at+"/runs", `{"input":{"cents":"many"},"wait":true}`).want(202).text("id")
	s.asking = s.ada.call("POST", at+"/runs", `{"input":{"cents":4200}}`).want(202).text("id")
	s.wait = s.openWait(t)
	s.schedule = s.ada.call("POST", s.tenant+"/schedules", map[string]any{"workflowId": s.workflow, "name": "Yearly", "expression": "@yearly"}).want(201).text("id")
	s.hook = s.ada.call("POST", s.tenant+"/webhooks", map[string]any{"workflowId": s.workflow, "name": "Orders"}).want(201).text("id")
	return s
}

// openWait is the newest wait of the tenant, which a run is about to come to.
func (s *shop) openWait(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if waits := s.ada.call("GET", s.tenant+"/waits?mine=true&runId="+s.asking, nil).want(200).field("items").([]any); len(waits) > 0 {
			return waits[0].(map[string]any)["id"].(string)
		}
	}
	t.Fatal("the run never asked")
	return ""
}

func TestEngineRoutes(t *testing.T) {
	t.Parallel()
	s := newShop(t, setup(t))
	ada, runs := s.ada, s.tenant+"/runs/"
	if title := ada.call("GET", s.tenant+"/waits/"+s.wait, nil).want(200).text("title"); title != "Where to?" {
		t.Errorf("it asks %q", title)
	}
	ada.call("POST", s.tenant+"/waits/"+s.wait, `{"values":{"street":"Oberer Weg","zip":"1"}}`).want(200)
	ada.call("POST", s.tenant+"/waits/"+s.wait, `{"values":{"street":"Oberer Weg","zip":"1"}}`).want(409)

	if timeline := ada.call("GET", runs+s.failed+"/timeline", nil).want(200); timeline.text("status") != "failed" || len(timeline.field("nodes").([]any)) != 4 {
		t.Errorf("its timeline is %s", timeline.Body)
	}
	ada.call("GET", runs+s.failed+"/logs?node=price", nil).want(200)
	restored := ada.call("POST", s.tenant+"/workflows/"+s.workflow+"/versions/1/restore", nil).want(200)
	if restored.Header.Get("ETag") != `"3"` || restored.field("publishedVersion") != 1.0 {
		t.Errorf("restored: %s", restored.Body)
	}
	ada.call("POST", s.tenant+"/workflows/"+s.workflow+"/versions/1/restore", `{"version":2}`).want(412)
	ada.call("POST", s.tenant+"/workflows/"+s.workflow+"/versions/7/restore", nil).want(404)
	if workers := ada.call("GET", s.tenant+"/monitor", nil).want(200).field("workers").([]any); len(workers) != 1 {
		t.Errorf("%d processes are at work", len(workers))
	}
	ada.call("POST", s.tenant+"/events", `{"name":"paid","key":"1","id":"evt","data":{"cents":1}}`).want(202)

	for path, body := range map[string]string{"/retry": `{"version":"latest"}`, "/rerun": `{"from":"price"}`, "/replay": `{"input":{"cents":1}}`} {
		again := ada.call("POST", runs+s.failed+path, body).want(202)
		if at := basePath + apiPrefix + runs + again.text("id"); again.Header.Get("Location") != at || again.text("rerunOf") != s.failed {
			t.Errorf("%s: Location is %q, want %q: %s", path, again.Header.Get("Location"), at, again.Body)
		}
	}
	ada.call("POST", runs+s.failed+"/cancel", nil).want(409)
	if done := ada.call("POST", runs+"bulk/cancel", `{"createdAfter":"2026-01-01T00:00:00Z"}`).want(200).field("done"); done == 0.0 {
		t.Error("the run that waits was not cancelled")
	}
	if got := ada.call("POST", runs+"bulk/retry", `{"status":"failed","workflowId":"`+s.workflow+`"}`).want(200); got.field("more") != false {
		t.Errorf("retrying all gives %s", got.Body)
	}
}

// Whoever is of another tenant finds nothing, and a member without the right is
// told so; nobody learns more by what he sends.
func TestEngineRoutesRefuse(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := newShop(t, w)
	bob, eve := w.as("bob"), w.as("eve")
	bob.call("GET", "/auth/me", nil).want(200)
	role := s.ada.call("POST", s.tenant+"/roles", `{"name":"Nothing","permissions":[]}`).want(201).text("id")
	w.addMember(s.ada, s.tenant, eve, role)
	run, schedule, hook := "/runs/"+s.asking, "/schedules/"+s.schedule, "/webhooks/"+s.hook
	for _, route := range []struct{ method, path, body string }{
		{"GET", "/schedules", ""}, {"POST", "/schedules", `{"workflowId":"` + s.workflow + `","name":"x","expression":"@daily"}`}, {"POST", "/schedules/preview", `{"expression":"@daily"}`},
		{"GET", schedule, ""}, {"PATCH", schedule, `{"enabled":false}`}, {"GET", schedule + "/preview", ""}, {"DELETE", schedule, ""},
		{"GET", "/webhooks", ""}, {"POST", "/webhooks", `{"workflowId":"` + s.workflow + `","name":"x"}`},
		{"GET", hook, ""}, {"PATCH", hook, `{"enabled":false}`}, {"POST", hook + "/rotate", `{}`}, {"DELETE", hook, ""},
		{"GET", "/waits", ""}, {"POST", "/waits/" + s.wait, `{"values":{"street":"x","zip":"1"}}`}, {"POST", "/events", `{"name":"paid"}`},
		{"POST", "/runs/bulk/cancel", `{"status":"waiting"}`}, {"POST", "/runs/bulk/retry", `{"status":"failed"}`},
		{"POST", run + "/retry", `{}`}, {"POST", run + "/rerun", `{"from":"price"}`}, {"POST", run + "/replay", `{}`}, {"POST", run + "/cancel", ""},
		{"GET", run + "/logs", ""}, {"GET", run + "/timeline", ""}, {"GET", run + "/events", ""}, {"GET", "/monitor", ""},
		{"PATCH", "/run-settings", `{"retentionDays":1}`}, {"POST", "/workflows/test", `{"graph":{"nodes":[{"key":"start","type":"start"}],"edges":[]}}`},
	} {
		bob.call(route.method, s.tenant+route.path, route.body).want(404)
		eve.call(route.method, s.tenant+route.path, route.body).want(403)
	}
}

// All that is wrong with an input is told at once, each fault at its place.
func TestEngineRoutesTellAllFaults(t *testing.T) {
	t.Parallel()
	s := newShop(t, setup(t))
	for _, c := range []struct {
		path, body string
		faults     []string
	}{
		{"/schedules", `{"workflowId":"x","name":" ","expression":"61 * * * *","zone":"Mars/Base","catchUpLimit":5}`, []string{"expression", "name", "workflowId", "zone"}},
		{"/schedules", `{"workflowId":"x","name":"","expression":"@daily","overlap":"often","catchUpLimit":0}`, []string{"catchUpLimit", "name", "overlap"}},
		{"/schedules/preview", `{"expression":"@daily","zone":"Mars/Base"}`, []string{"zone"}},
		{"/webhooks", `{"workflowId":"x","name":" ","secretHeader":"X Y","headers":["Cookie"],"wait":"1h"}`, []string{"headers", "name", "secretHeader", "wait", "workflowId"}},
		{"/webhooks", `{"workflowId":"x","name":"x","mode":"trust","ratePerMinute":0}`, []string{"mode", "ratePerMinute"}},
		{"/waits/" + s.wait, `{"approved":true,"values":{"street":5,"extra":1}}`, []string{"approved", "values.extra", "values.street", "values.zip"}},
		{"/events", `{"name":"","ttl":"999d","when":"now"}`, []string{"name", "when"}},
		{"/events", `{"name":"a","ttl":"5 days"}`, []string{"ttl"}},
		{"/workflows", `{"name":"a","draft":{"nodes":[{"key":"start","type":"start","policy":{"timeout":"5 minutes"}}],"edges":[]}}`, []string{"draft.nodes[0].policy.timeout"}},
		{"/runs/bulk/cancel", `{}`, []string{""}},
		{"/runs/bulk/cancel", `{"status":"sleeping","limit":0}`, []string{"limit", "status"}},
		{"/runs/" + s.failed + "/retry", `{"version":"newest"}`, []string{"version"}},
		{"/runs/" + s.failed + "/rerun", `{"version":"same"}`, []string{"from"}},
	} {
		faults := map[string]bool{}
		for _, fault := range s.ada.call("POST", s.tenant+c.path, c.body).want(422).problem().Errors {
			faults[fault.Path] = true
		}
		if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, c.faults) {
			t.Errorf("%s %s: faults at %q, want %q", c.path, c.body, got, c.faults)
		}
	}
}

// Nobody overwrites what he has not seen, however he says what he has seen.
func TestEngineRoutesRefuseStaleChanges(t *testing.T) {
	t.Parallel()
	s := newShop(t, setup(t))
	for path, change := range map[string]string{
		"/schedules/" + s.schedule: `{"name":"Renamed"%s}`, "/webhooks/" + s.hook: `{"name":"Renamed"%s}`, "/run-settings": `{"retentionDays":9%s}`,
	} {
		t.Run(path, func(t *testing.T) {
			patch := func(version string) string { return fmt.Sprintf(change, version) }
			etag := s.ada.call("PATCH", s.tenant+path, patch("")).want(200).Header.Get("ETag")
			s.ada.with("If-Match", etag).call("PATCH", s.tenant+path, patch("")).want(200)
			s.ada.with("If-Match", etag).call("PATCH", s.tenant+path, patch("")).want(412)
			s.ada.call("PATCH", s.tenant+path, patch(`,"version":1`)).want(412)
		})
	}
}
