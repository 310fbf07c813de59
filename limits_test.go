package jetadmin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

// What a tenant has is limited, by the installation or by what the host gives it.
func TestTenantsAreLimited(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Limits = tenancy.Limits{Datasources: 1, FileBytes: 20, Queries: 1, Schedules: 1, Webhooks: 1, Workflows: 1}
		app := jetadmintest.Start(t, cfg)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
		must(t, err)
		owner, T := reach(t, app).bearer(login.Token), "/tenants/"+app.Tenant.ID
		makeShop(t, cfg.DataDir, app.Tenant.ID)
		source := owner.call("POST", T+"/datasources", object{"name": "a", "type": "sqlite", "settings": object{"file": "shop.db"}}).want(http.StatusCreated).text("id")
		add := map[string]func(name string) *reply{
			"datasources": func(name string) *reply {
				return owner.call("POST", T+"/datasources", object{"name": name, "type": "sqlite", "settings": object{"file": "shop.db"}})
			},
			"queries": func(name string) *reply {
				return owner.call("POST", T+"/queries", object{"name": name, "datasourceId": source, "operation": object{"text": "SELECT 1"}})
			},
			"workflows": func(name string) *reply {
				return owner.call("POST", T+"/workflows", object{"name": name, "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}})
			},
		}
		add["queries"]("a").want(http.StatusCreated)
		flow := add["workflows"]("a").want(http.StatusCreated).text("id")
		add["schedules"] = func(name string) *reply {
			return owner.call("POST", T+"/schedules", object{"workflowId": flow, "name": name, "expression": "0 6 * * *"})
		}
		add["webhooks"] = func(name string) *reply {
			return owner.call("POST", T+"/webhooks", object{"workflowId": flow, "name": name, "mode": "public"})
		}
		add["schedules"]("a").want(http.StatusCreated)
		add["webhooks"]("a").want(http.StatusCreated)
		for what, more := range add {
			if got := more("b").want(http.StatusConflict); got.text("code") != "limit_"+what || !strings.Contains(got.text("detail"), "1 "+what) {
				t.Errorf("%s: %s", what, got.Body)
			}
		}
		send := func() error {
			_, err := app.Files().Create(app.Owner.Context(t.Context()), upload.NewFile{Name: "f", Content: strings.NewReader("a,b\n1,2\n3,4\n")})
			return err
		}
		must(t, send())
		if err := send(); problem.Of(err).Code != "files_too_large" {
			t.Errorf("a file: %v", err)
		}
		var usage map[string]struct{ Used, Limit int64 }
		owner.call("GET", T+"/usage", nil).want(http.StatusOK).into(&usage)
		if usage["queries"].Used != 1 || usage["queries"].Limit != 1 || usage["schedules"].Used != 1 || usage["webhooks"].Used != 1 || usage["fileBytes"].Used != 12 || usage["fileBytes"].Limit != 20 || usage["members"].Used != 1 {
			t.Errorf("%+v", usage)
		}
		must(t, app.Tenants().SetLimits(t.Context(), app.Tenant.ID, tenancy.Limits{Datasources: 2, FileBytes: 24, Queries: 2, Schedules: 2, Webhooks: 2, Workflows: -1}))
		for _, more := range add {
			more("b").want(http.StatusCreated)
		}
		add["queries"]("c").want(http.StatusConflict)
		add["schedules"]("c").want(http.StatusConflict)
		add["webhooks"]("c").want(http.StatusConflict)
		add["workflows"]("c").want(http.StatusCreated)
		must(t, send())
		owner.call("PATCH", T, object{"limits": object{"queries": 5}}).want(http.StatusUnprocessableEntity)
	})
}

// A tenant has so many runs in flight: starts beyond get 429 and a time to come back,
// from wherever they come. What belongs to a run that is in flight goes on.
func TestRunsInFlightAreLimited(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Limits.RunsInFlight = 3
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		flow := publishAsking(owner, T)
		start := func() *jetadmintest.Reply { return owner.Call("POST", T+"/workflows/"+flow+"/runs", nil) }
		var first struct{ ID string }
		start().Want(http.StatusAccepted).Into(&first)
		start().Want(http.StatusAccepted)
		owner.Call("POST", T+"/workflows/test", object{"graph": askingGraph()}).Want(http.StatusAccepted)

		full := start()
		refusedWith(t, full, http.StatusTooManyRequests, "limit_runsInFlight")
		if full.Header.Get("Retry-After") != "1" {
			t.Errorf("come back after %q", full.Header.Get("Retry-After"))
		}
		refusedWith(t, owner.Call("POST", T+"/workflows/test", object{"graph": askingGraph()}), http.StatusTooManyRequests, "limit_runsInFlight")
		refusedWith(t, owner.Call("POST", T+"/runs/"+first.ID+"/replay", object{}), http.StatusTooManyRequests, "limit_runsInFlight")
		refusedWith(t, owner.Call("POST", T+"/widget-links", object{"widget": "a", "mode": "execute", "workflowId": flow}), http.StatusTooManyRequests, "limit_runsInFlight")
		var usage map[string]struct{ Used, Limit int64 }
		owner.Call("GET", T+"/usage", nil).Want(http.StatusOK).Into(&usage)
		if usage["runsInFlight"].Used != 3 || usage["runsInFlight"].Limit != 3 {
			t.Errorf("%+v", usage)
		}

		// A start that was made before is found, and needs no room.
		keyed := func() *jetadmintest.Reply {
			return owner.Call("POST", T+"/workflows/"+flow+"/runs", object{"idempotencyKey": "order 7"})
		}
		refusedWith(t, keyed(), http.StatusTooManyRequests, "limit_runsInFlight")
		owner.Call("POST", T+"/runs/"+first.ID+"/cancel", nil).Want(http.StatusOK)
		holds(t, "a run that ended makes room", func() bool { return keyed().Status == http.StatusAccepted })
		keyed().Want(http.StatusAccepted)
		refusedWith(t, start(), http.StatusTooManyRequests, "limit_runsInFlight")
		must(t, app.Tenants().SetLimits(t.Context(), app.Tenant.ID, tenancy.Limits{RunsInFlight: -1}))
		holds(t, "without a limit", func() bool { return start().Status == http.StatusAccepted })
	})
}

// Runs that have ended take no room, also those that have just done so.
func TestRunsThatEndTakeNoRoom(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Limits.RunsInFlight = 2
		app := jetadmintest.Start(t, cfg)
		ctx := app.Owner.Context(t.Context())
		flow, err := publish(ctx, app.App, "Short", workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}})
		must(t, err)
		for range 9 {
			run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: flow})
			must(t, err)
			_, err = app.Workflows().Wait(ctx, run.ID)
			must(t, err)
		}
	})
}

// A run in flight may start others, and its failure its handler, when there is no room
// for strangers: else the limit would keep it from ending.
func TestRunsInFlightStartTheirOwn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Limits.RunsInFlight = 1
		app := jetadmintest.Start(t, cfg)
		ctx := app.Owner.Context(t.Context())
		start := workflow.GraphNode{Key: "start", Type: "start"}
		handler, err := publish(ctx, app.App, "Handler", workflow.Graph{Nodes: []workflow.GraphNode{start}})
		must(t, err)
		sub, err := publish(ctx, app.App, "Sub", workflow.Graph{
			Nodes: []workflow.GraphNode{start, {Key: "end", Type: "end", Config: object{"failed": true}}}, Edges: []workflow.Edge{{From: "start", To: "end"}},
		})
		must(t, err)
		flow, err := publish(ctx, app.App, "Flow", workflow.Graph{
			Settings: &workflow.Settings{OnFailure: handler},
			Nodes:    []workflow.GraphNode{start, {Key: "sub", Type: "subWorkflow", Config: object{"workflowId": sub}}},
			Edges:    []workflow.Edge{{From: "start", To: "sub"}},
		})
		must(t, err)
		run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: flow})
		must(t, err)
		ended, err := app.Workflows().Wait(ctx, run.ID)
		must(t, err)
		if ended.Status != workflow.RunFailed {
			t.Errorf("it %s", ended.Status)
		}
		holds(t, "the handler has run", func() bool {
			runs, err := app.Workflows().Runs(ctx, workflow.RunFilter{WorkflowID: handler}, page.Request{})
			return err == nil && len(runs.Items) == 1 && runs.Items[0].Status == workflow.RunSucceeded
		})
	})
}

// A tenant's limit on rows cuts results off, those of streams too.
func TestRowsAreLimited(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		makeShop(t, cfg.DataDir, app.Tenant.ID)
		var source, query struct{ ID string }
		owner.Call("POST", T+"/datasources", object{"name": "a", "type": "sqlite", "settings": object{"file": "shop.db"}}).Want(http.StatusCreated).Into(&source)
		owner.Call("POST", T+"/queries", object{
			"name": "a", "datasourceId": source.ID, "operation": object{"text": "VALUES (1), (2), (3), (4)"}, "cacheTtlMs": 60_000,
		}).Want(http.StatusCreated).Into(&query)
		rows := func() (int, bool) {
			var r struct {
				Rows      [][]any
				Truncated bool
			}
			owner.Call("POST", T+"/queries/"+query.ID+"/run", object{}).Want(http.StatusOK).Into(&r)
			return len(r.Rows), r.Truncated
		}
		if n, cut := rows(); n != 4 || cut {
			t.Errorf("%d rows, truncated: %t", n, cut)
		}
		must(t, app.Tenants().SetLimits(t.Context(), app.Tenant.ID, tenancy.Limits{Rows: 3}))
		holds(t, "three rows", func() bool { n, cut := rows(); return n == 3 && cut })
		var streamed counter
		end, err := app.Datasources().StreamQuery(app.Owner.Context(t.Context()), query.ID, nil, &streamed)
		if err != nil || end.RowCount != 3 || !end.Truncated || streamed != 3 {
			t.Errorf("%+v, %d rows (%v)", end, streamed, err)
		}
		must(t, app.Tenants().SetLimits(t.Context(), app.Tenant.ID, tenancy.Limits{}))
		holds(t, "all of them again", func() bool { n, cut := rows(); return n == 4 && !cut })
	})
}

// counter counts the rows of a stream.
type counter int

func (*counter) Begin([]datasource.Column) error { return nil }
func (c *counter) Row([]any) error               { *c++; return nil }
