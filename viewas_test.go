package jetadmin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

const viewAs = "Jetadmin-View-As"

// code is that of a problem.
func (r *reply) code() string {
	r.t.Helper()
	var p struct{ Code, Remedy string }
	r.into(&p)
	if p.Remedy == "" && strings.HasPrefix(p.Code, "view_as") {
		r.t.Errorf("%s: %s says nothing to do about it", r.what, p.Code)
	}
	return p.Code
}

// An administrator sees what a member, or whoever has a role, sees: lists, objects, and
// what he may not see himself neither.
func TestViewAsShowsWhatIsSeen(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		role, _ := s.role("Clerk", []string{"query.list", "workflow.list"}, denies("query.read", s.queries[1]), allows("query.execute", s.queries[0]), allows("run.read", s.flows[0]))
		member := s.app.Member("Clerk").User.ID
		support, supporter := s.role("Support", []string{"member.impersonate", "role.read", "query.*", "run.*"}, denies("query.read", s.queries[0]))
		for _, header := range []string{"user:" + member, "role:" + role} {
			c := s.owner.with(viewAs, header)
			s.lists(c, "/queries", s.queries[0])
			s.lists(c, "/workflows", s.flows[0], s.flows[1])
			s.lists(c, "/runs", s.theRuns[0])
			c.call("GET", s.tenant+"/runs/"+s.theRuns[0], nil).want(http.StatusOK)
			c.call("GET", s.tenant+"/runs/"+s.theRuns[1], nil).want(http.StatusForbidden)
			c.call("GET", s.tenant+"/queries/"+s.queries[1], nil).want(http.StatusForbidden)
			c.call("HEAD", s.tenant+"/queries", nil).want(http.StatusOK)
			for _, path := range []string{"/datasources", "/members", "/roles", "/audit", "/apikeys", "/executions"} {
				if code := c.call("GET", s.tenant+path, nil).want(http.StatusForbidden).code(); code != "permission_required" {
					t.Errorf("%s, %s: %s", header, path, code)
				}
			}
			for _, accept := range []string{"application/json", "text/csv", "application/x-ndjson"} {
				c.with("Accept", accept).call("POST", s.tenant+"/queries/"+s.queries[0]+"/run", nil).want(http.StatusOK)
				c.with("Accept", accept).call("POST", s.tenant+"/queries/"+s.queries[1]+"/run", nil).want(http.StatusForbidden)
			}
			s.lists(supporter.with(viewAs, header), "/queries")
			s.lists(supporter.with(viewAs, header), "/runs", s.theRuns[0])
		}
		s.lists(supporter.with(viewAs, "user:"+s.app.Owner.User.ID), "/queries", s.queries[1])
		supporter.with(viewAs, "role:"+support).call("GET", s.tenant+"/datasources", nil).want(http.StatusForbidden)
		s.lists(s.owner, "/queries", s.queries[0], s.queries[1])
		// What one has read is no answer for the other.
		keyed, path := s.owner.with("Idempotency-Key", "k"), s.tenant+"/queries/"+s.queries[1]+"/run"
		keyed.call("POST", path, nil).want(http.StatusOK)
		keyed.with(viewAs, "role:"+role).call("POST", path, nil).want(http.StatusForbidden)
	})
}

// T89 over HTTP: row rules and masks hold as for the member, and trusted values are his.
func TestT89_ViewAsShowsTheRowsOfBoth(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		role, clerk := s.role("Clerk", []string{"query.execute"})
		member := s.app.Member("Clerk")
		ruled := s.tenant + "/queries/" + s.made("/queries", object{
			"name": "ruled", "datasourceId": s.sources[0], "operation": object{"text": "SELECT id, country, total FROM orders ORDER BY id"}, "cacheTtlMs": 60_000,
			"rules": []object{
				{"roles": []string{role}, "filter": "row.country == 'FR'", "mask": []object{{"column": "total", "as": "null"}}},
				{"roles": []string{"owner"}, "filter": "true"},
			},
		}) + "/run"
		mine := s.tenant + "/queries/" + s.made("/queries", object{"name": "mine", "datasourceId": s.sources[0], "operation": object{"text": "SELECT {{ user.id }} AS who"}}) + "/run"
		rows := func(c *caller, path string) string {
			t.Helper()
			var got struct{ Rows json.RawMessage }
			c.call("POST", path, nil).want(http.StatusOK).into(&got)
			return string(got.Rows)
		}
		whole, part := rows(s.owner, ruled), rows(clerk, ruled)
		if whole == part || strings.Contains(part, "DE") {
			t.Fatalf("the clerk sees %s of %s", part, whole)
		}
		for _, header := range []string{"user:" + member.User.ID, "role:" + role} {
			if got := rows(s.owner.with(viewAs, header), ruled); got != part {
				t.Errorf("%s: %s, want %s", header, got, part)
			}
			got := string(s.owner.with(viewAs, header).with("Accept", "text/csv").call("POST", ruled, nil).want(http.StatusOK).Body)
			if strings.Contains(got, "DE") || !strings.Contains(got, "FR") {
				t.Errorf("%s: a stream of %s", header, got)
			}
		}
		if got := rows(s.owner, ruled); got != whole {
			t.Errorf("the owner sees %s then", got)
		}
		if got := rows(s.owner.with(viewAs, "user:"+member.User.ID), mine); !strings.Contains(got, member.User.ID) {
			t.Errorf("user.id is %s", got)
		}
		if got := rows(s.owner.with(viewAs, "role:"+role), mine); !strings.Contains(got, s.app.Owner.User.ID) {
			t.Errorf("user.id of a role is %s", got)
		}
	})
}

// Nothing is changed in a view, though caller and member may do everything: each
// operation that does more than to read refuses, and outside of tenants there is no view.
func TestViewAsChangesNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner := w.signedIn(w.app.Owner).with(viewAs, "user:"+w.app.Owner.User.ID)
		before := w.tables()
		var reads []api.Operation
		var unread []string
		for _, op := range w.app.Operations() {
			path, _ := w.path(op, w.app.Tenant.ID, "")
			if op.Access == api.InTenant && rbac.Reads(op.Permission) && (op.Method == http.MethodGet || op.Reads) {
				reads = append(reads, op)
				continue
			}
			if op.Access == api.InTenant && op.Method == http.MethodGet {
				unread = append(unread, op.ID)
			}
			status, code := http.StatusForbidden, "view_as_reads_only"
			if op.Access != api.InTenant {
				status, code = http.StatusUnprocessableEntity, "view_as_outside_tenant"
			}
			if got := owner.request(op.Method, path, w.body(op)); got.Status != status || got.code() != code {
				t.Errorf("%s: status %d, want %d %s: %s", op.ID, got.Status, status, code, got.Body)
			}
			w.compare(op, before, w.tables())
		}
		// What takes a right to act, and what takes everything along, is not shown in a view.
		if slices.Sort(unread); !slices.Equal(unread, []string{"exportTenant", "getWait", "listInvitations", "listWaits"}) {
			t.Errorf("there is no view of %v", unread)
		}
		if len(reads) < 40 {
			t.Errorf("only %d operations are seen in a view", len(reads))
		}
		for _, op := range reads {
			path, _ := w.path(op, w.app.Tenant.ID, "")
			if got := owner.request(op.Method, path, w.body(op)); got.Status != http.StatusOK {
				t.Errorf("%s: the owner as himself got %d: %s", op.ID, got.Status, got.Body)
			}
		}
		w.documentsViews(reads)
	})
}

// documentsViews compares the operations that take the header with those of the document.
func (w *world) documentsViews(reads []api.Operation) {
	w.t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
		}
	}
	w.signedIn(w.app.Owner).call("GET", "/openapi.json", nil).want(http.StatusOK).into(&doc)
	var documented []string
	for _, methods := range doc.Paths {
		for _, op := range methods {
			if slices.Contains(op.Parameters, struct{ Name, In string }{viewAs, "header"}) {
				documented = append(documented, op.OperationID)
			}
		}
	}
	var want []string
	for _, op := range reads {
		want = append(want, op.ID)
	}
	slices.Sort(documented)
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		w.t.Errorf("the document has the header for %v, want %v", documented, want)
	}
}

// In Go, too, who views changes nothing: also where less is asked than a right to change.
func TestAViewInGoChangesNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		app, owner := w.app, w.app.Owner.Context(t.Context())
		at := func(name string) string { return w.places[name].existing }
		ctx, err := app.Roles().ViewAs(owner, rbac.Subject{Kind: rbac.SubjectUser, ID: app.Owner.User.ID})
		must(t, err)
		before := w.tables()
		for name, change := range map[string]func() error{
			"connect": func() error {
				_, err := app.Workflows().Connect(ctx, workflow.NewWidgetLink{Widget: "w", Mode: workflow.LinkSubscribe, RunID: at("runs/id")})
				return err
			},
			"disconnect": func() error { return app.Workflows().Disconnect(ctx, at("widget-links/id")) },
			"refresh":    func() error { _, err := app.Workflows().Refresh(ctx, at("widget-links/id"), nil); return err },
			"start": func() error {
				_, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: at("workflows/id")})
				return err
			},
			"answer":        func() error { _, err := app.Workflows().Answer(ctx, at("waits/id"), workflow.Answer{}); return err },
			"stop":          func() error { return app.Datasources().StopExecution(ctx, at("executions/id")) },
			"query":         func() error { return app.Datasources().DeleteQuery(ctx, at("queries/id")) },
			"own account":   func() error { _, err := app.Auth().UpdateMe(ctx, auth.MeUpdate{Name: new("x")}); return err },
			"own sessions":  func() error { return app.Auth().RevokeSession(ctx, at("sessions/id")) },
			"tenant":        func() error { _, err := app.Tenants().Create(ctx, tenancy.NewTenant{Name: "x"}); return err },
			"remove member": func() error { return app.Tenants().RemoveMember(ctx, at("members/userId")) },
			"key": func() error {
				_, _, err := app.Auth().CreateKey(ctx, auth.NewKey{Name: "x", Scopes: []auth.Permission{"*"}})
				return err
			},
			"revoke key": func() error { return app.Auth().RevokeKey(ctx, at("apikeys/id")) },
			"role":       func() error { return app.Roles().DeleteRole(ctx, at("roles/id")) },
			"grants": func() error {
				_, err := app.Roles().SetRoleGrants(ctx, at("roles/id"), rbac.GrantsUpdate{})
				return err
			},
			"view elsewhere": func() error {
				_, err := app.Roles().ViewAs(ctx, rbac.Subject{Kind: rbac.SubjectRole, ID: at("roles/id")})
				return err
			},
			"file": func() error {
				_, err := app.Files().Create(ctx, upload.NewFile{Name: "x.csv", Content: strings.NewReader("a\n")})
				return err
			},
			"free text": func() error {
				_, err := app.Datasources().TestQuery(ctx, datasource.QueryTest{DatasourceID: at("datasources/id"), Operation: json.RawMessage(`{"text":"SELECT 1"}`)})
				return err
			},
			"export": func() error { return app.ExportTenant(ctx, func(jetadmin.ExportLine) error { return nil }) },
		} {
			if err := change(); problem.Of(err).Code != "view_as_reads_only" {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.compare(api.Operation{ID: "a view in Go"}, before, w.tables())
		fresh, err := app.Auth().Revalidate(ctx, auth.FromContext(ctx))
		if err != nil || fresh.Viewing() != "user:"+app.Owner.User.ID {
			t.Errorf("who is looked up again views %v (%v)", fresh, err)
		}
	})
}

// T1: nobody of another tenant is viewed, nor in another tenant.
func TestT1_ViewsStayInTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		foreignTenant, foreign, foreignKey := w.foreign()
		var theirs struct {
			Items []struct{ ID, UserID string }
		}
		foreign.call("GET", "/tenants/"+foreignTenant+"/members", nil).want(http.StatusOK).into(&theirs)
		stranger := theirs.Items[0].UserID
		foreign.call("GET", "/tenants/"+foreignTenant+"/roles", nil).want(http.StatusOK).into(&theirs)
		bodies := map[string][]byte{}
		for _, header := range []string{
			"user:" + stranger, "user:" + id.New(), "user:x", "user:" + strings.ToUpper(w.places["members/userId"].existing), "user:" + w.places["roles/id"].existing, "user: " + w.places["members/userId"].existing,
			"role:" + theirs.Items[0].ID, "role:" + id.New(), "role:owner", "role:" + strings.ToUpper(w.places["roles/id"].existing),
		} {
			got := owner.with(viewAs, header).call("GET", T+"/queries", nil).want(http.StatusNotFound)
			var p map[string]any
			got.into(&p)
			delete(p, "requestId")
			body, err := json.Marshal(p)
			must(t, err)
			if kind := header[:4]; bodies[kind] == nil {
				bodies[kind] = body
			} else if !bytes.Equal(bodies[kind], body) {
				t.Errorf("%s: %s, others get %s", header, body, bodies[kind])
			}
		}
		for _, c := range []*caller{foreign, foreignKey} {
			for _, header := range []string{"user:" + w.app.Owner.User.ID, "role:" + w.places["roles/id"].existing} {
				c.with(viewAs, header).call("GET", T+"/queries", nil).want(http.StatusNotFound)
				c.with(viewAs, header).call("GET", "/tenants/"+foreignTenant+"/queries", nil).want(http.StatusNotFound)
			}
		}
		for _, header := range []string{"", "x", "user", "user:", ":" + stranger, "apiKey:" + w.places["apikeys/id"].existing, "USER:" + w.app.Owner.User.ID, "service:x"} {
			if code := owner.with(viewAs, header).call("GET", T+"/queries", nil).want(http.StatusUnprocessableEntity).code(); code != "view_as_invalid" {
				t.Errorf("%q: %s", header, code)
			}
		}
		twice := owner.with(viewAs, "user:"+w.app.Owner.User.ID)
		twice.header.Add(viewAs, "user:"+w.app.Owner.User.ID)
		twice.call("GET", T+"/queries", nil).want(http.StatusUnprocessableEntity)
	})
}

// A view is in the record once in a while, of a key too; its refusal is one like others,
// and what is refused in it says whom it was of. No watcher is told of a change.
func TestViewsOverHTTPAreInTheRecord(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		member, owner := s.app.Member(rbac.Viewer), s.app.Owner.Context(t.Context())
		viewing := "user:" + member.User.ID
		keyID, key := s.newKey(s.app.Owner, auth.MemberImpersonate, auth.QueryList)
		_, lesser := s.newKey(s.app.Owner, auth.QueryList)
		membersSession := s.signedIn(member)
		auditor := s.made("/roles", object{"name": "Auditor", "permissions": []string{"audit.list"}})
		socket := s.owner.dial()
		socket.subscribe("tenant:" + s.app.Tenant.ID)
		for range 3 {
			s.owner.with(viewAs, viewing).call("GET", s.tenant+"/queries", nil).want(http.StatusOK)
		}
		s.lists(key.with(viewAs, viewing), "/queries", s.queries[0], s.queries[1])
		key.with(viewAs, viewing).call("GET", s.tenant+"/workflows", nil).want(http.StatusForbidden)
		lesser.with(viewAs, viewing).call("GET", s.tenant+"/queries", nil).want(http.StatusForbidden)
		membersSession.with(viewAs, "user:"+s.app.Owner.User.ID).call("GET", s.tenant+"/queries", nil).want(http.StatusForbidden)

		list, err := s.app.Audit().List(owner, audit.Filter{Action: "member.impersonate", ObjectID: member.User.ID}, page.Request{})
		must(t, err)
		var actors []string
		for _, e := range list.Items {
			actors = append(actors, e.Actor)
		}
		if slices.Sort(actors); !slices.Equal(actors, []string{"apiKey:" + keyID, "user:" + s.app.Owner.User.ID}) {
			t.Errorf("the record has views of %v", actors)
		}
		denied := map[string]string{}
		must(t, s.app.Audit().Export(owner, audit.Filter{Action: audit.Denied}, func(e audit.Event) error {
			var detail struct{ Attempted, Viewing string }
			err := json.Unmarshal(e.Detail, &detail)
			denied[detail.Attempted] = detail.Viewing
			return err
		}))
		if of, ok := denied["member.impersonate"]; !ok || of != "" || denied["workflow.list"] != viewing {
			t.Errorf("denied: %v", denied)
		}
		s.owner.with(viewAs, "role:"+auditor).call("GET", s.tenant+"/audit/export", nil).want(http.StatusOK)
		if list, err = s.app.Audit().List(owner, audit.Filter{Action: audit.Exported}, page.Request{}); err != nil || !strings.Contains(string(list.Items[0].Detail), `"viewing"`) {
			t.Errorf("an export: %+v (%v)", list.Items, err)
		}
		made := s.made("/roles", object{"name": "told", "permissions": []string{}})
		if m := socket.next(); !strings.Contains(string(m.Data), made) {
			t.Errorf("who watches the tenant is told %+v", m)
		}
	})
}

// T30: with the right to it, a view ends, over HTTP and in what streams.
func TestT30_ViewsOverHTTPEndWithTheRight(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		role, supporter := s.role("Support", []string{"member.impersonate", "role.read", "query.*"})
		member := s.app.Member(rbac.Viewer)
		user, viewer := supporter.with(viewAs, "user:"+member.User.ID), supporter.with(viewAs, "role:"+role)
		user.call("GET", s.tenant+"/queries", nil).want(http.StatusOK)
		viewer.call("GET", s.tenant+"/queries", nil).want(http.StatusOK)
		s.grant(role, denies("role.read", role), denies("member.impersonate", member.User.ID))
		user.call("GET", s.tenant+"/queries", nil).want(http.StatusForbidden)
		viewer.call("GET", s.tenant+"/queries", nil).want(http.StatusForbidden)
		s.grant(role)
		user.call("GET", s.tenant+"/queries", nil).want(http.StatusOK)
		must(t, s.app.Tenants().RemoveMember(s.app.Owner.Context(t.Context()), member.User.ID))
		user.call("GET", s.tenant+"/queries", nil).want(http.StatusNotFound)

		// A stream that outlasts the right, of a view that it began with.
		other := s.app.Member(rbac.Operator)
		ctx, err := s.app.Roles().ViewAs(s.app.Owner.Context(t.Context()), rbac.Subject{Kind: rbac.SubjectUser, ID: other.User.ID})
		must(t, err)
		endless := s.made("/queries", object{"name": "endless", "datasourceId": s.sources[0], "operation": object{"text": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"}})
		began, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			_, err := s.app.Datasources().StreamQuery(ctx, endless, nil, &slowRows{began: began})
			ended <- err
		}()
		<-began
		must(t, s.app.Tenants().RemoveMember(s.app.Owner.Context(context.WithoutCancel(t.Context())), other.User.ID))
		select {
		case err := <-ended:
			if !problem.Is(err, problem.NotFound) {
				t.Errorf("the stream ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the stream goes on")
		}
	})
}

// slowRows takes rows one by one, with a pause in between.
type slowRows struct{ began chan struct{} }

func (s *slowRows) Begin([]datasource.Column) error { close(s.began); return nil }

func (s *slowRows) Row([]any) error {
	<-time.After(time.Millisecond)
	return nil
}
