package jetadmin_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// T153: two Apps of one process, on one database server and one Redis, have
// nothing in common.
func TestTwoAppsShareNothing(t *testing.T) {
	t.Parallel()
	for _, p := range platforms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			one, two := newTwin(t, p, "/one", nil), newTwin(t, p, "/two", nil)
			one.refuses(two)
			two.refuses(one)
			one.runsItself(two)
		})
	}
}

// The same with one Redis for both: its prefix keeps them apart.
func TestTwoAppsShareARedis(t *testing.T) {
	t.Parallel()
	first := quiet(t)
	onRedis(t, &first)
	one, two := newTwin(t, platform{open: onPostgres}, "/one", first.Redis), newTwin(t, platform{open: onSQLite}, "/two", first.Redis)
	one.refuses(two)
	one.runsItself(two)

	keys, err := first.Redis.Keys(t.Context(), "*").Result()
	must(t, err)
	for _, key := range keys {
		mine := slices.ContainsFunc([]*twin{one, two}, func(w *twin) bool { return strings.Contains(key, w.prefix) })
		// Asynq also lists queues, servers and workers; only its monitor reads that.
		list := regexp.MustCompile(`^asynq:(queues|servers|workers)\b`)
		if !mine && !list.MatchString(key) {
			t.Errorf("the key %s is of neither App", key)
		}
	}
}

// twin is one of two Apps that do the same.
type twin struct {
	*jetadmintest.App
	t          *testing.T
	owner      *caller
	prefix     string
	workflowID string
	ran        sync.Map // the input of each run that its node has seen
}

func newTwin(t *testing.T, p platform, basePath string, rdb redis.UniversalClient) *twin {
	t.Helper()
	w := &twin{t: t}
	cfg := quiet(t)
	p.open(t, &cfg)
	cfg.BasePath = basePath
	if rdb != nil {
		cfg.Redis, cfg.RedisPrefix = rdb, "twin"+basePath[1:]
	}
	cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "note"}, func(_ context.Context, _ *workflow.Call, c struct{ Text string }) (any, error) {
		w.ran.Store(c.Text, true)
		return nil, nil
	})}
	w.App, w.prefix = jetadmintest.Start(t, cfg), cfg.RedisPrefix
	anybody := reach(t, w.App)
	login, err := w.Auth().Login(t.Context(), auth.Credentials{Email: w.Owner.User.Email, Password: w.Owner.Password})
	must(t, err)
	w.owner = anybody.bearer(login.Token)
	w.workflowID = w.Publish(w.Owner.Context(t.Context()), workflow.NewWorkflow{Name: "note", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "note", Type: "note", Config: object{"Text": "{{ input.text }}"}}},
		Edges: []workflow.Edge{{From: "start", To: "note"}},
	}})
	return w
}

// refuses checks that nothing of the other App is good here.
func (w *twin) refuses(other *twin) {
	t, ctx := w.t, w.Owner.Context(w.t.Context())
	t.Helper()
	stranger := *w.owner
	stranger.header = other.owner.header
	stranger.call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	_, key, err := other.Auth().CreateKey(other.Owner.Context(t.Context()), auth.NewKey{Name: id.New(), Scopes: []auth.Permission{"*"}})
	must(t, err)
	stranger.with("Authorization", "").with("X-API-Key", key).call("GET", "/tenants/"+w.Tenant.ID, nil).want(http.StatusUnauthorized)
	w.owner.call("GET", "/tenants/"+other.Tenant.ID, nil).want(http.StatusNotFound)
	if _, err := w.Workflows().Start(ctx, workflow.StartParams{WorkflowID: other.workflowID}); !problem.Is(err, problem.NotFound) {
		t.Errorf("the other's workflow: %v", err)
	}

	// A cursor is signed with the keys of its App.
	var list struct{ NextCursor string }
	at := "/audit?limit=1"
	other.owner.call("GET", "/tenants/"+other.Tenant.ID+at, nil).want(http.StatusOK).into(&list)
	if list.NextCursor == "" {
		t.Fatal("the record has one page only")
	}
	w.owner.call("GET", "/tenants/"+w.Tenant.ID+at+"&cursor="+url.QueryEscape(list.NextCursor), nil).want(http.StatusUnprocessableEntity)

	other.owner.request("GET", "/healthz", nil).want(http.StatusOK)
	elsewhere := *w.owner
	elsewhere.url = strings.TrimSuffix(w.URL, w.basePath()) + other.basePath()
	elsewhere.request("GET", "/healthz", nil).want(http.StatusNotFound)
}

func (w *twin) basePath() string {
	u, err := url.Parse(w.URL)
	must(w.t, err)
	return u.Path
}

// runsItself starts runs in both Apps at the same time: each runs its own, and a
// watcher sees only those of his App.
func (w *twin) runsItself(other *twin) {
	t := w.t
	t.Helper()
	const runs = 20
	var all sync.WaitGroup
	for _, twin := range []*twin{w, other} {
		for i := range runs {
			all.Go(func() {
				ctx := twin.Owner.Context(t.Context())
				run, err := twin.Workflows().Start(ctx, workflow.StartParams{
					WorkflowID: twin.workflowID, Input: object{"text": fmt.Sprint(twin.URL, i)},
				})
				if err == nil {
					ctx, cancel := context.WithTimeout(ctx, patience)
					defer cancel()
					var ended workflow.RunDetail
					if ended, err = twin.Workflows().Wait(ctx, run.ID); err == nil && ended.Status != workflow.RunSucceeded {
						err = fmt.Errorf("the run %s: %+v", ended.Status, ended.Error)
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	for _, twin := range []*twin{w, other} {
		seen := 0
		for text := range twin.ran.Range {
			seen++
			if !strings.HasPrefix(text.(string), twin.URL) {
				t.Errorf("the App at %s ran %v", twin.URL, text)
			}
		}
		if seen != runs {
			t.Errorf("the App at %s ran %d of its %d runs", twin.URL, seen, runs)
		}
	}
}

// plainWriter is the writer of a middleware that offers nothing but Unwrap.
type plainWriter struct {
	http.ResponseWriter
	written atomic.Int64
}

func (w *plainWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *plainWriter) Write(b []byte) (int, error) {
	w.written.Add(int64(len(b)))
	return w.ResponseWriter.Write(b)
}

// T151: behind a host's mux and middleware, on HTTP/2 with TLS, every URL that the
// App hands out stays below its prefix.
func TestMountedInAHost(t *testing.T) {
	t.Parallel()
	const prefix = "/tools/admin"
	cfg := quiet(t)
	onSQLite(t, &cfg)
	log := &notes{}
	cfg.BasePath, cfg.Logger = prefix, log.logger()
	app := start(t, cfg)

	mux := http.NewServeMux()
	mux.Handle(prefix+"/", app)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	host := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", "here")
		mux.ServeHTTP(&plainWriter{ResponseWriter: w}, r)
	}))
	host.EnableHTTP2 = true
	host.StartTLS()
	t.Cleanup(host.Close)
	anybody := &caller{t: t, url: host.URL + prefix, header: http.Header{}, http: host.Client()}

	made := anybody.call("POST", "/auth/setup", object{
		"token": log.setupToken(t), "email": "ada@example.com", "password": "four random words here", "name": "Ada",
	}).want(http.StatusCreated)
	response := http.Response{Header: made.Header}
	cookies := response.Cookies()
	if len(cookies) != 1 || cookies[0].Path != prefix || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("the cookie is %+v", cookies)
	}
	if made.Header.Get("X-Host") != "here" {
		t.Error("the middleware is not on the way")
	}
	browser := anybody.with("Cookie", cookies[0].Name+"="+cookies[0].Value).with("Origin", host.URL).with("Sec-Fetch-Site", "same-origin")
	for _, location := range []string{
		made.Header.Get("Location"),
		browser.call("POST", "/tenants", object{"name": "Acme"}).want(http.StatusCreated).Header.Get("Location"),
	} {
		below, ok := strings.CutPrefix(location, prefix)
		if !ok {
			t.Fatalf("Location %q is not below %s", location, prefix)
		}
		browser.request("GET", below, nil).want(http.StatusOK)
	}
	checkDocument(t, browser, prefix)
	checkPage(t, browser, prefix)

	outside := *anybody
	outside.url = host.URL
	outside.request("GET", "/tools", nil).want(http.StatusTeapot)
	outside.request("GET", "/api/v1/auth/me", nil).want(http.StatusTeapot)

	// The socket opens through the middleware. It takes HTTP/1.1.
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(&plainWriter{ResponseWriter: w}, r)
	}))
	t.Cleanup(plain.Close)
	live := &caller{t: t, url: plain.URL + prefix, header: http.Header{}, http: plain.Client()}
	live.bearer(made.text("token")).dial()
}

// checkDocument finds the server of the OpenAPI document below the prefix.
func checkDocument(t *testing.T, browser *caller, prefix string) {
	t.Helper()
	var document struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct{ Servers []struct{ URL string } }
	}
	browser.call("GET", "/openapi.json", nil).want(http.StatusOK).into(&document)
	if len(document.Servers) != 1 || document.Servers[0].URL != prefix+"/api/v1" {
		t.Errorf("servers of the document: %+v", document.Servers)
	}
	for path, operations := range document.Paths {
		for _, operation := range operations {
			for _, server := range operation.Servers {
				if !strings.HasPrefix(server.URL, prefix) {
					t.Errorf("%s is at %s", path, server.URL)
				}
			}
		}
	}
}

var link = regexp.MustCompile(`(?:src|href)="([^"#]+)"`)

// checkPage loads everything that the page of the documentation asks for.
func checkPage(t *testing.T, browser *caller, prefix string) {
	t.Helper()
	page := browser.call("GET", "/docs", nil).want(http.StatusOK)
	base, err := url.Parse(prefix + "/api/v1/docs")
	must(t, err)
	links := link.FindAllSubmatch(page.Body, -1)
	if len(links) < 2 {
		t.Fatalf("the page has %d links", len(links))
	}
	for _, l := range links {
		target, err := base.Parse(string(l[1]))
		must(t, err)
		below, ok := strings.CutPrefix(target.String(), prefix)
		if !ok {
			t.Errorf("the page refers to %s", target)
			continue
		}
		browser.request("GET", below, nil).want(http.StatusOK)
	}
}

// T152: whatever goes wrong in a host's sign-in, nobody becomes somebody.
func TestAHostSignInThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		said *auth.Principal
		err  error
		want int
	}{
		"nobody":          {nil, nil, http.StatusUnauthorized},
		"empty":           {&auth.Principal{}, nil, http.StatusUnauthorized},
		"a kind only":     {&auth.Principal{Kind: auth.KindUser}, nil, http.StatusUnauthorized},
		"no subject":      {&auth.Principal{Issuer: "host", Email: "owner@example.com"}, nil, http.StatusUnauthorized},
		"our issuer":      {&auth.Principal{Issuer: auth.LocalIssuer, Subject: "owner@example.com"}, nil, http.StatusUnauthorized},
		"an unknown user": {&auth.Principal{UserID: "nobody"}, nil, http.StatusUnauthorized},
		"roles":           {&auth.Principal{Issuer: "host", Subject: "1", Roles: []string{"owner"}}, nil, http.StatusUnauthorized},
		"a service":       {auth.ServicePrincipal("tenant", "host", auth.Grant{Permission: "*"}), nil, http.StatusUnauthorized},
		"foreign tenant":  {&auth.Principal{Issuer: "host", Subject: "1", TenantID: "nowhere"}, nil, http.StatusUnauthorized},
		"an error":        {nil, errors.New("canary of the host"), http.StatusUnauthorized},
		"both":            {&auth.Principal{Issuer: "host", Subject: "1"}, errors.New("canary of the host"), http.StatusUnauthorized},
		"a panic":         {&auth.Principal{Subject: "panic"}, nil, http.StatusInternalServerError},
	}
	var mu sync.Mutex
	var said *auth.Principal
	var refusal error
	cfg := quiet(t)
	cfg.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(*http.Request) (*auth.Principal, error) {
		mu.Lock()
		defer mu.Unlock()
		if said != nil && said.Subject == "panic" {
			panic("canary of the host")
		}
		return said, refusal
	})}
	app := jetadmintest.Start(t, cfg)
	// Nothing but the authenticator names a caller, whatever the headers say.
	anybody := reach(t, app)
	for _, header := range []string{"X-User-Id", "X-Forwarded-User", "X-Remote-User", "X-Forwarded-Email", "X-Tenant-Id"} {
		anybody = anybody.with(header, app.Owner.User.ID)
	}
	for name, test := range tests {
		mu.Lock()
		said, refusal = test.said, test.err
		mu.Unlock()
		for _, path := range []string{"/auth/me", "/tenants", "/tenants/" + app.Tenant.ID, "/openapi.json"} {
			got := anybody.call("GET", path, nil)
			if got.Status != test.want || strings.Contains(string(got.Body), "canary") {
				t.Errorf("%s: GET %s: status %d, want %d: %s", name, path, got.Status, test.want, got.Body)
			}
		}
	}
}

// A sign-in that the host confines to a tenant sees, and makes, no other one.
func TestAConfinedSignInHasOneTenant(t *testing.T) {
	t.Parallel()
	var who atomic.Pointer[auth.Principal]
	cfg := quiet(t)
	cfg.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(*http.Request) (*auth.Principal, error) { return who.Load(), nil })}
	app := jetadmintest.Start(t, cfg)
	other, err := app.Tenants().CreateFor(t.Context(), app.Owner.User.ID, tenancy.NewTenant{Name: "Other"})
	must(t, err)
	who.Store(&auth.Principal{UserID: app.Owner.User.ID, TenantID: app.Tenant.ID})
	he := reach(t, app)
	for path, list := range map[string]string{"/tenants": "items", "/auth/me": "tenants"} {
		var seen map[string]json.RawMessage
		he.call("GET", path, nil).want(http.StatusOK).into(&seen)
		if text := string(seen[list]); !strings.Contains(text, app.Tenant.ID) || strings.Contains(text, other.ID) {
			t.Errorf("GET %s: %s", path, text)
		}
	}
	he.call("GET", "/tenants/"+other.ID, nil).want(http.StatusNotFound)
	if got := he.call("POST", "/tenants", object{"name": "More"}).want(http.StatusForbidden).text("code"); got != "tenant_confined" {
		t.Errorf("refused with %s", got)
	}
}

// noDatabase is a database that says whether somebody has tried to reach it.
type noDatabase struct{ reached atomic.Bool }

func (d *noDatabase) Connect(context.Context) (driver.Conn, error) {
	d.reached.Store(true)
	return nil, errors.New("there is no database")
}

func (d *noDatabase) Driver() driver.Driver { return nil }

// T154: New with a database and keys only builds. Not parallel: it counts the
// goroutines of the process.
func TestNewDoesNothing(t *testing.T) {
	database := &noDatabase{}
	pool := sql.OpenDB(database)
	defer pool.Close()
	var dialed atomic.Bool
	rdb := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) {
		dialed.Store(true)
		return nil, errors.New("there is no Redis")
	}})
	defer rdb.Close()
	cfg := quiet(t)
	cfg.DataDir = filepath.Join(cfg.DataDir, "not made")
	cfg.DB, cfg.Dialect, cfg.Redis = pool, jetadmin.PostgreSQL, rdb
	there := goleak.IgnoreCurrent()

	app, err := jetadmin.New(cfg)
	must(t, err)
	if err := goleak.Find(there); err != nil {
		t.Errorf("New has started something: %v", err)
	}
	if database.reached.Load() || dialed.Load() {
		t.Error("New has reached for a server")
	}
	if _, err := os.Stat(cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("New has made the folder: %v", err)
	}
	must(t, app.Stop(t.Context()))
}

// T154: what Start began, Stop ends, and neither writes a file when the host
// brings the database and the keys. Not parallel, for the same reason.
func TestStopLeavesNothing(t *testing.T) {
	for _, p := range platforms() {
		t.Run(p.name, func(t *testing.T) {
			cfg := quiet(t)
			p.open(t, &cfg)
			cfg.DataDir = filepath.Join(cfg.DataDir, "not made")
			must(t, cfg.DB.PingContext(t.Context()))
			there := goleak.IgnoreCurrent()
			idle := cfg.DB.Stats().OpenConnections

			app := build(t, cfg)
			must(t, app.Start(t.Context()))
			server := httptest.NewServer(app)
			anybody := &caller{t: t, url: server.URL, header: http.Header{}, http: server.Client()}
			user, err := app.Auth().CreateUser(t.Context(), auth.NewUser{Email: "ada@example.com", Name: "Ada", Password: "four random words here"})
			must(t, err)
			login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: user.Email, Password: "four random words here"})
			must(t, err)
			anybody.bearer(login.Token).call("GET", "/tenants", nil).want(http.StatusOK)
			watcher := anybody.bearer(login.Token).dial()

			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				stop(t, app)
			}()
			if code := watcher.closed(); code != realtime.CloseRestart {
				t.Errorf("the socket was closed with %d", code)
			}
			<-stopped
			server.Close()
			anybody.http.CloseIdleConnections()
			cfg.DB.SetMaxIdleConns(0) // ends what database/sql keeps for each connection
			if cfg.Redis != nil {
				must(t, cfg.Redis.Close())
			}
			if err := goleak.Find(there); err != nil {
				t.Errorf("Stop has left something: %v", err)
			}
			if open := cfg.DB.Stats().OpenConnections; open > idle {
				t.Errorf("%d connections are open", open)
			}
			if _, err := os.Stat(cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder was made: %v", err)
			}
		})
	}
}
