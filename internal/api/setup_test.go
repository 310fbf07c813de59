package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/requestid"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const basePath = "/admin"

// world is an API on real services, and what tests look at beside its replies.
type world struct {
	t   *testing.T
	cfg Config
	api *API
	log *lockedLog

	mu  sync.Mutex
	now time.Time

	schemas schemas
}

// setup makes an API with every route on SQLite.
func setup(t *testing.T) *world { return setupOn(t, testdb.SQLite(t), basePath) }

func setupOn(t *testing.T, db *store.DB, basePath string) *world {
	t.Helper()
	w := newWorld(t, db, basePath)
	var err error
	if w.api, err = New(w.cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// setupBare makes an API with the operations of the test only.
func setupBare(t *testing.T, register func(a *API)) *world {
	t.Helper()
	w := newWorld(t, testdb.SQLite(t), basePath)
	var err error
	if w.api, err = newAPI(w.cfg); err != nil {
		t.Fatal(err)
	}
	register(w.api)
	if err := w.api.finish(); err != nil {
		t.Fatal(err)
	}
	return w
}

func newWorld(t *testing.T, db *store.DB, basePath string) *world {
	t.Helper()
	w := &world{t: t, log: &lockedLog{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	keys, err := secret.NewKeyring(secret.NewKey())
	must(t, err)
	pages := page.NewSigner(keys.Derive("pages"))

	// The services know one another by functions: whoever is made first gets one
	// that calls whoever is made last.
	var roles *rbac.Service
	authorize := func(ctx context.Context, p auth.Permission, objectID string) (*auth.Principal, error) {
		return roles.Authorize(ctx, p, objectID)
	}
	record, err := audit.New(audit.Config{
		Actor:     actorOf,
		Authorize: func(ctx context.Context) (string, error) { return tenantOf(authorize(ctx, auth.AuditList, "")) },
		Clock:     w.clock(), DB: db, Pages: pages, RequestID: requestid.FromContext,
	})
	must(t, err)
	roles, err = rbac.New(rbac.Config{Audit: record.Record, Clock: w.clock(), DB: db, Pages: pages})
	must(t, err)
	late := &accounts{}
	tenants, err := tenancy.New(tenancy.Config{
		Accounts: late, Audit: record.Record, Authorize: authorize, Clock: w.clock(), DB: db, Pages: pages, Roles: roles,
		Hooks: tenancy.Hooks{BeforeAccept: func(context.Context, tenancy.Accepting) error { return nil }},
	})
	must(t, err)
	users, err := auth.New(auth.Config{
		Audit: record.Record, Authenticators: []auth.Authenticator{auth.AuthenticatorFunc(byHost)}, Authorize: authorize,
		Clock: w.clock(), DB: db, Logger: w.log.logger(), Members: tenants, Pages: pages,
	})
	must(t, err)
	late.Service = users
	sources, err := datasource.New(datasource.Config{
		Audit: record.Record, Authorize: authorize, Clock: w.clock(), Connectors: []datasource.Connector{fixed{}},
		DB: db, Keys: keys, Pages: pages,
	})
	must(t, err)
	t.Cleanup(func() { _ = sources.Close() })
	files, err := upload.New(upload.Config{Audit: record.Record, Authorize: authorize, Clock: w.clock(), DB: db, Logger: w.log.logger(), MaxFile: 1 << 20, Pages: pages})
	must(t, err)
	nodes, err := node.Builtins(node.Config{
		Client: http.DefaultClient,
		RunQuery: func(ctx context.Context, queryID string, params map[string]any) (any, error) {
			return sources.RunQuery(ctx, queryID, params)
		},
	})
	must(t, err)
	flows, err := workflow.New(workflow.Config{
		Audit: record.Record, Authorize: authorize, BasePath: basePath, DB: db, Keys: keys, Nodes: nodes, Pages: pages, Logger: w.log.logger(),
		CheckReference: func(ctx context.Context, g auth.Grant) error { return sources.CheckQuery(ctx, g.ObjectID) },
	})
	must(t, err)
	must(t, flows.StartEngine(t.Context()))
	t.Cleanup(func() { must(t, flows.StopEngine(context.Background())) })

	w.cfg = Config{
		AllowedOrigins: []string{"https://console.example.com"},
		Audit:          record, Auth: users, BasePath: basePath, Clock: w.clock(), Datasources: sources, DB: db, Files: files,
		Hub:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) }),
		Keys: keys, Logger: w.log.logger(), RBAC: roles, Tenancy: tenants, Version: "test", Workflows: flows,
		SocketIO: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) }),
	}
	return w
}

// accounts are those of a service that is made later.
type accounts struct{ *auth.Service }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func actorOf(ctx context.Context) audit.Actor {
	who := auth.FromContext(ctx)
	if who == nil {
		return audit.Actor{Name: "anonymous"}
	}
	return audit.Actor{Name: who.Actor(), OnBehalfOf: who.UserID}
}

func tenantOf(who *auth.Principal, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return who.TenantID, nil
}

func (w *world) clock() clock.Clock {
	return func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// byHost is the sign-in of a host: "Host ada" is Ada.
func byHost(r *http.Request) (*auth.Principal, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Host ")
	if !ok {
		return nil, nil
	}
	return &auth.Principal{Kind: auth.KindUser, Issuer: "https://host.example.com", Subject: name, Email: name + "@example.com", Name: name}, nil
}

// caller is somebody who makes requests.
type caller struct {
	w      *world
	header http.Header
}

func (w *world) as(name string) *caller {
	return &caller{w: w, header: http.Header{"Authorization": {"Host " + name}}}
}

func (w *world) bearer(token string) *caller {
	return &caller{w: w, header: http.Header{"Authorization": {"Bearer " + token}}}
}

func (w *world) anonymous() *caller { return &caller{w: w, header: http.Header{}} }

// with is the caller with one more header.
func (c *caller) with(name, value string) *caller {
	h := c.header.Clone()
	h.Set(name, value)
	return &caller{w: c.w, header: h}
}

// answer is a reply as a client sees it.
type answer struct {
	t      *testing.T
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// call makes a request below /api/v1; a body that is not a string becomes JSON.
// Every reply is held against the OpenAPI document.
func (c *caller) call(method, path string, body any) *answer {
	c.w.t.Helper()
	return c.request(method, c.w.cfg.BasePath+apiPrefix+path, body)
}

func (c *caller) request(method, url string, body any) *answer {
	t := c.w.t
	t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		must(t, err)
		content = strings.NewReader(string(text))
	}
	r := httptest.NewRequestWithContext(t.Context(), method, url, content)
	for name, values := range c.header {
		r.Header[name] = values
	}
	if content != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	c.w.api.ServeHTTP(rec, r)
	a := &answer{t: t, what: method + " " + url, Status: rec.Code, Header: rec.Result().Header, Body: rec.Body.Bytes()}
	c.w.checkReply(r, a)
	return a
}

// want fails unless the status is the expected one.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.Status, status, a.Body)
	}
	return a
}

func (a *answer) into(v any) *answer {
	a.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.Body)
	}
	return a
}

func (a *answer) problem() Problem {
	a.t.Helper()
	var p Problem
	a.into(&p)
	return p
}

// field is a member of the JSON reply, by its path: "user.id".
func (a *answer) field(path string) any {
	a.t.Helper()
	var v any
	a.into(&v)
	for name := range strings.SplitSeq(path, ".") {
		members, ok := v.(map[string]any)
		if !ok {
			a.t.Fatalf("%s: no %s in %s", a.what, path, a.Body)
		}
		v = members[name]
	}
	return v
}

func (a *answer) text(path string) string {
	a.t.Helper()
	s, ok := a.field(path).(string)
	if !ok || s == "" {
		a.t.Fatalf("%s: %s is not text in %s", a.what, path, a.Body)
	}
	return s
}

// tenant makes a tenant of the caller and returns the path of its routes.
func (c *caller) tenant(name string) string {
	c.w.t.Helper()
	return "/tenants/" + c.call("POST", "/tenants", map[string]any{"name": name}).want(201).text("id")
}

var errSecretCause = errors.New("dial tcp 10.1.2.3:5432: hunter2")

// addMember lets somebody into a tenant as a host does, with the rights of one of its
// members: no route does that.
func (w *world) addMember(by *caller, tenant string, who *caller, roleID string) (userID string) {
	w.t.Helper()
	idOf := func(c *caller) string { return c.call("GET", "/auth/me", nil).want(200).text("user.id") }
	p, err := w.cfg.Auth.Principal(w.t.Context(), strings.TrimPrefix(tenant, "/tenants/"), idOf(by))
	must(w.t, err)
	m, err := w.cfg.Tenancy.AddMember(auth.NewContext(w.t.Context(), p), tenancy.NewMember{UserID: idOf(who), RoleIDs: []string{roleID}})
	must(w.t, err)
	return m.UserID
}
