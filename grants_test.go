package jetadmin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/upload"
)

// shelf has two of each kind of object, made by the owner.
type shelf struct {
	*world
	owner                            *caller
	tenant                           string
	sources, queries, flows, theRuns [2]string
}

func newShelf(t *testing.T, cfg jetadmin.Config) *shelf {
	t.Helper()
	app := jetadmintest.Start(t, cfg)
	s := &shelf{world: &world{t: t, app: app, anybody: reach(t, app)}, tenant: "/tenants/" + app.Tenant.ID}
	s.owner = s.signedIn(app.Owner)
	makeShop(t, cfg.DataDir, app.Tenant.ID)
	for i, name := range []string{"one", "two"} {
		s.sources[i] = s.made("/datasources", object{"name": name, "type": "sqlite", "settings": object{"file": "shop.db"}})
		s.queries[i] = s.made("/queries", object{"name": name, "datasourceId": s.sources[i], "operation": object{"text": "SELECT id FROM orders"}})
		s.flows[i] = s.made("/workflows", object{"name": name, "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}})
		s.owner.call("POST", s.tenant+"/workflows/"+s.flows[i]+"/publish", nil).want(http.StatusCreated)
		s.theRuns[i] = s.owner.call("POST", s.tenant+"/workflows/"+s.flows[i]+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
	}
	return s
}

func (s *shelf) made(path string, body object) string {
	s.t.Helper()
	return s.owner.call("POST", s.tenant+path, body).want(http.StatusCreated).text("id")
}

// role makes a role with permissions and grants, and signs a member in who has it.
func (s *shelf) role(name string, permissions []string, grants ...object) (roleID string, c *caller) {
	s.t.Helper()
	roleID = s.made("/roles", object{"name": name, "permissions": permissions})
	s.grant(roleID, grants...)
	return roleID, s.signedIn(s.app.Member(name))
}

func (s *shelf) grant(roleID string, grants ...object) {
	s.t.Helper()
	if grants == nil {
		grants = []object{}
	}
	s.owner.call("PUT", s.tenant+"/roles/"+roleID+"/grants", object{"grants": grants}).want(http.StatusOK)
}

func allows(permission, objectID string) object {
	return object{"permission": permission, "objectId": objectID, "effect": "allow"}
}

func denies(permission, objectID string) object {
	return object{"permission": permission, "objectId": objectID, "effect": "deny"}
}

// lists are the ids in a list.
func (s *shelf) lists(c *caller, path string, want ...string) {
	s.t.Helper()
	var list struct{ Items []struct{ ID string } }
	c.call("GET", s.tenant+path, nil).want(http.StatusOK).into(&list)
	var got []string
	for _, item := range list.Items {
		got = append(got, item.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s lists %v, want %v", path, got, want)
	}
}

// Case T9: whoever may list and not read learns what there is, and not how it is made.
func TestT9_ListsLeaveOutWhatOnlyAReaderSees(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		_, guest := s.role("Guest", []string{"datasource.list", "query.list", "workflow.list"})
		for path, secret := range map[string]string{"/datasources": "shop.db", "/queries": "SELECT", "/workflows": "start"} {
			if body := string(guest.call("GET", s.tenant+path, nil).want(http.StatusOK).Body); !strings.Contains(body, `"one"`) || strings.Contains(body, secret) {
				t.Errorf("%s shows who may only list: %s", path, body)
			}
			if body := string(s.owner.call("GET", s.tenant+path, nil).want(http.StatusOK).Body); !strings.Contains(body, secret) {
				t.Errorf("%s shows the owner: %s", path, body)
			}
		}
	})
}

// Who has grants on single objects alone sees, runs and changes these and no others.
func TestGrantsOnSingleObjects(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		_, guest := s.role("Guest", []string{},
			allows("datasource.read", s.sources[0]), allows("query.read", s.queries[0]), allows("query.execute", s.queries[0]),
			allows("query.update", s.queries[0]), allows("workflow.*", s.flows[0]), allows("run.*", s.flows[0]))
		s.lists(guest, "/datasources", s.sources[0])
		s.lists(guest, "/queries", s.queries[0])
		s.lists(guest, "/workflows", s.flows[0])
		s.lists(guest, "/runs", s.theRuns[0])
		for i, want := range []int{http.StatusOK, http.StatusForbidden} {
			get := func(path string) { t.Helper(); guest.call("GET", s.tenant+path, nil).want(want) }
			get("/datasources/" + s.sources[i])
			get("/queries/" + s.queries[i])
			get("/workflows/" + s.flows[i])
			get("/runs/" + s.theRuns[i])
			guest.call("POST", s.tenant+"/queries/"+s.queries[i]+"/run", nil).want(want)
			guest.call("POST", s.tenant+"/workflows/"+s.flows[i]+"/validate", nil).want(want)
			guest.call("PATCH", s.tenant+"/queries/"+s.queries[i], object{"description": "seen"}).want(want)
			guest.call("PATCH", s.tenant+"/workflows/"+s.flows[i], object{"description": "seen"}).want(want)
			guest.call("DELETE", s.tenant+"/queries/"+s.queries[i], nil).want(http.StatusForbidden)
			guest.call("DELETE", s.tenant+"/datasources/"+s.sources[i], nil).want(http.StatusForbidden)
		}
		run := guest.call("POST", s.tenant+"/workflows/"+s.flows[0]+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
		s.lists(guest, "/runs", s.theRuns[0], run)
		guest.call("POST", s.tenant+"/workflows/"+s.flows[1]+"/runs", nil).want(http.StatusForbidden)
		// T5: a query that he may change does not take him to a datasource that he may not see.
		guest.call("PATCH", s.tenant+"/queries/"+s.queries[0], object{"datasourceId": s.sources[1]}).want(http.StatusForbidden)
		for _, path := range []string{"/roles", "/files", "/schedules", "/executions", "/apikeys"} {
			guest.call("GET", s.tenant+path, nil).want(http.StatusForbidden)
		}
		guest.call("DELETE", s.tenant+"/workflows/"+s.flows[0], nil).want(http.StatusNoContent)
	})
}

// A denial wins in lists, by ids, for many at once, and through other objects.
func TestDenialsWinEverywhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		_, bound := s.role("Bound", []string{"datasource.*", "query.*", "workflow.*", "run.*"},
			denies("datasource.*", s.sources[1]), denies("query.read", s.queries[1]), denies("query.history", s.queries[1]), denies("run.*", s.flows[1]))
		s.lists(bound, "/datasources", s.sources[0])
		s.lists(bound, "/queries", s.queries[0])
		s.lists(bound, "/workflows", s.flows[0], s.flows[1])
		s.lists(bound, "/runs", s.theRuns[0])
		s.owner.call("POST", s.tenant+"/queries/"+s.queries[1]+"/run", nil).want(http.StatusOK)
		s.lists(bound, "/executions")
		for _, path := range []string{"/datasources/" + s.sources[1], "/queries/" + s.queries[1], "/runs/" + s.theRuns[1]} {
			bound.call("GET", s.tenant+path, nil).want(http.StatusForbidden)
		}
		bound.call("POST", s.tenant+"/queries/"+s.queries[1]+"/run", nil).want(http.StatusOK) // which is not denied
		text := object{"text": "SELECT 1"}
		bound.call("POST", s.tenant+"/queries/test", object{"datasourceId": s.sources[1], "operation": text}).want(http.StatusForbidden)
		bound.call("POST", s.tenant+"/queries", object{"name": "around", "datasourceId": s.sources[1], "operation": text}).want(http.StatusForbidden)
		bound.call("PATCH", s.tenant+"/queries/"+s.queries[0], object{"datasourceId": s.sources[1]}).want(http.StatusForbidden)
		bound.call("PATCH", s.tenant+"/queries/"+s.queries[1], object{"operation": text}).want(http.StatusForbidden)
		asking := s.made("/workflows", object{"name": "asking", "draft": object{
			"nodes": []object{{"key": "start", "type": "start"}, {"key": "ask", "type": "approval", "config": object{"title": "?", "allowStarter": true}}},
			"edges": []object{{"from": "start", "to": "ask"}},
		}})
		s.owner.call("POST", s.tenant+"/workflows/"+asking+"/publish", nil).want(http.StatusCreated)
		open := s.owner.call("POST", s.tenant+"/workflows/"+asking+"/runs", nil).want(http.StatusAccepted).text("id")
		_, held := s.role("Held", []string{"run.*", "workflow.*"}, denies("run.cancel", asking))
		var result struct{ Done int }
		held.call("POST", s.tenant+"/runs/bulk/cancel", object{"workflowId": asking}).want(http.StatusOK).into(&result)
		if result.Done != 0 {
			t.Errorf("%d runs were cancelled around a denial", result.Done)
		}
		held.call("POST", s.tenant+"/runs/"+open+"/cancel", nil).want(http.StatusForbidden)
		s.owner.call("POST", s.tenant+"/runs/"+open+"/cancel", nil).want(http.StatusOK)
	})
}

// Who is denied the runs of a workflow answers none of them, and is shown no questions.
func TestDenialsBindAnswers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		roleID, c := s.role("Asked", []string{"run.answer", "run.list"})
		flow := s.made("/workflows", object{"name": "asking", "draft": object{
			"nodes": []object{{"key": "start", "type": "start"}, {"key": "ask", "type": "approval", "config": object{"title": "?", "allowStarter": true, "roles": []string{roleID}}}},
			"edges": []object{{"from": "start", "to": "ask"}},
		}})
		s.owner.call("POST", s.tenant+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
		run := s.owner.call("POST", s.tenant+"/workflows/"+flow+"/runs", nil).want(http.StatusAccepted).text("id")
		var list struct{ Items []struct{ ID string } }
		for deadline := time.Now().Add(20 * time.Second); len(list.Items) == 0; <-time.After(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the run does not ask")
			}
			s.owner.call("GET", s.tenant+"/waits?runId="+run, nil).want(http.StatusOK).into(&list)
		}
		wait := list.Items[0].ID
		s.lists(c, "/waits", wait)
		s.lists(c, "/waits?mine=true", wait)
		s.grant(roleID, denies("run.*", flow))
		s.lists(c, "/waits")
		s.lists(c, "/waits?mine=true")
		c.call("GET", s.tenant+"/waits/"+wait, nil).want(http.StatusNotFound)
		c.call("POST", s.tenant+"/waits/"+wait, object{"approved": true}).want(http.StatusNotFound)
		s.grant(roleID)
		c.call("POST", s.tenant+"/waits/"+wait, object{"approved": true}).want(http.StatusOK)
	})
}

// A denial is not got around by something that one owns: a datasource on the file, the
// secret of a webhook.
func TestDenialsBindOwners(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		file := func(text string) string {
			t.Helper()
			made, err := s.app.Files().Create(s.app.Owner.Context(t.Context()), upload.NewFile{Name: "x.csv", Content: strings.NewReader(text)})
			must(t, err)
			return made.ID
		}
		open, closed := file("a\n1\n"), file("a\n2\n")
		roleID, c := s.role("Owns", []string{"datasource.create", "datasource.test", "query.create", "webhook.create", "workflow.*"}, denies("file.read", closed))
		on := func(fileID string) object {
			return object{"name": fileID, "type": "csv", "settings": object{"file": fileID}}
		}
		c.call("POST", s.tenant+"/datasources", on(closed)).want(http.StatusForbidden)
		c.call("POST", s.tenant+"/datasources/test", on(closed)).want(http.StatusForbidden)
		source := s.tenant + "/datasources/" + c.call("POST", s.tenant+"/datasources", on(open)).want(http.StatusCreated).text("id")
		c.call("PATCH", source, object{"settings": object{"file": closed}}).want(http.StatusForbidden)
		s.grant(roleID, denies("file.read", open))
		c.call("PATCH", source, object{"description": "x", "settings": object{"file": open}}).want(http.StatusOK) // named before

		var hook struct{ Webhook struct{ ID string } }
		s.grant(roleID)
		made := c.call("POST", s.tenant+"/webhooks", object{"name": "hook", "workflowId": s.flows[0]}).want(http.StatusCreated)
		made.into(&hook)
		if hook.Webhook.ID == "" {
			hook.Webhook.ID = made.text("id")
		}
		at := s.tenant + "/webhooks/" + hook.Webhook.ID + "/rotate"
		c.call("POST", at, object{"overlap": "0s"}).want(http.StatusOK)
		s.grant(roleID, denies("workflow.execute", s.flows[0]))
		c.call("POST", at, object{"overlap": "0s"}).want(http.StatusForbidden)
	})
}

// Who makes something may read, change, run and delete it, also by a key of his.
func TestWhoMakesSomethingOwnsIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		_, maker := s.role("Maker", []string{"query.create", "workflow.create", "datasource.create", "schedule.create"})
		source := maker.call("POST", s.tenant+"/datasources", object{"name": "mine", "type": "sqlite", "settings": object{"file": "shop.db"}}).
			want(http.StatusCreated).text("id")
		query := maker.call("POST", s.tenant+"/queries", object{"name": "mine", "datasourceId": source, "operation": object{"text": "SELECT 1 AS one"}}).
			want(http.StatusCreated).text("id")
		flow := maker.call("POST", s.tenant+"/workflows", object{"name": "mine", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).
			want(http.StatusCreated).text("id")
		schedule := maker.call("POST", s.tenant+"/schedules", object{"workflowId": flow, "name": "mine", "expression": "@yearly"}).want(http.StatusCreated).text("id")
		s.lists(maker, "/datasources", source)
		s.lists(maker, "/queries", query)
		s.lists(maker, "/workflows", flow)
		s.lists(maker, "/schedules", schedule)
		maker.call("POST", s.tenant+"/queries/"+query+"/run", nil).want(http.StatusOK)
		maker.call("PATCH", s.tenant+"/workflows/"+flow, object{"description": "x"}).want(http.StatusOK)
		maker.call("GET", s.tenant+"/queries/"+s.queries[0], nil).want(http.StatusForbidden)
		maker.call("POST", s.tenant+"/workflows/"+flow+"/publish", nil).want(http.StatusForbidden)
		maker.call("GET", s.tenant+"/runs", nil).want(http.StatusForbidden)
		maker.call("DELETE", s.tenant+"/schedules/"+schedule, nil).want(http.StatusNoContent)
		maker.call("DELETE", s.tenant+"/queries/"+query, nil).want(http.StatusNoContent)
		maker.call("DELETE", s.tenant+"/datasources/"+source, nil).want(http.StatusNoContent)
	})
}

// T20: who made a query and may make none any more keeps it as it is: what it sends is
// changed by who may write queries, by a role or a grant.
func TestT20_AFormerEditorWritesNoTextInHisQueries(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		roleID, c := s.role("Editor for now", []string{"query.create", "datasource.read"})
		query := s.tenant + "/queries/" + c.call("POST", s.tenant+"/queries", object{"name": "mine", "datasourceId": s.sources[0], "operation": object{"text": "SELECT 1 AS one"}}).
			want(http.StatusCreated).text("id")
		text := func(n string) object { return object{"operation": object{"text": "SELECT " + n + " AS one"}} }
		c.call("PATCH", query, text("2")).want(http.StatusOK)
		s.owner.call("PATCH", s.tenant+"/roles/"+roleID, object{"permissions": []string{"datasource.read"}}).want(http.StatusOK)
		for name, change := range map[string]object{
			"text": text("3"), "writes": {"writes": true}, "datasource": {"datasourceId": s.sources[1]},
			"params": {"params": []object{{"name": "p", "type": "string"}}, "operation": object{"text": "SELECT {{p}} AS one"}},
		} {
			if got := c.call("PATCH", query, change); got.Status != http.StatusForbidden {
				t.Errorf("%s: status %d: %s", name, got.Status, got.Body)
			}
		}
		c.call("POST", query+"/versions/1/restore", nil).want(http.StatusForbidden)
		c.call("PATCH", query, object{"description": "still mine"}).want(http.StatusOK)
		c.call("POST", query+"/run", nil).want(http.StatusOK)
		s.grant(roleID, allows("query.update", query[strings.LastIndexByte(query, '/')+1:]))
		c.call("PATCH", query, text("4")).want(http.StatusOK)
		c.call("DELETE", query, nil).want(http.StatusNoContent)
	})
}

// Ownership ends with the object, also that of an upload that comes to nothing: who
// owned it has nothing to list any more.
func TestOwnershipEndsWithTheObject(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		s.role("Maker", []string{"query.create", "workflow.create", "workflow.execute", "datasource.create", "schedule.create", "webhook.create", "file.create"})
		member := s.app.Member("Maker")
		maker := s.signedIn(member)
		file := func(text string) (string, error) {
			made, err := s.app.Files().Create(member.Context(t.Context()), upload.NewFile{Name: "x.csv", Content: strings.NewReader(text)})
			return made.ID, err
		}
		made := func(path string, body object) string {
			t.Helper()
			return maker.call("POST", s.tenant+path, body).want(http.StatusCreated).text("id")
		}
		if _, err := file(""); err == nil {
			t.Fatal("an empty file is taken")
		}
		maker.call("GET", s.tenant+"/files", nil).want(http.StatusForbidden)
		kept, err := file("a\n1\n")
		must(t, err)
		source := made("/datasources", object{"name": "mine", "type": "sqlite", "settings": object{"file": "shop.db"}})
		query := made("/queries", object{"name": "mine", "datasourceId": source, "operation": object{"text": "SELECT 1 AS one"}})
		flow := made("/workflows", object{"name": "mine", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}})
		schedule := made("/schedules", object{"workflowId": flow, "name": "mine", "expression": "@yearly"})
		hook := made("/webhooks", object{"name": "mine", "workflowId": flow})
		for _, c := range [][2]string{{"/files", kept}, {"/webhooks", hook}, {"/schedules", schedule}, {"/workflows", flow}, {"/queries", query}, {"/datasources", source}} {
			maker.call("GET", s.tenant+c[0], nil).want(http.StatusOK)
			maker.call("DELETE", s.tenant+c[0]+"/"+c[1], nil).want(http.StatusNoContent)
			maker.call("GET", s.tenant+c[0], nil).want(http.StatusForbidden)
		}
	})
}

// T30: with its grant a subscription ends, within a second.
func TestT30_SubscriptionsEndWithTheGrant(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		for name, after := range map[string][]object{
			"removed": {},
			"denied":  {allows("run.read", s.flows[0]), denies("run.*", s.theRuns[0])},
		} {
			roleID, watcher := s.role(name, []string{}, allows("run.read", s.flows[0]))
			socket, topic := watcher.dial(), "run:"+s.theRuns[0]
			socket.subscribe(topic)
			s.grant(roleID, after...)
			ended := time.Now()
			if code := socket.refused(topic); code != "subscription_ended" {
				t.Errorf("%s: the subscription ended with %s", name, code)
			}
			if took := time.Since(ended); took > time.Second+socketSlack {
				t.Errorf("%s: it ended after %s", name, took)
			}
		}
	})
}

func TestExplainOverHTTP(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		roleID, _ := s.role("Bound", []string{"query.*"}, denies("query.delete", s.queries[0]))
		explain := func(permission, objectID string) (e rbac.Explanation) {
			t.Helper()
			s.owner.call("POST", s.tenant+"/authz/explain", object{
				"subject": object{"kind": "role", "id": roleID}, "permission": permission, "objectId": objectID,
			}).want(http.StatusOK).into(&e)
			return e
		}
		if e := explain("query.delete", s.queries[0]); e.Decision != rbac.DecisionDeny || len(e.Chain) != 2 || e.Chain[0].RoleName != "Bound" || !e.Chain[1].Decides {
			t.Errorf("%+v", e)
		}
		if e := explain("query.delete", s.queries[1]); !e.Allowed || !e.Chain[0].Decides {
			t.Errorf("%+v", e)
		}
		s.owner.call("POST", s.tenant+"/authz/explain", object{"subject": object{"kind": "key", "id": "x"}, "permission": "query.delete"}).want(http.StatusUnprocessableEntity)
		for _, kind := range []string{"user", "role", "apiKey"} {
			for _, nobody := range []string{"", "x"} {
				s.owner.call("POST", s.tenant+"/authz/explain", object{"subject": object{"kind": kind, "id": nobody}, "permission": "query.delete"}).
					want(http.StatusNotFound)
			}
		}
		var m rbac.MemberPermissions
		s.owner.call("GET", s.tenant+"/members/"+s.app.Owner.User.ID+"/permissions", nil).want(http.StatusOK).into(&m)
		if len(m.Permissions) < 30 || m.Permissions[0].By == nil {
			t.Errorf("%+v", m)
		}
	})
}
