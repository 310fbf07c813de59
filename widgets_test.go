package jetadmin_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/workflow"
)

// widgetLink is a widget's link as the API has it.
type widgetLink struct {
	ID, Widget, Mode, WorkflowID, RunID, Status string
	Context                                     struct {
		Input, Nodes map[string]any
		Omitted      []string
		Output       any
	}
	Waits []struct{ ID, Key, Status string }
}

// until reads frames until one has the type, and returns it.
func (w *wire) until(t *testing.T, kind string, fits func(data map[string]any) bool) frame {
	t.Helper()
	for {
		f := w.next()
		if f.Op == "error" {
			t.Fatalf("waits for %s, got %+v", kind, f)
		}
		var data map[string]any
		if f.Type != kind || json.Unmarshal(f.Data, &data) != nil {
			continue
		}
		if fits(data) {
			return f
		}
	}
}

// A widget starts a run, hears of it, answers it, starts it again, shows what has
// ended, and leaves.
func TestAWidgetGoesAlongWithItsRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		flow := publishAsking(owner, T)
		var made widgetLink
		owner.Call("POST", T+"/widget-links", object{"widget": "refunds", "mode": "execute", "workflowId": flow}).Want(http.StatusCreated).Into(&made)
		if made.Widget != "refunds" || made.Mode != "execute" || made.WorkflowID != flow || made.RunID == "" || made.Status == "" {
			t.Fatalf("got %+v", made)
		}
		me := signedInto(t, app, app.Owner)
		socket := me.wire().signIn(me)
		watch := func(l widgetLink) {
			t.Helper()
			socket.send(object{"id": "watch", "op": "subscribe", "topic": "widget:" + l.ID, "since": 0})
			for f := socket.next(); f.ID != "watch"; f = socket.next() {
				continue
			}
		}
		watch(made)
		asks := func(data map[string]any) bool {
			return data["status"] == "open" && data["widget"] == "refunds" && data["runId"] == made.RunID && data["linkId"] == made.ID
		}
		socket.until(t, "widget.wait", asks)
		var waiting widgetLink
		owner.Call("GET", T+"/widget-links/"+made.ID, nil).Want(http.StatusOK).Into(&waiting)
		if len(waiting.Waits) != 1 || waiting.Waits[0].Key != "ask" || waiting.Waits[0].Status != "open" {
			t.Errorf("got %+v", waiting.Waits)
		}
		owner.Call("POST", T+"/widget-links/"+made.ID+"/input", object{"approved": true, "comment": "well"}).Want(http.StatusOK)
		socket.until(t, "widget.context", func(data map[string]any) bool {
			output, _ := data["output"].(map[string]any)
			return data["key"] == "ask" && data["status"] == "succeeded" && output["comment"] == "well"
		})
		socket.until(t, "widget.status", func(data map[string]any) bool { return data["status"] == "succeeded" })

		var now widgetLink
		owner.Call("GET", T+"/widget-links/"+made.ID, nil).Want(http.StatusOK).Into(&now)
		if ask, _ := now.Context.Nodes["ask"].(map[string]any); now.Status != "succeeded" || ask["comment"] != "well" || len(now.Context.Omitted) > 0 {
			t.Errorf("got %+v", now)
		}
		refusedWith(t, owner.Call("POST", T+"/widget-links/"+made.ID+"/input", object{"approved": true}), http.StatusConflict, "nothing_waits")

		var replayed widgetLink
		owner.Call("POST", T+"/widget-links", object{"widget": "history", "mode": "replay", "runId": made.RunID}).Want(http.StatusCreated).Into(&replayed)
		if replayed.Status != "succeeded" || replayed.WorkflowID != flow || replayed.Context.Nodes["ask"] == nil {
			t.Errorf("got %+v", replayed)
		}
		refusedWith(t, owner.Call("POST", T+"/widget-links/"+replayed.ID+"/input", object{"approved": true}), http.StatusConflict, "link_replays")

		var again widgetLink
		owner.Call("POST", T+"/widget-links/"+made.ID+"/refresh", object{}).Want(http.StatusCreated).Into(&again)
		if again.ID == made.ID || again.RunID == made.RunID || again.Widget != "refunds" {
			t.Errorf("got %+v", again)
		}
		refusedWith(t, owner.Call("GET", T+"/widget-links/"+made.ID, nil), http.StatusNotFound, "not_found")
		refusedWith(t, owner.Call("POST", T+"/widget-links", object{"widget": "x", "mode": "replay", "runId": again.RunID}), http.StatusConflict, "run_not_ended")
		for f := socket.next(); f.Op != "error"; f = socket.next() { // the topic of the old link ends
			continue
		}
		var mine struct{ Items []widgetLink }
		owner.Call("GET", T+"/widget-links?widget=refunds", nil).Want(http.StatusOK).Into(&mine)
		if len(mine.Items) != 1 || mine.Items[0].ID != again.ID {
			t.Errorf("got %+v", mine)
		}
		owner.Call("DELETE", T+"/widget-links/"+again.ID, nil).Want(http.StatusNoContent)
		refusedWith(t, owner.Call("DELETE", T+"/widget-links/"+again.ID, nil), http.StatusNotFound, "not_found")
		owner.Call("GET", T+"/runs/"+again.RunID, nil).Want(http.StatusOK)
	})
}

// All faults of a link are told at once.
func TestALinkTellsItsFaults(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		for _, wrong := range []struct {
			body   object
			faults []string
		}{
			{object{"widget": "a", "mode": "execute", "runId": "x"}, []string{"runId", "workflowId"}},
			{object{"widget": "a", "mode": "replay", "workflowId": "x", "input": object{}}, []string{"input", "runId", "workflowId"}},
		} {
			got := owner.Call("POST", T+"/widget-links", wrong.body).Want(http.StatusUnprocessableEntity)
			var told struct{ Errors []struct{ Path string } }
			got.Into(&told)
			var paths []string
			for _, f := range told.Errors {
				paths = append(paths, f.Path)
			}
			slices.Sort(paths)
			if !slices.Equal(paths, wrong.faults) {
				t.Errorf("%v: got faults at %v, want %v", wrong.body, paths, wrong.faults)
			}
		}
	})
}

// T130: a link is there for who made it alone, and asks for the right to its run in
// every mode.
func TestT130_ALinkIsItsMakersAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		flow := publishAsking(owner, T)
		var made widgetLink
		owner.Call("POST", T+"/widget-links", object{"widget": "refunds", "mode": "execute", "workflowId": flow}).Want(http.StatusCreated).Into(&made)

		_, err := app.Roles().CreateRole(app.Owner.Context(t.Context()), rbac.NewRole{Name: "starts", Permissions: []auth.Permission{auth.WorkflowExecute, auth.TenantRead}})
		must(t, err)
		starter, viewer, editor := app.Client(app.Member("starts")), app.Client(app.Member(rbac.Viewer)), app.Member(rbac.Owner)
		refusedWith(t, starter.Call("POST", T+"/widget-links", object{"widget": "a", "mode": "execute", "workflowId": flow}), http.StatusForbidden, "permission_required")
		refusedWith(t, starter.Call("POST", T+"/widget-links", object{"widget": "a", "mode": "subscribe", "runId": made.RunID}), http.StatusForbidden, "permission_required")
		refusedWith(t, viewer.Call("POST", T+"/widget-links", object{"widget": "a", "mode": "execute", "workflowId": flow}), http.StatusForbidden, "permission_required")
		viewer.Call("POST", T+"/widget-links", object{"widget": "a", "mode": "subscribe", "runId": made.RunID}).Want(http.StatusCreated)

		other := app.Client(editor)
		for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/refresh"}, {"POST", "/input"}} {
			refusedWith(t, other.Call(call[0], T+"/widget-links/"+made.ID+call[1], object{}), http.StatusNotFound, "not_found")
		}
		him := signedInto(t, app, editor)
		socket := him.wire().signIn(him)
		socket.send(object{"id": "1", "op": "subscribe", "topic": "widget:" + made.ID, "since": 0})
		if f := socket.next(); f.Op != "error" || f.Code != "not_found" {
			t.Errorf("got %+v", f)
		}
		tenant := "tenant:" + app.Tenant.ID
		for kind, data := range map[string]object{
			"widget.refresh": {"linkId": made.ID}, "widget.input": {"linkId": made.ID, "approved": true}, "widget.disconnect": {"linkId": made.ID},
			"widget.connect": {"widget": "a", "mode": "replay", "runId": "01890000-0000-7000-8000-000000000000"},
		} {
			socket.send(object{"id": kind, "op": "send", "topic": tenant, "type": kind, "data": data})
			if f := socket.next(); f.Op != "error" || f.Code != "not_found" {
				t.Errorf("%s: got %+v", kind, f)
			}
		}
	})
}

// T131: who may no longer read the run hears no more of it within a second.
func TestT131_AWidgetEndsWithTheRight(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		role, err := app.Roles().CreateRole(app.Owner.Context(t.Context()), rbac.NewRole{Name: "watches", Permissions: []auth.Permission{auth.RunRead}})
		must(t, err)
		var run struct{ ID string }
		owner.Call("POST", T+"/workflows/"+publishAsking(owner, T)+"/runs", nil).Want(http.StatusAccepted).Into(&run)
		member := app.Member("watches")
		var made widgetLink
		app.Client(member).Call("POST", T+"/widget-links", object{"widget": "a", "mode": "subscribe", "runId": run.ID}).Want(http.StatusCreated).Into(&made)
		socket := signedInto(t, app, member).dial()
		socket.subscribe("widget:" + made.ID)
		_, err = app.Roles().UpdateRole(app.Owner.Context(t.Context()), role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{auth.TenantRead}})
		must(t, err)
		began := time.Now()
		if code := socket.refused("widget:" + made.ID); code != "subscription_ended" || time.Since(began) > 3*time.Second {
			t.Errorf("it ended with %s after %s", code, time.Since(began))
		}
		refusedWith(t, app.Client(member).Call("GET", T+"/widget-links/"+made.ID, nil), http.StatusForbidden, "permission_required")
	})
}

// What a widget is connected with is in no process: when the one that connected it is
// gone, another one takes its answer, and tells who watches.
func TestALinkOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	token, first, second, worker := beginThree(t)
	owner := first.caller(token)
	T := "/tenants/" + owner.call("POST", "/tenants", object{"name": "Acme"}).want(http.StatusCreated).text("id")
	flow := owner.call("POST", T+"/workflows", object{"name": "Ask", "draft": askingGraph()}).want(http.StatusCreated).text("id")
	owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
	made := owner.call("POST", T+"/widget-links", object{"widget": "refunds", "mode": "execute", "workflowId": flow}).want(http.StatusCreated).text("id")
	first.kill()

	events := make(chan []liveclient.Message, 1)
	go func() { events <- watchUntil(t, second, token, "widget:"+made, 0, widgetEnded) }()
	there := second.caller(token)
	holds(t, "the run asks", func() bool {
		return there.call("GET", T+"/widget-links/"+made, nil).want(http.StatusOK).text("status") == "waiting"
	})
	there.call("POST", T+"/widget-links/"+made+"/input", object{"approved": true}).want(http.StatusOK)
	if seen := <-events; len(seen) == 0 || !widgetEnded(seen[len(seen)-1]) {
		t.Errorf("saw %+v", seen)
	}
	worker.end()
	second.end()
}

func widgetEnded(m liveclient.Message) bool {
	return m.Type == workflow.EventWidgetStatus && strings.Contains(string(m.Data), `"succeeded"`)
}

// The client of npm does the same in the words of the reference product.
func TestAWidgetInTheWordsOfTheReferenceProduct(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		flow := publishAsking(owner, T)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
		must(t, err)
		said := testdb.Node(t, "socket.io-client", "realtime/testdata/socketio/widget.js", reach(t, app).url, "/socket.io/", login.Token, app.Tenant.ID, flow)
		// Answers and events come in no order among each other: what is not asked for yet is kept.
		heard := map[string][]map[string]any{}
		says := func(name string, fields object) {
			t.Helper()
			for late := time.After(time.Minute); len(heard[name]) == 0; {
				select {
				case line := <-said:
					got, data := pageSays(t, line)
					heard[got] = append(heard[got], data)
				case <-late:
					t.Fatalf("the page does not say %s", name)
				}
			}
			if !fitting(heard[name][0], fields) {
				t.Fatalf("want %s %v, the page says %v", name, fields, heard[name][0])
			}
			heard[name] = heard[name][1:]
		}
		says("widget_workflow_error", object{"widgetID": "refunds", "error": map[string]any{
			"code": "INPUT_FAILED", "message": "the widget is not connected", "reason": "widget_not_connected", "recoverable": false,
		}})
		says("widget_workflow_connected", object{"widgetID": "refunds", "workflowID": flow, "mode": "execute"})
		says("workflow_data_collection_request", object{"widgetID": "refunds", "nodeID": "ask", "collectionType": "approval"})
		says("widget_input_received", object{"widgetID": "refunds", "inputType": "action", "success": true})
		says("widget_workflow_status", object{"widgetID": "refunds", "status": "COMPLETED"})
		says("widget_workflow_connected", object{"widgetID": "refunds", "workflowID": flow, "mode": "execute"})
		says("widget_workflow_disconnected", object{"widgetID": "refunds", "success": true})
	})
}

// pageSays reads a line that a page has printed: the name of an event, and its data.
func pageSays(t *testing.T, line string) (name string, data map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &[]any{&name, &data}); err != nil {
		t.Fatalf("the page says %s: %v", line, err)
	}
	return name, data
}

// fitting reports whether data has the fields.
func fitting(data map[string]any, fields object) bool {
	for name, want := range fields {
		a, _ := json.Marshal(data[name])
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			return false
		}
	}
	return true
}

// refusedWith reads the code of a refusal.
func refusedWith(t *testing.T, r *jetadmintest.Reply, status int, code string) {
	t.Helper()
	var problem struct{ Code string }
	r.Want(status).Into(&problem)
	if problem.Code != code {
		t.Errorf("refused with %s, want %s", problem.Code, code)
	}
}
