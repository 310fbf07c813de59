package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/workflow"
)

// publishAsking makes a workflow whose runs wait for an approval, and returns its id.
func publishAsking(owner *jetadmintest.Client, tenant string) string {
	var flow struct{ ID string }
	owner.Call("POST", tenant+"/workflows", object{"name": "Ask", "draft": askingGraph()}).Want(http.StatusCreated).Into(&flow)
	owner.Call("POST", tenant+"/workflows/"+flow.ID+"/publish", nil).Want(http.StatusCreated)
	return flow.ID
}

// askingGraph is a graph that waits for an approval, which its starter may give.
func askingGraph() object {
	return object{
		"nodes": []object{{"key": "start", "type": "start"}, {"key": "ask", "type": "approval", "config": object{"title": "Well?", "allowStarter": true}}},
		"edges": []object{{"from": "start", "to": "ask"}},
	}
}

// A run can be watched without a socket, by asking again and again: nothing comes
// twice, and it is what a socket gets.
func TestEventsOfARunOverHTTP(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		owner := app.Client(app.Owner)
		T := "/tenants/" + app.Tenant.ID
		var run struct{ ID string }
		flow := publishAsking(owner, T)
		owner.Call("POST", T+"/workflows/"+flow+"/runs", nil).Want(http.StatusAccepted).Into(&run)

		events := T + "/runs/" + run.ID + "/events"
		var seen []workflow.PastEvent
		since := int64(0)
		// until asks on until an event of a type tells something.
		until := func(kind, field, want string) (data map[string]any) {
			t.Helper()
			for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
				var more workflow.RunEvents
				owner.Call("GET", fmt.Sprintf("%s?since=%d", events, since), nil).Want(http.StatusOK).Into(&more)
				if more.Gap && len(seen) > 0 { // who is faster than the first event cannot know that it is the first
					t.Fatalf("the events of a run that a person has started have a gap after %d", since)
				}
				since = max(since, more.Last-int64(len(more.Items)))
				for _, e := range more.Items {
					if e.Seq <= since {
						t.Errorf("event %d came twice", e.Seq)
					}
					seen, since = append(seen, e), e.Seq
				}
				for _, e := range seen {
					data = nil
					must(t, json.Unmarshal(e.Data, &data))
					if e.Type == kind && data[field] == want {
						return data
					}
				}
			}
			t.Fatalf("no %s with %s = %s among %d events", kind, field, want, len(seen))
			return nil
		}
		wait := until(workflow.EventWait, "status", "open")
		owner.Call("POST", T+"/waits/"+wait["id"].(string), object{"approved": true}).Want(http.StatusOK)
		until(workflow.EventRun, "status", "succeeded")

		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
		must(t, err)
		socket := reach(t, app).bearer(login.Token).dial()
		must(t, socket.Subscribe("run:"+run.ID, 0))
		for _, e := range seen {
			f := socket.next()
			for f.Kind != liveclient.Event {
				f = socket.next()
			}
			if f.Seq != e.Seq || f.Type != e.Type || string(f.Data) != string(e.Data) {
				t.Errorf("a socket gets %+v, HTTP %+v", f, e)
			}
		}
		owner.Call("GET", events+"?since=-1", nil).Want(http.StatusUnprocessableEntity)
	})
}
