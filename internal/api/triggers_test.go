package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

func useTriggers(t *testing.T, ada *caller, tenant, workflowID string) {
	t.Helper()
	body := map[string]any{"workflowId": workflowID, "name": "Nightly", "expression": "30 2 * * *", "zone": "Europe/Berlin", "input": map[string]any{"a": 1}}
	schedule := ada.call("POST", tenant+"/schedules", body).want(201)
	at := tenant + "/schedules/" + schedule.text("id")
	if got := schedule.Header.Get("Location"); got != basePath+apiPrefix+at {
		t.Fatalf("Location is %q", got)
	}
	ada.call("POST", tenant+"/schedules", body).want(409)
	ada.call("POST", tenant+"/schedules", map[string]any{"workflowId": workflowID, "name": "x", "expression": "TZ= * * * * *", "zone": "x"}).want(422)
	ada.call("GET", tenant+"/schedules?workflowId="+workflowID, nil).want(200)
	ada.call("GET", tenant+"/schedules?workflowId=x", nil).want(200)
	if etag := ada.call("GET", at, nil).want(200).Header.Get("ETag"); etag != `"1"` {
		t.Fatalf("ETag is %q", etag)
	}
	ada.with("If-Match", `"7"`).call("PATCH", at, `{"enabled":false}`).want(412)
	ada.with("If-Match", `"1"`).call("PATCH", at, `{"enabled":false}`).want(200)
	if n := len(ada.call("GET", at+"/preview?count=50", nil).want(200).field("items").([]any)); n != 50 {
		t.Fatalf("%d times", n)
	}
	ada.call("GET", at+"/preview?count=51", nil).want(422)
	ada.call("POST", tenant+"/schedules/preview", `{"expression":"@daily"}`).want(200)
	ada.call("POST", tenant+"/schedules/preview", `{"expression":"@never"}`).want(422)
	ada.with("If-Match", `"1"`).call("DELETE", at, nil).want(412)
	ada.call("DELETE", at, nil).want(204)
	ada.call("GET", at, nil).want(404)
	useWebhooks(t, ada, tenant, workflowID)
}

func useWebhooks(t *testing.T, ada *caller, tenant, workflowID string) {
	t.Helper()
	hook := ada.call("POST", tenant+"/webhooks", map[string]any{"workflowId": workflowID, "name": "Orders", "wait": "20s"}).want(201)
	at, path, secret := tenant+"/webhooks/"+hook.text("id"), hook.text("path"), hook.text("secret")
	if !strings.HasPrefix(path, basePath+"/hooks/") {
		t.Fatalf("its path is %q", path)
	}
	for _, shown := range []*answer{ada.call("GET", at, nil).want(200), ada.call("GET", tenant+"/webhooks", nil).want(200), ada.call("PATCH", at, `{"name":"Orders!","version":1}`).want(200)} {
		if strings.Contains(string(shown.Body), secret) || !strings.Contains(string(shown.Body), path) {
			t.Fatalf("T56: shown %s", shown.Body)
		}
	}
	outside := ada.w.anonymous()
	signed := func(secret, body string) *caller {
		return outside.with(workflow.SignatureHeader, signature(secret, time.Now(), body))
	}
	done := signed(secret, `{"total":9007199254740993}`).request("POST", path, `{"total":9007199254740993}`).want(200)
	if done.text("status") != "succeeded" {
		t.Fatalf("it waits for %s", done.Body)
	}
	run := ada.call("GET", tenant+"/runs/"+done.text("runId"), nil).want(200)
	if run.text("trigger") != "webhook" || !strings.Contains(string(run.Body), "9007199254740993") {
		t.Fatalf("the run: %s", run.Body)
	}
	ada.call("PATCH", at, `{"wait":"0s"}`).want(200)
	if again := signed(secret, "x").with("Content-Type", "text/plain").request("PUT", path+"?a=1", "x").want(202); again.field("status") != nil {
		t.Fatalf("it does not wait: %s", again.Body)
	}
	signed(secret, "{").request("POST", path, "{").want(422)
	signed(secret, "x").with("Content-Encoding", "gzip").request("POST", path, "x").want(415)
	signed(secret, "x").request("POST", path, strings.Repeat("x", workflow.MaxWebhookBody+1)).want(413)
	outside.request("GET", path, nil).want(405)
	outside.request("POST", path, "{}").want(401)
	ada.request("POST", path, "{}").want(401) // a signed-in user is nobody here
	rotated := ada.call("POST", at+"/rotate", `{"overlap":"0s"}`).want(200).text("secret")
	signed(secret, `{}`).request("POST", path, `{}`).want(401)
	signed(rotated, `{}`).request("POST", path, `{}`).want(202)
	off := ada.call("PATCH", at, `{"enabled":false}`).want(200)
	refused := signed(rotated, `{"n":2}`).request("POST", path, `{"n":2}`).want(404)
	missing := signed(rotated, `{"n":2}`).request("POST", basePath+"/hooks/"+strings.Repeat("A", 32), `{"n":2}`).want(404)
	if withoutID(refused) != withoutID(missing) {
		t.Fatalf("T101: a disabled one answers %s, a missing one %s", refused.Body, missing.Body)
	}
	// T33: what is public is so at its own place alone.
	for _, near := range []string{"/hooks", "/hooks/", "//hooks/x", "/hooks/x/y", "/hooks/%2e%2e/api/v1/tenants", "/api/v1/hooks/x", "/api/v1/tenants;/hooks/x", "/HOOKS/x"} {
		outside.request("POST", basePath+near, "{}").want(404)
	}
	ada.with("If-Match", off.Header.Get("ETag")).call("DELETE", at, nil).want(204)
}

// What a run answers reaches the sender, and nothing in it reaches beyond.
func TestWebhooksRelayWhatARunAnswers(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setupOn(t, db, basePath)
		ada := w.as("ada")
		tenant := ada.tenant("Acme")
		answering := map[string]any{
			"nodes": []map[string]any{
				{"key": "start", "type": "start"},
				{"key": "answer", "type": "respond", "config": map[string]any{
					"status": 418, "body": "<script>alert(1)</script>",
					"headers": map[string]any{"Content-Type": "text/html", "X-Pot": "tea", "X-Content-Type-Options": "none", "Cache-Control": "max-age=60"},
				}},
			},
			"edges": []map[string]any{{"from": "start", "to": "answer"}},
		}
		flow := ada.call("POST", tenant+"/workflows", map[string]any{"name": "Tea", "draft": answering}).want(201).text("id")
		ada.call("POST", tenant+"/workflows/"+flow+"/publish", nil).want(201)
		hook := ada.call("POST", tenant+"/webhooks", map[string]any{"workflowId": flow, "name": "Tea", "mode": "public", "wait": "20s"}).want(201)
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "POST", hook.text("path"), nil))
		got := rec.Result()
		for name, want := range map[string]string{
			"Content-Type": "text/html", "X-Pot": "tea", "X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=60",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
			}
		}
		if got.StatusCode != 418 || rec.Body.String() != "<script>alert(1)</script>" {
			t.Errorf("status %d: %s", got.StatusCode, rec.Body)
		}
	})
}

func withoutID(a *answer) string {
	return strings.ReplaceAll(string(a.Body), a.Header.Get("X-Request-Id"), "")
}

func signature(secret string, at time.Time, body string) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "." + body))
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
