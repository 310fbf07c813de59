package jetadmin_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
)

// bannedImports run commands, load code or compile texts. Each may be imported below the
// folders given: what tests and examples need.
var bannedImports = map[string][]string{
	"os/exec":                      {"internal/testdb"},
	"plugin":                       nil,
	"text/template":                {"examples"},
	"github.com/dop251/goja":       nil,
	"github.com/traefik/yaegi":     nil,
	"github.com/mattn/anko":        nil,
	"github.com/robertkrimen/otto": nil,
}

// T94, T99, T103: nothing that a host compiles in runs a command of the system, loads
// code, or has a language for templates in which a text of a user could call functions.
func TestT94_T99_T103_NothingRunsCommandsOrLoadsCode(t *testing.T) {
	t.Parallel()
	files := 0
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		files++
		for _, imported := range s.imports {
			if places, banned := bannedImports[imported]; banned && !within(s.dir, places...) {
				t.Errorf("%s imports %s", s.path, imported)
			}
		}
	}
	if files < 200 {
		t.Fatalf("only %d files were read", files)
	}
}

// T15: what types of datasources and of nodes there are is the host's to say: a tenant
// reads the lists, and no operation changes them or takes a type that is in none.
func TestT15_TypesAreTheHostsAlone(t *testing.T) {
	t.Parallel()
	s := newShelf(t, quiet(t))
	lists := 0
	for _, op := range s.app.Operations() {
		if !strings.Contains(op.Path, "-types") {
			continue
		}
		if lists++; op.Method != http.MethodGet {
			t.Errorf("%s changes types", op.ID)
		}
	}
	if lists != 2 {
		t.Errorf("%d lists of types, want 2", lists)
	}
	for _, name := range []string{"mine", "SQLite", "sqlite ", "rest\x00"} {
		s.owner.call("POST", s.tenant+"/datasources", object{"name": "mine", "type": name, "settings": object{"file": "shop.db"}}).want(http.StatusUnprocessableEntity)
		s.owner.call("POST", s.tenant+"/workflows", object{"name": "mine", "draft": object{
			"nodes": []object{{"key": "start", "type": "start"}, {"key": "x", "type": name}}, "edges": []object{{"from": "start", "to": "x"}},
		}}).want(http.StatusUnprocessableEntity)
	}
}

// T20: whoever may start a workflow starts what is published, whatever he asks for, and
// no draft.
func TestT20_NobodyStartsAnotherVersionThanThePublishedOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		operator := s.signedIn(s.app.Member(rbac.Operator))
		flow := s.tenant + "/workflows/" + s.flows[0]
		s.owner.call("PATCH", flow, object{"draft": object{
			"nodes": []object{{"key": "start", "type": "start"}, {"key": "end", "type": "end", "config": object{"output": "the draft"}}},
			"edges": []object{{"from": "start", "to": "end"}},
		}}).want(http.StatusOK)
		for _, name := range []string{"version", "number", "draft", "workflow", "graph"} {
			operator.call("POST", flow+"/runs", object{name: 2}).want(http.StatusUnprocessableEntity)
			operator.call("POST", flow+"/runs?"+name+"=2", nil).want(http.StatusUnprocessableEntity)
		}
		run := operator.call("POST", flow+"/runs", object{"wait": true}).want(http.StatusAccepted)
		if strings.Contains(string(run.Body), "the draft") {
			t.Errorf("the draft has run: %s", run.Body)
		}
		operator.call("POST", s.tenant+"/workflows/test", object{"graph": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).want(http.StatusForbidden)
		unpublished := s.made("/workflows", object{"name": "unpublished", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}})
		operator.call("POST", s.tenant+"/workflows/"+unpublished+"/runs", nil).want(http.StatusConflict)
	})
}

// T6: of what a tenant uses, nothing of another is counted.
func TestT6_UsageIsOfTheTenantAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		tenantID, stranger, _ := s.foreign()
		usage := func(c *caller, tenant string) map[string]int64 {
			t.Helper()
			var all map[string]struct{ Used int64 }
			c.call("GET", tenant+"/usage", nil).want(http.StatusOK).into(&all)
			used := map[string]int64{}
			for name, of := range all {
				used[name] = of.Used
			}
			return used
		}
		mine, theirs := usage(s.owner, s.tenant), usage(stranger, "/tenants/"+tenantID)
		if theirs["members"] != 1 || theirs["datasources"]+theirs["queries"]+theirs["workflows"] != 0 {
			t.Errorf("theirs are %v", theirs)
		}
		for name, n := range map[string]int64{"datasources": 2, "queries": 2, "workflows": 2, "members": 1} {
			if mine[name] != n {
				t.Errorf("%s: %d are mine, want %d", name, mine[name], n)
			}
		}
		stranger.call("POST", "/tenants/"+tenantID+"/workflows", object{"name": "one", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).want(http.StatusCreated)
		if now := usage(s.owner, s.tenant); !maps.Equal(now, mine) {
			t.Errorf("what somebody else made is in mine: %v, before %v", now, mine)
		}
	})
}

// T24, T59: where a workflow is started from outside is for those who look after
// triggers; its secret is for nobody, and nothing of both is in what others read.
func TestT24_T59_TargetsOfWebhooksAreNotForLowerRoles(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		made := s.owner.call("POST", s.tenant+"/webhooks", object{"workflowId": s.flows[0], "name": "hook"}).want(http.StatusCreated)
		hook, path, secret := made.text("id"), made.text("path"), made.text("secret")
		viewer, operator := s.signedIn(s.app.Member(rbac.Viewer)), s.signedIn(s.app.Member(rbac.Operator))
		at := s.tenant + "/webhooks/" + hook
		viewer.call("GET", s.tenant+"/webhooks", nil).want(http.StatusForbidden)
		viewer.call("GET", at, nil).want(http.StatusForbidden)
		if got := operator.call("GET", at, nil).want(http.StatusOK); got.text("path") != path || strings.Contains(string(got.Body), secret) {
			t.Errorf("who looks after runs reads %s", got.Body)
		}
		for _, c := range []*caller{viewer, operator} {
			c.call("PATCH", at, object{"name": "other"}).want(http.StatusForbidden)
			c.call("POST", at+"/rotate", nil).want(http.StatusForbidden)
			c.call("DELETE", at, nil).want(http.StatusForbidden)
		}
		for _, read := range []string{"/workflows", "/workflows/" + s.flows[0], "/workflows/" + s.flows[0] + "/versions/1", "/runs", "/runs/" + s.theRuns[0], "/schedules"} {
			if body := string(viewer.call("GET", s.tenant+read, nil).want(http.StatusOK).Body); strings.Contains(body, path) || strings.Contains(body, secret) {
				t.Errorf("%s shows a viewer %s", read, body)
			}
		}
	})
}

// T64: whoever may only run a query gets its rows and reasons for its failures, and
// neither its text, nor where its data is, nor what others ran.
func TestT64_WhoMayOnlyRunLearnsNothingElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		broken := s.made("/queries", object{"name": "broken", "datasourceId": s.sources[0], "operation": object{"text": "SELECT canary_column FROM canary_table"}})
		s.owner.call("POST", s.tenant+"/queries/"+s.queries[1]+"/run", nil).want(http.StatusOK)
		_, c := s.role("Runs", []string{"query.execute"})
		for _, query := range []string{s.queries[0], broken} {
			for _, accept := range []string{"", "text/csv", "application/x-ndjson"} {
				got := c.accepting(accept).call("POST", s.tenant+"/queries/"+query+"/run", nil)
				for _, secret := range []string{"shop.db", cfg.DataDir, "SELECT", s.sources[0]} {
					if strings.Contains(string(got.Body), secret) {
						t.Errorf("run as %q shows %q: %s", accept, secret, got.Body)
					}
				}
			}
		}
		for _, read := range []string{
			"/queries", "/queries/" + s.queries[0], "/queries/" + s.queries[0] + "/versions", "/queries/" + s.queries[0] + "/executions", "/executions",
			"/datasources", "/datasources/" + s.sources[0], "/datasources/" + s.sources[0] + "/schema", "/datasources/" + s.sources[0] + "/usage",
		} {
			c.call("GET", s.tenant+read, nil).want(http.StatusForbidden)
		}
		c.call("POST", s.tenant+"/queries/test", object{"datasourceId": s.sources[0], "operation": object{"text": "SELECT 1"}}).want(http.StatusForbidden)
	})
}

// T65: what a caller sends along stays here: no credential, cookie or header of his
// request is in the one that a query sends.
func TestT65_NothingOfTheCallersRequestGoesUpstream(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Clone())
		_, _ = w.Write([]byte(`[{"a":1}]`))
	}))
	t.Cleanup(upstream.Close)
	cfg := quiet(t)
	cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	s := newShelf(t, cfg)
	source := s.made("/datasources", object{"name": "api", "type": "rest", "settings": object{"baseUrl": upstream.URL, "auth": "none"}})
	query := s.made("/queries", object{"name": "api", "datasourceId": source, "operation": object{"path": "/x"}})
	c := s.owner
	for _, name := range []string{"Cookie", "Proxy-Authorization", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "Te", "Upgrade", "X-Canary", "Referer", "Accept-Language"} {
		c = c.with(name, "canary")
	}
	c = c.with("Connection", "X-Canary")
	for _, accept := range []string{"", "text/csv"} {
		c.accepting(accept).call("POST", s.tenant+"/queries/"+query+"/run", nil).want(http.StatusOK)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 {
		t.Fatalf("%d requests went upstream", len(seen))
	}
	for _, header := range seen {
		for name, values := range header {
			if !slices.Contains([]string{"Accept", "Accept-Encoding", "User-Agent", "Traceparent"}, name) || strings.Contains(strings.Join(values, " "), "canary") {
				t.Errorf("%s: %q went upstream", name, values)
			}
		}
	}
}

// T42: with a password end the sockets of the sessions that it began, and those of the
// keys that the account has made; the socket of the new session stays.
func TestT42_SocketsEndWithThePassword(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		anybody, member := reach(t, app), app.Member(rbac.Admin)
		topic := "tenant:" + app.Tenant.ID
		_, key, err := app.Auth().CreateKey(member.Context(t.Context()), auth.NewKey{Name: "x", Scopes: []auth.Permission{"workflow.list", "tenant.read"}})
		must(t, err)
		here := signedInto(t, app, member)
		sockets := []*socket{here.dial(), signedInto(t, app, member).dial(), anybody.bearer(key).dialByHeader()}
		bystander := signedInto(t, app, app.Owner).dial()
		for _, s := range append(sockets, bystander) {
			s.subscribe(topic)
		}
		changed := here.call("POST", "/auth/password", object{"old": member.Password, "new": "four other random words"})
		at := time.Now()
		if changed.Status >= http.StatusBadRequest {
			t.Fatalf("the password was not changed: %s", changed.Body)
		}
		for _, s := range sockets {
			if code := s.closed(); code != realtime.CloseUnauthenticated {
				t.Errorf("the socket was closed with %d", code)
			}
		}
		if took := time.Since(at); took > time.Second+socketSlack {
			t.Errorf("the sockets ended after %s", took)
		}
		must(t, bystander.Subscribe("tenant:nowhere", 0))
		if code := bystander.refused("tenant:nowhere"); code != "not_found" {
			t.Errorf("somebody else's socket gets %s", code)
		}
	})
}

// hostileNames are what a name may be, and what it may not.
var hostileNames = map[string]string{
	"nul": "a\x00b", "device": "NUL", "emoji": "👩‍👩‍👧‍👦", "right to left": "\u202egnp.exe", "zero width": "a\u200bb", "markup": `<img src=x onerror=alert(1)>`,
	"path": "../../etc/passwd", "quotes": `'"; DROP TABLE x; --`, "template": "{{ 7*7 }}${7*7}", "no text": "\xff\xfe", "lines": "a\r\nb", "spaces": " \t ",
	"long": strings.Repeat("x", 64<<10), "long letters": strings.Repeat("é", 300),
}

// T135, T136: whatever a thing is called, it is made and shown as it was sent, or
// refused for it; a name that is too long, or that no text can hold, never is made.
func TestT135_T136_HostileNamesAreTakenOrRefused(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner := w.signedIn(w.app.Owner)
		tried, taken := 0, 0
		for _, op := range w.app.Operations() {
			body, _ := w.body(op).(object)
			if _, named := body["name"]; !named || op.Access == api.Public || op.ID == "deleteTenant" || strings.HasPrefix(op.ID, "test") {
				continue
			}
			tried++
			delete(body, "version")
			delete(body, "id") // of an event, which is taken once
			path, _ := w.path(op, w.app.Tenant.ID, "")
			for what, name := range hostileNames {
				body["name"] = name
				got := owner.request(op.Method, path, body)
				if got.Status >= http.StatusMultipleChoices {
					if got.Status != http.StatusUnprocessableEntity && got.Status != http.StatusConflict {
						t.Errorf("%s, %s: status %d: %s", op.ID, what, got.Status, got.Body)
					}
					continue
				}
				taken++
				var is struct {
					Name    string
					Webhook struct{ Name string }
				}
				got.into(&is)
				if shown := is.Name + is.Webhook.Name; shown != string([]rune(name)) || len(name) > 300 || strings.Contains(name, "\x00") {
					t.Errorf("%s, %s: %.100q was taken as %.100q", op.ID, what, name, shown)
				}
			}
		}
		if tried < 12 || taken < 50 {
			t.Errorf("%d operations take a name, %d names were taken", tried, taken)
		}
	})
}
