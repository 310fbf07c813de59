package jetadmin_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
)

// Who watches a run answers it over the same connection, as far as his rights go;
// the host sees who watches.
func TestAnswerOverALiveConnection(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		var mu sync.Mutex
		heard := map[string]bool{}
		cfg.Hooks.Realtime.Subscribed = func(who *auth.Principal, topic realtime.Topic) {
			mu.Lock()
			defer mu.Unlock()
			heard[who.Actor()+" "+topic.String()] = true
		}
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		var run, other struct{ ID string }
		flow := publishAsking(owner, T)
		owner.Call("POST", T+"/workflows/"+flow+"/runs", nil).Want(http.StatusAccepted).Into(&run)
		owner.Call("POST", T+"/workflows/"+flow+"/runs", nil).Want(http.StatusAccepted).Into(&other)
		var waits struct{ Items []struct{ ID string } }
		holds(t, "the run waits", func() bool {
			owner.Call("GET", T+"/waits?runId="+run.ID, nil).Want(http.StatusOK).Into(&waits)
			return len(waits.Items) == 1
		})
		wait := waits.Items[0].ID

		me := signedInto(t, app, app.Owner)
		socket := me.wire().signIn(me)
		socket.send(object{"id": "watch", "op": "subscribe", "topic": "run:" + run.ID})
		if f := socket.next(); f.Op != "ok" {
			t.Fatalf("got %+v", f)
		}
		holds(t, "the host sees who watches", func() bool {
			who, err := app.Events().Presence(t.Context(), "run:"+run.ID)
			return err == nil && slices.Equal(who, []string{"user:" + app.Owner.User.ID})
		})
		mu.Lock()
		if !heard["user:"+app.Owner.User.ID+" run:"+run.ID] {
			t.Errorf("the host has heard of %v", heard)
		}
		mu.Unlock()

		answer := func(w *wire, topic, kind string, data any) frame {
			w.send(object{"id": "answer", "op": "send", "topic": topic, "type": kind, "data": data})
			for {
				if f := w.next(); f.ID == "answer" {
					return f
				}
			}
		}
		viewer := signedInto(t, app, app.Member(rbac.Viewer))
		for _, refused := range []struct {
			by          *wire
			topic, kind string
			data        any
			code        string
		}{
			{socket, "run:" + other.ID, "run.answer", object{"waitId": wait, "approved": true}, "not_found"},
			{socket, "run:" + run.ID, "run.answer", object{"waitId": wait, "approval": true}, "answer_invalid"},
			{socket, "run:" + run.ID, "run.cancel", object{"waitId": wait}, "input_unknown"},
			{socket, "tenant:" + app.Tenant.ID, "run.answer", object{"waitId": wait, "approved": true}, "input_unknown"},
			{socket, "workflow:" + flow, "run.answer", object{"waitId": wait, "approved": true}, "input_not_accepted"},
			{viewer.wire().signIn(viewer), "run:" + run.ID, "run.answer", object{"waitId": wait, "approved": true}, "permission_required"},
		} {
			if f := answer(refused.by, refused.topic, refused.kind, refused.data); f.Op != "error" || f.Code != refused.code {
				t.Errorf("%s with %v: got %+v, want %s", refused.topic, refused.data, f, refused.code)
			}
		}
		if f := answer(socket, "run:"+run.ID, "run.answer", object{"waitId": wait, "approved": true}); f.Op != "ok" {
			t.Errorf("got %+v", f)
		}
		holds(t, "the run has ended", func() bool {
			var d struct{ Status string }
			owner.Call("GET", T+"/runs/"+run.ID, nil).Want(http.StatusOK).Into(&d)
			return d.Status == "succeeded"
		})
	})
}

// T50: a key of narrow scopes does not hear of everything in its tenant.
func TestT50_TheTenantTopicAsksForTheScope(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
		for scope, want := range map[string]string{"query.list": "error permission_required", "tenant.read": "ok "} {
			var key struct{ Key string }
			owner.Call("POST", T+"/apikeys", object{"name": scope, "scopes": []string{scope}}).Want(http.StatusCreated).Into(&key)
			c := reach(t, app).bearer(key.Key)
			socket := c.wire().signIn(c)
			socket.send(object{"id": "1", "op": "subscribe", "topic": "tenant:" + app.Tenant.ID})
			if f := socket.next(); f.Op+" "+f.Code != want {
				t.Errorf("%s: got %+v, want %s", scope, f, want)
			}
		}
	})
}

// holds asks until a condition holds.
func holds(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
