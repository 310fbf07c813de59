package jetadmin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
)

// H1: every route, called by everybody who must not, answers as its declaration
// says, tells nothing, and changes nothing. Routes come from the App and the
// parameters of their paths from the world below, so that a new route is either
// covered or fails here.
func TestEveryRouteRefusesWhoeverMayNot(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		actors, aboutObjects := w.actors(), 0
		for _, op := range w.app.Operations() {
			w.refuses(op, actors)
			if w.object(op) != "" {
				aboutObjects++
			}
		}
		if aboutObjects < 40 {
			t.Errorf("only %d operations are about a single object", aboutObjects)
		}
		w.refusalsAreRecorded()
	})
}

// refuses calls an operation as everybody, and looks at what that has changed.
func (w *world) refuses(op api.Operation, actors []actor) {
	w.t.Helper()
	w.prepare(op)
	before := w.tables()
	refused := 0
	for _, a := range actors {
		refused += w.tryAll(op, a)
	}
	if op.Access != api.Public && refused < 5 {
		w.report.Errorf("%s: refused %d callers only", op.ID, refused)
	}
	w.compare(op, before, w.tables())
}

// The other side of H1: the owner is refused nowhere, and is understood when he
// sends what the documentation shows.
func TestNoRouteRefusesTheOwner(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		operations := w.app.Operations()
		slices.SortStableFunc(operations, func(a, b api.Operation) int { return rank(a) - rank(b) })
		owner := w.signedIn(w.app.Owner)
		for _, op := range operations {
			who := owner
			if (op.Access == api.Public || op.Access == api.Anyone) && op.Method != http.MethodGet {
				continue // these need no caller but a secret
			}
			if op.Access == api.SignedIn && op.Method != http.MethodGet {
				who = w.signedIn(w.app.Owner) // it may end the session
			}
			w.renewLink(owner, op)
			path, _ := w.path(op, w.app.Tenant.ID, "")
			for _, accept := range accepts(op) {
				got := who.accepting(accept).request(op.Method, path, w.body(op))
				switch got.Status {
				case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
					t.Errorf("%s: the owner got %d: %s", op.ID, got.Status, got.Body)
				case http.StatusUnprocessableEntity:
					if op.Example != nil {
						t.Errorf("%s: the example of the documentation got %s", op.ID, got.Body)
					}
				}
				if got.Status >= 500 {
					t.Errorf("%s: the owner got %d: %s", op.ID, got.Status, got.Body)
				}
			}
		}
	})
}

// accepts are the media types that an operation answers with, by handlers of their
// own; "" = what the caller takes anyhow.
func accepts(op api.Operation) []string {
	if op.Streamed {
		return []string{"", "text/csv", "application/x-ndjson"}
	}
	return []string{""}
}

// accepting is the caller with a media type; "" = none.
func (c *caller) accepting(media string) *caller {
	if media == "" {
		return c
	}
	return c.with("Accept", media)
}

// rank puts what removes things behind what needs them.
func rank(op api.Operation) int {
	if op.ID == "deleteTenant" { // takes everything with it
		return len(http.MethodDelete)
	}
	return slices.Index([]string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodPost, http.MethodDelete}, op.Method)
}

// canary begins every name that a refusal must not tell.
const canary = "canary-"

// world is an App with two tenants; the objects that paths name are in the first.
type world struct {
	t       *testing.T
	report  testdb.Reporter // of what the matrix finds: t, unless the matrix itself is tested
	app     *jetadmintest.App
	db      *store.DB
	anybody *caller
	places  map[string]place // by the name of the parameter behind the segment before it
	values  map[string]any   // of members of bodies, by their names
	public  map[string]int   // what public operations answer nobody
	almost  string           // id of the role that lacks one permission
	butOne  string           // id of the role that lacks it on one object
	onlyOne string           // id of the role that has it on another object
	issuer  *oidctest.Server
	links   chan auth.PasswordReset // that accounts were sent
}

// place is what can stand for a parameter of a path.
type place struct{ existing, missing string }

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	cfg := quiet(t)
	w := emptyWorld(t, db, cfg)
	w.fill(cfg)
	return w
}

// emptyWorld has a tenant and its owner in it.
func emptyWorld(t *testing.T, db *store.DB, cfg jetadmin.Config) *world {
	t.Helper()
	cfg.DB, cfg.Schema = db.DB.DB, ""
	if db.Dialect == store.PostgreSQL {
		cfg.Schema = db.Schema()
	}
	// What is there only when the host wants it is wanted here.
	issuer := oidctest.Start(t, nil)
	cfg.PublicURL, cfg.ResetURL = "https://tools.example.com", "https://tools.example.com/new-password"
	cfg.Egress.AllowHosts = []string{strings.TrimPrefix(issuer.URL, "http://")}
	cfg.Authenticators = []auth.Authenticator{auth.OIDC(auth.OIDCConfig{
		ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Issuer: issuer.URL, Name: "test",
	})}
	links := make(chan auth.PasswordReset, 100)
	cfg.Hooks.Auth.SendPasswordReset = func(_ context.Context, link auth.PasswordReset) error {
		links <- link
		return nil
	}
	cfg.Hooks.Tenancy.BeforeAccept = func(context.Context, tenancy.Accepting) error { return nil }
	issuer.Register(cfg.PublicURL + "/api/v1/auth/oidc/test/callback")
	app := jetadmintest.Start(t, cfg)
	return &world{t: t, report: t, app: app, db: db, anybody: reach(t, app), public: map[string]int{}, issuer: issuer, links: links}
}

func (w *world) fill(cfg jetadmin.Config) {
	t, app := w.t, w.app
	// Old runs have just been looked for: no process does so, and notes it, meanwhile.
	_, err := w.db.NewRaw("INSERT INTO ?schema.jet_duty (name, next_at) VALUES ('retention', ?)", time.Now().UTC().Add(24*time.Hour)).Exec(t.Context())
	must(t, err)
	owner := w.signedIn(app.Owner)
	T := "/tenants/" + app.Tenant.ID
	makeShop(t, cfg.DataDir, app.Tenant.ID)
	made := func(path string, body object) string {
		t.Helper()
		return owner.call("POST", T+path, body).want(http.StatusCreated).text("id")
	}
	owner.call("PATCH", T, object{"name": canary + "tenant"}).want(http.StatusOK)
	role := made("/roles", object{"name": canary + "role", "permissions": []string{"query.list"}})
	w.almost = made("/roles", object{"name": "almost everything", "permissions": []string{"*"}})
	w.butOne = made("/roles", object{"name": "everything but one", "permissions": []string{"*"}})
	w.onlyOne = made("/roles", object{"name": "another one", "permissions": []string{}})
	made("/roles", object{"name": "nothing", "permissions": []string{}})
	member := app.Member(canary + "role")
	newcomer, err := app.Auth().CreateUser(t.Context(), auth.NewUser{Email: "newcomer@example.com", Name: canary + "user", Password: "four random words here"})
	must(t, err)
	key := made("/apikeys", object{"name": canary + "key", "scopes": []string{"*"}})
	source := made("/datasources", object{"name": canary + "datasource", "type": "sqlite", "settings": object{"file": "shop.db"}})
	query := made("/queries", object{"name": canary + "query", "datasourceId": source, "operation": object{"text": "SELECT id FROM orders WHERE country = {{ country }}"},
		"params": []object{{"name": "country", "type": "string"}}})
	flow := made("/workflows", object{"name": canary + "workflow", "draft": object{
		"nodes": []object{{"key": "start", "type": "start"}, {"key": "query", "type": "query", "config": object{"queryId": query}}},
		"edges": []object{{"from": "start", "to": "query"}},
	}})
	owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
	run := owner.call("POST", T+"/workflows/"+flow+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
	execution := owner.call("POST", T+"/queries/"+query+"/run", nil).want(http.StatusOK).text("executionId")
	// What has run is stored by now: no process does so, in its own time, meanwhile.
	owner.call("GET", T+"/executions", nil).want(http.StatusOK)
	invitation := made("/invitations", object{"email": canary + "invited@example.com", "roleIds": []string{role}})
	schedule := made("/schedules", object{"workflowId": flow, "name": canary + "schedule", "expression": "@yearly"})
	hook := owner.call("POST", T+"/webhooks", object{"workflowId": flow, "name": canary + "webhook"}).want(http.StatusCreated)
	hookPath := hook.text("path")

	asking := made("/workflows", object{"name": canary + "asking", "draft": object{
		"nodes": []object{{"key": "start", "type": "start"}, {"key": "ask", "type": "approval", "config": object{"title": canary + "question", "allowStarter": true}}},
		"edges": []object{{"from": "start", "to": "ask"}},
	}})
	owner.call("POST", T+"/workflows/"+asking+"/publish", nil).want(http.StatusCreated)
	owner.call("POST", T+"/workflows/"+asking+"/runs", nil).want(http.StatusAccepted)
	wait := w.openWait(owner)

	file, err := app.Files().Create(app.Owner.Context(t.Context()), upload.NewFile{Name: canary + "file", Content: strings.NewReader("a,b\n1,2\n")})
	must(t, err)

	w.signedIn(app.Owner)
	var sessions struct{ Items []struct{ ID string } }
	owner.call("GET", "/auth/sessions", nil).want(http.StatusOK).into(&sessions) // newest first

	w.places = map[string]place{
		"tenants/tenantId": {app.Tenant.ID, id.New()},
		"roles/id":         {role, id.New()},
		"invitations/id":   {invitation, id.New()},
		"members/userId":   {member.User.ID, id.New()},
		"apikeys/id":       {key, id.New()},
		"datasources/id":   {source, id.New()},
		"files/id":         {file.ID, id.New()},
		"queries/id":       {query, id.New()},
		"executions/id":    {execution, id.New()},
		"workflows/id":     {flow, id.New()},
		"versions/number":  {"1", "7"},
		"runs/id":          {run, id.New()},
		"nodes/key":        {"query", "nobody"},
		"schedules/id":     {schedule, id.New()},
		"webhooks/id":      {hook.text("id"), id.New()},
		"hooks/id":         {hookPath[strings.LastIndex(hookPath, "/")+1:], "nothing-that-anybody-could-guess"},
		"waits/id":         {wait, id.New()},
		"widget-links/id":  {w.linkTo(owner, run), id.New()},
		"oidc/provider":    {"test", "nobody"},
		"sessions/id":      {sessions.Items[0].ID, id.New()},
	}
	w.values = map[string]any{
		"datasourceId": source,
		"roleIds":      []string{role},
		"settings":     object{"file": "shop.db"},
		"subject":      object{"kind": "role", "id": role},
		"secrets":      object{},
		"userId":       newcomer.ID,
		"workflowId":   flow,
	}
}

// renewLink makes the link that a path needs: a refresh and a disconnect end theirs.
func (w *world) renewLink(owner *caller, op api.Operation) {
	w.t.Helper()
	if strings.Contains(op.Path, "/widget-links/{id}") {
		w.places["widget-links/id"] = place{w.linkTo(owner, w.places["runs/id"].existing), id.New()}
	}
}

// linkTo connects a widget with a run.
func (w *world) linkTo(owner *caller, run string) string {
	w.t.Helper()
	return owner.call("POST", "/tenants/"+w.app.Tenant.ID+"/widget-links", object{"widget": canary + "widget", "mode": "subscribe", "runId": run}).
		want(http.StatusCreated).text("id")
}

// openWait is the id of the wait that a run has come to.
func (w *world) openWait(owner *caller) string {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		var waits struct{ Items []struct{ ID string } }
		owner.call("GET", "/tenants/"+w.app.Tenant.ID+"/waits?mine=true", nil).want(http.StatusOK).into(&waits)
		if len(waits.Items) > 0 {
			return waits.Items[0].ID
		}
	}
	w.t.Fatal("the run never asked")
	return ""
}

func (w *world) signedIn(m jetadmintest.Member) *caller {
	w.t.Helper()
	login, err := w.app.Auth().Login(w.t.Context(), auth.Credentials{Email: m.User.Email, Password: m.Password})
	must(w.t, err)
	return w.anybody.bearer(login.Token)
}

// parameter is a segment of a path that stands for something, with the segment
// before it.
var parameter = regexp.MustCompile(`([^/]+)/\{(\w+)\}`)

// path fills in the parameters of a route, the one named missing (if any) with
// what is not there. It also returns the names of all but the tenant's.
func (w *world) path(op api.Operation, tenantID, missing string) (path string, names []string) {
	w.t.Helper()
	path = parameter.ReplaceAllStringFunc(op.URLPath(), func(match string) string {
		parts := parameter.FindStringSubmatch(match)
		name := parts[1] + "/" + parts[2]
		p, ok := w.places[name]
		switch {
		case !ok:
			w.t.Fatalf("%s: nothing in the world of this test is called %q: add it to fill", op.ID, name)
		case parts[2] == "tenantId":
			return parts[1] + "/" + tenantID
		}
		names = append(names, name)
		if name == missing {
			return parts[1] + "/" + p.missing
		}
		return parts[1] + "/" + p.existing
	})
	if strings.ContainsAny(path, "{}") {
		w.t.Fatalf("%s: the path %s still has a parameter", op.ID, path)
	}
	return path, names
}

// body is the example of the documentation with the objects of this world in it.
func (w *world) body(op api.Operation) any {
	w.t.Helper()
	if op.ID == "changePassword" { // the documentation shows no passwords
		return object{"old": "four random words here", "new": "four other random words"}
	}
	if op.Example == nil {
		if op.Method == http.MethodGet || op.Method == http.MethodDelete {
			return nil
		}
		return object{}
	}
	text, err := json.Marshal(op.Example)
	must(w.t, err)
	var body object
	must(w.t, json.Unmarshal(text, &body))
	for name := range body {
		value, known := w.values[name]
		switch {
		case op.ID == "deleteTenant":
			tenant, err := w.app.Tenants().Get(w.app.Owner.Context(w.t.Context()))
			must(w.t, err)
			body[name] = tenant.Name
		case name == "email": // a new one each time, for each may be tried a few times only
			body[name] = id.New() + "@example.com"
		case name == "type" && body["settings"] != nil:
			body[name] = "sqlite"
		case known:
			body[name] = value
		}
	}
	return body
}

// actor is somebody who must be refused.
type actor struct {
	name   string
	caller func(op api.Operation) *caller
	tenant string // the one in the path
	// expects is the status that the declaration of an operation gives him; 0 = he
	// may call it.
	expects func(op api.Operation) int
	// knows says that he may know what is there: he is not tried with what is not.
	knows bool
}

// below is what to expect of who is refused with the status below a tenant.
// Elsewhere everybody has things of his own, and those of others are not there.
func below(status int) func(api.Operation) int {
	return func(op api.Operation) int {
		if op.Access == api.InTenant {
			return status
		}
		return ownThings(op)
	}
}

// ownThings is what to expect of who may do everything with his own things, and
// names those of others.
func ownThings(op api.Operation) int {
	if op.Access == api.Anyone || strings.Count(op.Path, "{") > strings.Count(op.Path, "{tenantId}") {
		return http.StatusNotFound // a secret that is made up stands for nothing
	}
	return 0
}

func (w *world) actors() []actor {
	t, app := w.t, w.app
	somebody := func(name string, c *caller, expects func(api.Operation) int) actor {
		return actor{name: name, caller: func(api.Operation) *caller { return c }, tenant: app.Tenant.ID, expects: expects}
	}
	nobody := func(name string, c *caller) actor {
		return somebody(name, c, func(api.Operation) int { return http.StatusUnauthorized })
	}
	foreign, foreignOwner, foreignKey := w.foreign()

	revoked := w.signedIn(app.Owner)
	revoked.call("POST", "/auth/logout", nil).want(http.StatusNoContent)
	disabled := app.Member(rbac.Owner)
	disabledSession, disabledKey := w.signedIn(disabled), w.keyOf(disabled, "*")
	must(t, app.Auth().SetDisabled(t.Context(), disabled.User.ID, true))
	left := app.Member(rbac.Owner)
	leftSession, leftKey := w.signedIn(left), w.keyOf(left, "*")
	must(t, app.Tenants().RemoveMember(app.Owner.Context(t.Context()), left.User.ID))

	viewer := app.Member(rbac.Viewer)
	mayView, err := app.Roles().Effective(viewer.Context(t.Context()))
	must(t, err)
	limited := map[auth.Permission]*caller{"": w.keyOf(app.Owner, auth.TenantRead)}
	for _, p := range auth.Permissions() {
		limited[p] = w.keyOf(app.Owner, allBut(p)...)
	}
	aKey := func(status int) func(api.Operation) int {
		return func(op api.Operation) int {
			if op.Access == api.InTenant {
				return status
			}
			return noPerson(op)
		}
	}
	onAnObject := func(op api.Operation) int {
		if w.object(op) == "" {
			return 0
		}
		return http.StatusForbidden
	}
	butThisOne := somebody("a member who is denied this object alone", w.signedIn(app.Member("everything but one")), onAnObject)
	butThisOne.knows = true
	return []actor{
		somebody("anonymous", w.anybody, func(op api.Operation) int {
			if op.Access == api.Anyone {
				return http.StatusNotFound
			}
			return http.StatusUnauthorized
		}),
		nobody("a made-up session", w.anybody.bearer("jas_"+strings.Repeat("a", 43))),
		nobody("a revoked session", revoked),
		nobody("a disabled user", disabledSession),
		nobody("the key of a disabled user", disabledKey),
		nobody("an expired key", w.expiredKey()),
		nobody("a revoked key", w.revokedKey()),
		nobody("the key of a member who left", leftKey),
		somebody("a member who left", leftSession, below(http.StatusNotFound)),
		somebody("the owner of another tenant", foreignOwner, below(http.StatusNotFound)),
		somebody("a key of another tenant", foreignKey, aKey(http.StatusNotFound)),
		somebody("a member without any right", w.signedIn(app.Member("nothing")), below(http.StatusForbidden)),
		somebody("a member with every other right", w.signedIn(app.Member("almost everything")), below(http.StatusForbidden)),
		somebody("a viewer", w.signedIn(viewer), func(op api.Operation) int {
			if slices.Contains(mayView, op.Permission) {
				return 0
			}
			return below(http.StatusForbidden)(op)
		}),
		{name: "a key whose scopes lack it", caller: func(op api.Operation) *caller { return limited[op.Permission] }, tenant: app.Tenant.ID, expects: aKey(http.StatusForbidden)},
		// T14: a right on one object is none on another. T9: a denial is one on every way to its object.
		somebody("a member who has it on another object", w.signedIn(app.Member("another one")), onAnObject),
		butThisOne,
		// T1: the ids of the first tenant mean nothing in the second.
		{name: "the owner of another tenant, at home", caller: func(api.Operation) *caller { return foreignOwner }, tenant: foreign, expects: ownThings},
	}
}

// noPerson is what to expect outside of tenants of a key, which is no person: it
// reads who it is, which tenant it is of, and what there is to call.
func noPerson(op api.Operation) int {
	switch {
	case slices.Contains([]string{"getMe", "getOpenAPI", "listTenants"}, op.ID):
		return 0
	case op.Access == api.Anyone: // an address has few attempts, which the others need; see TestT37_AnInvitationIsAcceptedOnce
		return 0
	}
	return http.StatusForbidden
}

// object is what a grant or a denial of an operation's permission can be about: the
// first that its path names. It is "" when there is none, or it is not asked for.
func (w *world) object(op api.Operation) string {
	w.t.Helper()
	about := slices.ContainsFunc(w.app.Roles().Catalogue(), func(p rbac.PermissionInfo) bool { return p.Permission == op.Permission && p.Objects })
	_, names := w.path(op, w.app.Tenant.ID, "")
	switch {
	case !about || len(names) == 0, names[0] == "widget-links/id": // which is its maker's alone
		return ""
	case names[0] == "executions/id":
		return w.places["queries/id"].existing
	}
	return w.places[names[0]].existing
}

func allBut(p auth.Permission) []auth.Permission {
	return slices.DeleteFunc(auth.Permissions(), func(q auth.Permission) bool { return q == p })
}

// tryAll calls an operation as an actor, with what is there and with what is
// not, and counts the refusals.
func (w *world) tryAll(op api.Operation, a actor) (refused int) {
	t := w.t
	t.Helper()
	if op.Access == api.Public {
		w.tryPublic(op, a)
		return 0
	}
	want := a.expects(op)
	if want == 0 {
		return 0
	}
	path, names := w.path(op, a.tenant, "")
	first := w.try(op, a, path, "", want)
	for _, accept := range accepts(op)[1:] {
		if again := w.try(op, a, path, accept, want); !bytes.Equal(first, again) {
			w.report.Errorf("%s as %s: the refusal is\n%s, as %s\n%s", op.ID, a.name, first, accept, again)
		}
	}
	if a.knows {
		return 1
	}
	for _, name := range names {
		path, _ := w.path(op, a.tenant, name)
		if again := w.try(op, a, path, "", want); !bytes.Equal(first, again) {
			w.report.Errorf("%s as %s: what is there gets\n%s, what is not there\n%s", op.ID, a.name, first, again)
		}
	}
	if op.Access == api.InTenant && want != http.StatusForbidden && a.tenant == w.app.Tenant.ID {
		path, _ := w.path(op, w.places["tenants/tenantId"].missing, "")
		if again := w.try(op, a, path, "", want); !bytes.Equal(first, again) {
			w.report.Errorf("%s as %s: a tenant that is there gets\n%s, one that is not\n%s", op.ID, a.name, first, again)
		}
	}
	return 1
}

// try returns the body without the id of the request.
func (w *world) try(op api.Operation, a actor, path, accept string, want int) []byte {
	t := w.t
	t.Helper()
	got := a.caller(op).accepting(accept).request(op.Method, path, w.body(op))
	if got.Status != want {
		w.report.Errorf("%s as %s: %s %s: status %d, want %d: %s", op.ID, a.name, op.Method, path, got.Status, want, got.Body)
		return nil
	}
	if media := got.Header.Get("Content-Type"); media != "application/problem+json" {
		w.report.Errorf("%s as %s: the refusal is %q", op.ID, a.name, media)
	}
	var p map[string]any
	got.into(&p)
	delete(p, "requestId")
	body, err := json.Marshal(p)
	must(t, err)
	for _, secret := range w.secrets() {
		if bytes.Contains(body, []byte(secret)) {
			w.report.Errorf("%s as %s: the refusal tells %q: %s", op.ID, a.name, secret, body)
		}
	}
	return body
}

// secrets are what a refusal must not tell: names, and ids of what is there.
func (w *world) secrets() []string {
	list := []string{canary, w.app.Tenant.ID}
	for _, p := range w.places {
		if len(p.existing) == 36 {
			list = append(list, p.existing)
		}
	}
	return list
}

// tryPublic makes sure that a public operation looks at no credential: everybody
// gets what the first actor got, who has none.
func (w *world) tryPublic(op api.Operation, a actor) {
	w.t.Helper()
	path, _ := w.path(op, a.tenant, "")
	got := a.caller(op).request(op.Method, path, w.body(op)).Status
	nobody, known := w.public[op.ID]
	switch {
	case !known:
		w.public[op.ID] = got
	case nobody == http.StatusUpgradeRequired: // a socket asks for the credential by itself, and may refuse it
	case got != nobody:
		w.report.Errorf("%s as %s: status %d, as nobody %d", op.ID, a.name, got, nobody)
	}
}

// prepare takes from one role exactly the right that the operation asks for, from
// another that on the object in question, and gives it to a third on another object.
func (w *world) prepare(op api.Operation) {
	w.t.Helper()
	if op.Permission == "" {
		return
	}
	_, err := w.app.Roles().UpdateRole(w.app.Owner.Context(w.t.Context()), w.almost, rbac.RoleUpdate{
		Permissions: allBut(op.Permission),
	})
	must(w.t, err)
	about := w.object(op)
	if about == "" {
		return
	}
	for role, g := range map[string]rbac.NewGrant{
		w.butOne:  {Permission: op.Permission, ObjectID: about, Effect: rbac.Deny},
		w.onlyOne: {Permission: op.Permission, ObjectID: id.New(), Effect: rbac.Allow},
	} {
		_, err := w.app.Roles().SetRoleGrants(w.app.Owner.Context(w.t.Context()), role, rbac.GrantsUpdate{Grants: []rbac.NewGrant{g}})
		must(w.t, err)
	}
}

// foreign makes another tenant, with its owner and a key of it.
func (w *world) foreign() (tenantID string, owner, key *caller) {
	w.t.Helper()
	password := "four random words here"
	user, err := w.app.Auth().CreateUser(w.t.Context(), auth.NewUser{Email: "foreign@example.com", Name: "Foreign", Password: password})
	must(w.t, err)
	owner = w.signedIn(jetadmintest.Member{User: user, Password: password})
	tenantID = owner.call("POST", "/tenants", object{"name": "Foreign"}).want(http.StatusCreated).text("id")
	made := owner.call("POST", "/tenants/"+tenantID+"/apikeys", object{"name": "foreign", "scopes": []string{"*"}}).want(http.StatusCreated)
	return tenantID, owner, w.anybody.bearer(made.text("key"))
}

func (w *world) keyOf(m jetadmintest.Member, scopes ...auth.Permission) *caller {
	w.t.Helper()
	_, key := w.newKey(m, scopes...)
	return key
}

func (w *world) newKey(m jetadmintest.Member, scopes ...auth.Permission) (keyID string, c *caller) {
	w.t.Helper()
	key, secret, err := w.app.Auth().CreateKey(m.Context(w.t.Context()), auth.NewKey{Name: id.New(), Scopes: scopes})
	must(w.t, err)
	return key.ID, w.anybody.bearer(secret)
}

func (w *world) revokedKey() *caller {
	w.t.Helper()
	keyID, c := w.newKey(w.app.Owner, "*")
	must(w.t, w.app.Auth().RevokeKey(w.app.Owner.Context(w.t.Context()), keyID))
	return c
}

// expiredKey was good until a minute ago.
func (w *world) expiredKey() *caller {
	w.t.Helper()
	keyID, c := w.newKey(w.app.Owner, "*")
	_, err := w.db.NewRaw("UPDATE ?schema.jet_api_key SET expires_at = ? WHERE tenant_id = ? AND id = ?",
		time.Now().UTC().Add(-time.Minute), w.app.Tenant.ID, keyID).Exec(w.t.Context())
	must(w.t, err)
	return c
}

// unsteady are the columns that time or a mere look changes.
// Refusals are recorded in the background, behind which the chain goes on: the
// events of changes are compared in full, see rows.
var unsteady = []string{
	"jet_api_key.last_used_at", "jet_session.last_seen_at", "jet_worker.expires_at", "jet_audit_head.seq", "jet_audit_head.hash",
}

// tables are the rows of all tables.
func (w *world) tables() map[string][]string {
	w.t.Helper()
	names := w.tableNames()
	content := map[string][]string{}
	for _, name := range names {
		content[name] = w.rows(name)
	}
	if len(content["jet_query"]) == 0 || len(content["jet_audit"]) == 0 {
		w.t.Fatalf("the tables are not read: %v", names)
	}
	return content
}

func (w *world) tableNames() (names []string) {
	w.t.Helper()
	list := "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = '" + w.db.Schema() + "'"
	if w.db.Dialect == store.SQLite {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	must(w.t, w.db.NewRaw(list).Scan(w.t.Context(), &names))
	return names
}

// refusalsAreRecorded looks for an event of each permission that was lacking.
func (w *world) refusalsAreRecorded() {
	w.t.Helper()
	ctx := w.app.Owner.Context(w.t.Context())
	attempted := map[auth.Permission]bool{}
	// What is beyond the limit of a minute is in the event of the others.
	err := w.app.Audit().Export(ctx, audit.Filter{Action: audit.Denied}, func(e audit.Event) error {
		var detail struct{ Attempted auth.Permission }
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			return err
		}
		attempted[detail.Attempted] = true
		return nil
	})
	must(w.t, err)
	if len(attempted) < 2 {
		w.t.Errorf("refusals are recorded of %v only", attempted)
	}
	if v, err := w.app.Audit().Verify(ctx); err != nil || !v.Valid {
		w.t.Errorf("the record after all refusals: %+v %v", v, err)
	}
}

func (w *world) rows(table string) []string {
	w.t.Helper()
	rows, err := w.db.QueryContext(w.t.Context(), "/* across tenants: the test reads all */ SELECT * FROM ?schema."+table)
	must(w.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(w.t, err)
	var all []string
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		must(w.t, rows.Scan(targets...))
		var line strings.Builder
		for i, column := range columns {
			if !slices.Contains(unsteady, table+"."+column) {
				fmt.Fprintf(&line, "%s=%q ", column, fmt.Sprint(values[i]))
			}
		}
		if table == "jet_audit" && strings.Contains(line.String(), fmt.Sprintf("action=%q ", audit.Denied)) {
			continue
		}
		all = append(all, line.String())
	}
	must(w.t, rows.Err())
	slices.Sort(all)
	return all
}

func (w *world) compare(op api.Operation, before, after map[string][]string) {
	w.t.Helper()
	for table := range after {
		if !slices.Equal(before[table], after[table]) {
			w.report.Errorf("%s: somebody who was refused has changed %s:\n%v\n%v", op.ID, table, before[table], after[table])
		}
	}
}
