package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// T16, T30, T131: while a tenant is suspended nothing happens in it, in any process;
// then everything goes on.
func TestT16_NothingHappensInASuspendedTenant(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newSuspension(t, cfg)
		run := s.start("first")
		watcher := s.person.dial()
		watcher.subscribe("tenant:" + s.app.Tenant.ID)
		machineSocket := s.machine.dial()

		suspended, err := s.app.Tenants().Suspend(t.Context(), s.app.Tenant.ID)
		must(t, err)
		since := time.Now()
		if suspended.SuspendedAt == nil {
			t.Fatalf("%+v", suspended)
		}
		for name, c := range map[string]*caller{"a member": s.person, "a key": s.machine, "a member elsewhere": s.elsewhere(s.person), "a key elsewhere": s.elsewhere(s.machine)} {
			for _, path := range []string{"", "/runs", "/members", "/audit"} {
				if got := c.call("GET", "/tenants/"+s.app.Tenant.ID+path, nil).want(http.StatusForbidden).text("code"); got != "tenant_suspended" {
					t.Errorf("%s, %s: %s", name, path, got)
				}
			}
		}
		watcher.refused("tenant:" + s.app.Tenant.ID)
		if took := time.Since(since); took > time.Second+socketSlack {
			t.Errorf("the subscription ended after %s", took)
		}
		if code := machineSocket.closed(); code != realtime.CloseUnauthenticated {
			t.Errorf("the socket of the key was closed with %d", code)
		}
		if got := s.hook().want(http.StatusForbidden).text("code"); got != "tenant_suspended" {
			t.Errorf("a webhook: %s", got)
		}
		s.dueSchedule()
		s.goOn(run, false)
		s.othersWork() // meanwhile the engine has looked at everything that is due
		if status := s.status(run); status == string(workflow.RunSucceeded) {
			t.Error("a run has gone on")
		}
		if fired := s.fired(); fired {
			t.Error("a schedule has fired")
		}
		me := s.person.call("GET", "/auth/me", nil).want(http.StatusOK)
		if !strings.Contains(string(me.Body), `"permissions":[],"suspendedAt":"2`) {
			t.Errorf("his account says %s", me.Body)
		}

		resumed, err := s.app.Tenants().Resume(t.Context(), s.app.Tenant.ID)
		must(t, err)
		if resumed.SuspendedAt != nil {
			t.Errorf("%+v", resumed)
		}
		s.person.call("GET", "/tenants/"+s.app.Tenant.ID, nil).want(http.StatusOK)
		s.machine.call("GET", "/tenants/"+s.app.Tenant.ID+"/runs", nil).want(http.StatusOK)
		s.goOn(run, true)
		s.hook().want(http.StatusAccepted)
		s.eventually("the schedule fires", s.fired)
	})
}

// suspension is a tenant in which things are about to happen, with two processes.
type suspension struct {
	t               *testing.T
	app             *jetadmintest.App
	second          *caller
	person, machine *caller
	flow            string
	hookPath        string
	schedule        string
	cfg             jetadmin.Config
}

func newSuspension(t *testing.T, cfg jetadmin.Config) *suspension {
	s := &suspension{t: t, cfg: cfg, app: jetadmintest.Start(t, cfg)}
	other := start(t, cfg)
	s.second = serve(t, other, cfg.BasePath)
	anybody := reach(t, s.app)
	login, err := s.app.Auth().Login(t.Context(), auth.Credentials{Email: s.app.Owner.User.Email, Password: s.app.Owner.Password})
	must(t, err)
	_, key, err := s.app.Auth().CreateKey(s.app.Owner.Context(t.Context()), auth.NewKey{Name: "x", Scopes: []auth.Permission{"*"}})
	must(t, err)
	s.person, s.machine = anybody.bearer(login.Token), anybody.bearer(key)
	s.flow = s.publish(s.app.Owner)
	T := "/tenants/" + s.app.Tenant.ID
	hook := s.person.call("POST", T+"/webhooks", object{"workflowId": s.flow, "name": "x", "mode": "public"}).want(http.StatusCreated)
	s.hookPath = hook.text("path")
	s.schedule = s.person.call("POST", T+"/schedules", object{"workflowId": s.flow, "name": "x", "expression": "@yearly"}).want(http.StatusCreated).text("id")
	return s
}

// publish makes a workflow with a node that becomes ready a moment after the start.
func (s *suspension) publish(m jetadmintest.Member) string {
	return s.app.Publish(m.Context(s.t.Context()), workflow.NewWorkflow{Name: "waits", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "wait", Type: "delay", Config: object{"duration": "2s"}}, {Key: "after", Type: "delay", Config: object{"duration": "1ms"}}},
		Edges: []workflow.Edge{{From: "start", To: "wait"}, {From: "wait", To: "after"}},
	}})
}

func (s *suspension) start(key string) string {
	run, err := s.app.Workflows().Start(s.app.Owner.Context(s.t.Context()), workflow.StartParams{WorkflowID: s.flow, IdempotencyKey: key})
	must(s.t, err)
	return run.ID
}

func (s *suspension) elsewhere(c *caller) *caller {
	return s.second.with("Authorization", c.header.Get("Authorization"))
}

func (s *suspension) hook() *reply {
	return s.second.request("POST", s.hookPath, object{"order": 1})
}

// goOn waits until the delay of a run is over, and, when it may, until its end.
func (s *suspension) goOn(run string, toTheEnd bool) {
	s.t.Helper()
	s.eventually("the delay of the run is over", func() bool { return s.nodeStatus(run, "wait") == "succeeded" })
	if toTheEnd {
		s.eventually("the run ends", func() bool { return s.status(run) == string(workflow.RunSucceeded) })
	}
}

// othersWork runs a workflow of another tenant to its end.
func (s *suspension) othersWork() {
	s.t.Helper()
	ctx := s.t.Context()
	user, err := s.app.Auth().CreateUser(ctx, auth.NewUser{Email: "other@example.com", Name: "Other", Password: "four random words here"})
	must(s.t, err)
	tenant, err := s.app.Tenants().CreateFor(ctx, user.ID, tenancy.NewTenant{Name: "Other"})
	must(s.t, err)
	who, err := s.app.Auth().Principal(ctx, tenant.ID, user.ID)
	must(s.t, err)
	ctx = auth.NewContext(ctx, who)
	flow := s.app.Publish(ctx, workflow.NewWorkflow{Name: "waits", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "wait", Type: "delay", Config: object{"duration": "3s"}}},
		Edges: []workflow.Edge{{From: "start", To: "wait"}},
	}})
	run, err := s.app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: flow})
	must(s.t, err)
	s.eventually("a run of another tenant ends", func() bool {
		detail, err := s.app.Workflows().Run(ctx, run.ID)
		must(s.t, err)
		return detail.Status == workflow.RunSucceeded
	})
}

func (s *suspension) eventually(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * patience); !done(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it never comes: %s", what)
		}
	}
}

// detail is a run as a part of the host sees it, suspended or not.
func (s *suspension) detail(run string) (detail struct {
	Status string
	Nodes  []struct{ Key, Status string }
}) {
	s.t.Helper()
	reader := auth.ServicePrincipal(s.app.Tenant.ID, "test", auth.Grant{Permission: auth.RunRead})
	got, err := s.app.Workflows().Run(auth.NewContext(s.t.Context(), reader), run)
	must(s.t, err)
	text, err := json.Marshal(got)
	must(s.t, err)
	must(s.t, json.Unmarshal(text, &detail))
	return detail
}

func (s *suspension) status(run string) string { return s.detail(run).Status }

func (s *suspension) nodeStatus(run, key string) string {
	for _, n := range s.detail(run).Nodes {
		if n.Key == key {
			return n.Status
		}
	}
	return ""
}

// dueSchedule makes the time of the schedule come.
func (s *suspension) dueSchedule() {
	s.t.Helper()
	schema := "main"
	if s.cfg.Schema != "" {
		schema = s.cfg.Schema
	}
	_, err := s.cfg.DB.ExecContext(s.t.Context(), fmt.Sprintf("UPDATE %s.jet_schedule SET next_at = '%s' WHERE tenant_id = '%s' AND id = '%s'",
		schema, store.Column(time.Now()), s.app.Tenant.ID, s.schedule))
	must(s.t, err)
}

func (s *suspension) fired() bool {
	s.t.Helper()
	reader := auth.ServicePrincipal(s.app.Tenant.ID, "test", auth.Grant{Permission: auth.ScheduleRead})
	got, err := s.app.Workflows().Schedule(auth.NewContext(s.t.Context(), reader), s.schedule)
	must(s.t, err)
	return got.LastRunID != ""
}
