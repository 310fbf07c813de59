package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/tenancy"
)

// The whole way of a user, over HTTP and the WebSocket alone, is the same on
// every platform: sign in, tenant, datasource, query, workflow, run, events,
// record of changes. Each statement on the way passes the tenant fence (H3).
func TestFromSignInToAFinishedRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		log := &notes{}
		cfg.BasePath, cfg.Logger = "/admin", log.logger()
		shop := postgresShop(t, &cfg)
		app := start(t, cfg)
		j := &journey{t: t, app: app, cfg: cfg, anybody: serve(t, app, cfg.BasePath)}

		j.signIn(log.setupToken(t))
		j.makeTenant()
		sources := []object{j.sqliteShop()}
		if shop != nil {
			sources = append(sources, shop)
		}
		for _, source := range sources {
			j.connect(source)
		}
		j.addColleague()
		j.makeKey()
		j.defineWorkflow()
		j.watchARun()
		j.inspectTheRun()
		j.readTheRecord()
		j.signOut()
	})
}

// journey is a user on the way, and what was made so far.
type journey struct {
	t       *testing.T
	app     *jetadmin.App
	cfg     jetadmin.Config
	anybody *caller
	owner   *caller

	ownerID, tenantID string
	T                 string // the path of the tenant's routes
	queryID           string // of the last datasource
	colleague, key    *caller
	workflowID, runID string
	changes           []string // what the record must name, oldest first
}

func (j *journey) changed(actions ...string) { j.changes = append(j.changes, actions...) }

func (j *journey) signIn(token string) {
	t := j.t
	if token == "" {
		t.Fatal("the start has logged no setup token")
	}
	j.anybody.call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	account := object{"token": token, "email": "ada@example.com", "password": "correct horse battery staple", "name": "Ada"}
	j.anybody.call("POST", "/auth/setup", account).want(http.StatusCreated)
	if again := j.anybody.call("POST", "/auth/setup", account); again.Status < 400 {
		t.Fatalf("T47: the setup token works twice: %s", again.Body)
	}
	login := j.anybody.call("POST", "/auth/login", object{"email": "ada@example.com", "password": account["password"]}).want(http.StatusOK)
	j.owner, j.ownerID = j.anybody.bearer(login.text("token")), login.text("user.id")
	if got := j.owner.call("GET", "/auth/me", nil).want(http.StatusOK).text("user.email"); got != "ada@example.com" {
		t.Errorf("signed in as %q", got)
	}
}

func (j *journey) makeTenant() {
	made := j.owner.call("POST", "/tenants", object{"name": "Acme"}).want(http.StatusCreated)
	j.tenantID = made.text("id")
	j.T = "/tenants/" + j.tenantID
	if got, want := made.Header.Get("Location"), j.cfg.BasePath+"/api/v1"+j.T; got != want {
		j.t.Errorf("Location %q, want %q", got, want)
	}
	j.changed("tenant.create")
}

// sqliteShop is a datasource on a file in the folder of the tenant.
func (j *journey) sqliteShop() object {
	makeShop(j.t, j.cfg.DataDir, j.tenantID)
	return object{"name": "Shop in a file", "type": "sqlite", "readOnly": true, "settings": object{"file": "shop.db"}}
}

// postgresShop is a datasource on the PostgreSQL server, nil when the App has
// none. It is on a loopback address, which only the host can allow.
func postgresShop(t *testing.T, cfg *jetadmin.Config) object {
	t.Helper()
	if cfg.Schema == "" {
		return nil
	}
	dsn := testdb.PostgresDatabase(t)
	server, err := pgx.ParseConfig(dsn)
	must(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), server)
	must(t, err)
	_, err = conn.Exec(t.Context(), fmt.Sprintf(orders, "public."))
	must(t, err)
	must(t, conn.Close(t.Context()))
	cfg.Egress.AllowHosts = []string{net.JoinHostPort(server.Host, strconv.Itoa(int(server.Port)))}
	return object{
		"name": "public", "type": "postgres", "readOnly": true,
		"settings": object{"host": server.Host, "port": server.Port, "database": server.Database, "user": server.User, "sslmode": "disable"},
		"secrets":  object{"password": server.Password},
	}
}

// connect saves a datasource and a query on it, and runs the query.
func (j *journey) connect(source object) {
	t, owner := j.t, j.owner
	owner.call("POST", j.T+"/datasources/test", source).want(http.StatusOK)
	saved := owner.call("POST", j.T+"/datasources", source).want(http.StatusCreated)
	at := j.T + "/datasources/" + saved.text("id")
	var report struct{ OK bool }
	if owner.call("POST", at+"/test", nil).want(http.StatusOK).into(&report); !report.OK {
		t.Fatal("the connection does not pass its test")
	}
	table := "orders"
	if source["type"] == "postgres" {
		table = source["name"].(string) + ".orders"
	}
	if schema := owner.call("GET", at+"/schema", nil).want(http.StatusOK); !strings.Contains(string(schema.Body), `"orders"`) {
		t.Errorf("the schema lacks the table: %s", schema.Body)
	}
	j.queryID = owner.call("POST", j.T+"/queries", object{
		"name": "Orders of " + source["name"].(string), "datasourceId": saved.text("id"),
		"operation": object{"text": "SELECT id, buyer FROM " + table + " WHERE country = {{ country }} ORDER BY id"},
		"params":    []object{{"name": "country", "type": "string", "required": true}},
	}).want(http.StatusCreated).text("id")
	j.changed("datasource.create", "query.create")

	run := j.T + "/queries/" + j.queryID + "/run"
	var result struct {
		Columns []struct{ Name string }
		Rows    [][]any
	}
	owner.call("POST", run, object{"params": object{"country": "DE"}}).want(http.StatusOK).into(&result)
	if want := [][]any{{1.0, "Zoë Groß"}, {2.0, nil}}; !reflect.DeepEqual(result.Rows, want) || result.Columns[1].Name != "buyer" {
		t.Fatalf("got %+v, want the rows %v", result, want)
	}
	owner.call("POST", run, object{"params": object{"country": "x' OR '1'='1"}}).want(http.StatusOK).into(&result)
	if len(result.Rows) != 0 {
		t.Errorf("T80: a value is read as SQL: %v", result.Rows)
	}
	owner.call("POST", run, object{"params": object{"town": "Köln"}}).want(http.StatusUnprocessableEntity)
}

// addColleague lets in a second person with a role of the tenant's own, who can
// do what it gives and no more.
func (j *journey) addColleague() {
	t, owner := j.t, j.owner
	var me struct {
		Tenants []struct{ Permissions []string }
	}
	owner.call("GET", "/auth/me", nil).want(http.StatusOK).into(&me)
	if len(me.Tenants) != 1 || !slices.Contains(me.Tenants[0].Permissions, "query.execute") {
		t.Errorf("an owner's rights: %+v", me)
	}
	bob, err := j.app.Auth().CreateUser(t.Context(), auth.NewUser{Email: "bob@example.com", Name: "Bob", Password: "four random words here"})
	must(t, err)
	login := j.anybody.call("POST", "/auth/login", object{"email": "bob@example.com", "password": "four random words here"}).want(http.StatusOK)
	j.colleague = j.anybody.bearer(login.text("token"))
	run, one := j.T+"/queries/"+j.queryID+"/run", object{"params": object{"country": "FR"}}
	j.colleague.call("POST", run, one).want(http.StatusNotFound)

	role := owner.call("POST", j.T+"/roles", object{"name": "Runner", "permissions": []string{"query.execute", "workflow.execute", "role.*"}}).
		want(http.StatusCreated).text("id")
	who, err := j.app.Auth().Principal(t.Context(), j.tenantID, j.ownerID)
	must(t, err)
	_, err = j.app.Tenants().AddMember(auth.NewContext(t.Context(), who), tenancy.NewMember{UserID: bob.ID, RoleIDs: []string{role}})
	must(t, err)
	j.changed("role.create", "member.create")
	j.colleague.call("POST", run, one).want(http.StatusOK)
	j.colleague.call("GET", j.T+"/queries", nil).want(http.StatusForbidden)
	// T32: who may edit roles cannot give himself more.
	j.colleague.call("PATCH", j.T+"/roles/"+role, object{"permissions": []string{"*"}}).want(http.StatusForbidden)
}

func (j *journey) makeKey() {
	made := j.owner.call("POST", j.T+"/apikeys", object{"name": "nightly", "scopes": []string{"query.execute"}}).want(http.StatusCreated)
	j.changed("apikey.create")
	j.key = j.anybody.with("X-API-Key", made.text("key"))
	j.key.call("POST", j.T+"/queries/"+j.queryID+"/run", object{"params": object{"country": "FR"}}).want(http.StatusOK)
	j.key.call("GET", j.T+"/queries", nil).want(http.StatusForbidden)
	// T51
	j.key.call("POST", j.T+"/apikeys", object{"name": "more", "scopes": []string{"*"}}).want(http.StatusForbidden)
}

func (j *journey) graph() object {
	return object{
		"nodes": []object{
			{"key": "start", "type": "start", "config": object{"input": object{
				"type": "object", "required": []string{"country"}, "properties": object{"country": object{"type": "string"}},
			}}},
			{"key": "orders", "type": "query", "config": object{"queryId": j.queryID, "params": object{"country": "{{ input.country }}"}}},
			{"key": "any", "type": "condition", "config": object{"branches": []object{{"port": "some", "when": "len(steps.orders.rows) > 0"}}}},
			{"key": "count", "type": "transform", "config": object{"value": object{"count": "{{ len(steps.orders.rows) }}"}}},
			{"key": "none", "type": "transform", "config": object{"value": "nothing"}},
			{"key": "end", "type": "end", "config": object{"output": "{{ steps.count }}"}},
		},
		"edges": []object{
			{"from": "start", "to": "orders"}, {"from": "orders", "to": "any"},
			{"from": "any", "port": "some", "to": "count"}, {"from": "any", "port": "default", "to": "none"},
			{"from": "count", "to": "end"},
		},
	}
}

// defineWorkflow is told all that is wrong at once, and then publishes.
func (j *journey) defineWorkflow() {
	t, owner := j.t, j.owner
	var refusal struct {
		Errors []struct{ Path string }
	}
	owner.call("POST", j.T+"/workflows", object{"name": "Report", "draft": object{
		"nodes": []object{
			{"key": "start", "type": "start"},
			{"key": "a", "type": "transform", "config": object{"value": "{{ steps.nobody }}"}},
			{"key": "b", "type": "unheard-of"},
			{"key": "lost", "type": "end"},
		},
		"edges": []object{{"from": "start", "to": "a"}, {"from": "a", "to": "b"}, {"from": "a", "to": "gone"}},
	}}).want(http.StatusUnprocessableEntity).into(&refusal)
	if len(refusal.Errors) < 4 {
		t.Errorf("a graph with four faults is refused with %+v", refusal.Errors)
	}
	j.workflowID = owner.call("POST", j.T+"/workflows", object{"name": "Report", "draft": j.graph()}).want(http.StatusCreated).text("id")
	at := j.T + "/workflows/" + j.workflowID
	owner.call("POST", at+"/runs", nil).want(http.StatusConflict)
	owner.call("POST", at+"/publish", object{"version": 1}).want(http.StatusCreated)
	j.changed("workflow.create", "workflow.publish")
}

// watchARun sees a change of the tenant, and every step of a run in order.
func (j *journey) watchARun() {
	t := j.t
	watcher := j.owner.dial()
	watcher.subscribe("tenant:" + j.tenantID)
	at := j.T + "/workflows/" + j.workflowID
	j.owner.call("PATCH", at, object{"description": "daily"}).want(http.StatusOK)
	j.changed("workflow.update")
	if e := watcher.next(); e.Type != "workflow.updated" || !strings.Contains(string(e.Data), j.workflowID) {
		t.Errorf("the tenant's watcher got %+v", e)
	}
	must(t, watcher.Unsubscribe("tenant:"+j.tenantID))

	j.colleague.call("POST", at+"/runs", object{"input": object{"land": "DE"}}).want(http.StatusUnprocessableEntity)
	begin := object{"input": object{"country": "DE"}, "idempotencyKey": "today"}
	j.runID = j.colleague.call("POST", at+"/runs", begin).want(http.StatusAccepted).text("id")
	must(t, watcher.Subscribe("run:"+j.runID, 0))
	var steps []string
	var last int64
	for !slices.Contains(steps, "run succeeded") {
		e := watcher.next()
		if e.Kind != liveclient.Event {
			continue
		}
		if last != 0 && e.Seq != last+1 {
			t.Errorf("after event %d comes %d", last, e.Seq)
		}
		last = e.Seq
		var state struct{ Key, Status string }
		must(t, json.Unmarshal(e.Data, &state))
		if state.Key == "" {
			state.Key = "run"
		}
		steps = append(steps, state.Key+" "+state.Status)
	}
	// The branch that is not taken has no place among the steps of the other.
	skipped := slices.Index(steps, "none skipped")
	if skipped < slices.Index(steps, "any succeeded") {
		t.Errorf("the branch not taken is skipped at %d of %v", skipped, steps)
	}
	steps = slices.DeleteFunc(steps, func(s string) bool { return s == "none skipped" })
	want := []string{
		"run queued", "run running", "orders running", "orders succeeded", // then nodes that only compute, stored together with it
		"any succeeded", "count succeeded", "end succeeded", "run succeeded",
	}
	if !reflect.DeepEqual(steps, want) {
		t.Errorf("the steps were\n%v, want\n%v", steps, want)
	}
	if again := j.colleague.call("POST", at+"/runs", begin).want(http.StatusAccepted).text("id"); again != j.runID {
		t.Errorf("an idempotent start made the run %s beside %s", again, j.runID)
	}
}

func (j *journey) inspectTheRun() {
	t := j.t
	at := j.T + "/runs/" + j.runID
	j.colleague.call("GET", at, nil).want(http.StatusForbidden) // he may start runs, not read them
	var run struct {
		Status string
		Output object
		Nodes  []struct {
			Key, Status string
			Attempt     int
		}
	}
	j.owner.call("GET", at, nil).want(http.StatusOK).into(&run)
	if run.Status != "succeeded" || run.Output["count"] != 2.0 || len(run.Nodes) != 6 {
		t.Errorf("the run is %+v", run)
	}
	for _, n := range run.Nodes {
		if want := map[bool]int{true: 0, false: 1}[n.Key == "none"]; n.Attempt != want {
			t.Errorf("the node %s had %d attempts, want %d", n.Key, n.Attempt, want)
		}
	}
	var node struct {
		Attempts []struct {
			Number int
			Port   string
			Output struct{ RowCount int }
		}
	}
	j.owner.call("GET", at+"/nodes/orders", nil).want(http.StatusOK).into(&node)
	if len(node.Attempts) != 1 || node.Attempts[0].Number != 1 || node.Attempts[0].Port != "success" || node.Attempts[0].Output.RowCount != 2 {
		t.Errorf("the query's node: %+v", node)
	}
	var list struct{ Items []struct{ ID string } }
	j.owner.call("GET", j.T+"/runs?status=succeeded", nil).want(http.StatusOK).into(&list)
	if len(list.Items) != 1 || list.Items[0].ID != j.runID {
		t.Errorf("the list of runs: %+v", list)
	}
}

// readTheRecord finds each change in it, once and in order, with who made it.
func (j *journey) readTheRecord() {
	t := j.t
	var record struct {
		Items []struct{ Action, Actor string }
	}
	j.owner.call("GET", j.T+"/audit?limit=200", nil).want(http.StatusOK).into(&record)
	var actions []string
	denied := 0
	for _, e := range slices.Backward(record.Items) {
		if e.Action == audit.Denied {
			denied++
			continue
		}
		actions = append(actions, e.Action)
		if e.Actor != "user:"+j.ownerID {
			t.Errorf("%s was done by %s", e.Action, e.Actor)
		}
	}
	if !reflect.DeepEqual(actions, j.changes) {
		t.Errorf("the record names\n%v, want\n%v", actions, j.changes)
	}
	var verified struct {
		Valid  bool
		Events int
	}
	j.owner.call("GET", j.T+"/audit/verify", nil).want(http.StatusOK).into(&verified)
	if denied == 0 {
		t.Error("nobody was denied anything")
	}
	if !verified.Valid || verified.Events != len(j.changes)+denied {
		t.Errorf("verified: %+v", verified)
	}
}

// signOut ends the session, and with it the socket within a second (T131).
func (j *journey) signOut() {
	watcher := j.owner.dial()
	watcher.subscribe("run:" + j.runID)
	j.owner.call("POST", "/auth/logout", nil).want(http.StatusNoContent)
	ended := time.Now()
	j.owner.call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	if code := watcher.closed(); code != realtime.CloseUnauthenticated {
		j.t.Errorf("the socket was closed with %d", code)
	}
	if took := time.Since(ended); took > time.Second+socketSlack {
		j.t.Errorf("the socket outlived its session by %s", took)
	}
}

// socketSlack is what a machine busy with other tests may add.
const socketSlack = 500 * time.Millisecond
