package jetadmin_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/workflow"
)

// The engine shows how busy it is, every second, to who may see it.
func TestMonitorComesLive(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		topic := "monitor:" + app.Tenant.ID
		watcher := signedInto(t, app, app.Member(rbac.Operator))
		var now workflow.Monitor
		watcher.call("GET", "/tenants/"+app.Tenant.ID+"/monitor", nil).want(http.StatusOK).into(&now)
		if len(now.Workers) != 1 || now.Workers[0].Slots == 0 {
			t.Errorf("the engine is %+v", now)
		}
		socket := watcher.dial()
		socket.subscribe(topic)
		var first time.Time
		for i := range 2 {
			f := socket.next()
			if f.Type != workflow.EventMonitor || f.Topic != topic {
				t.Fatalf("got %+v", f)
			}
			must(t, json.Unmarshal(f.Data, &now))
			if i == 0 {
				first = now.At
			} else if apart := now.At.Sub(first); apart < 900*time.Millisecond {
				t.Errorf("two looks are %s apart", apart)
			}
		}
		viewer := signedInto(t, app, app.Member(rbac.Viewer))
		viewer.call("GET", "/tenants/"+app.Tenant.ID+"/monitor", nil).want(http.StatusForbidden)
		refused := viewer.dial()
		must(t, refused.Subscribe(topic, liveclient.Now))
		if code := refused.refused(topic); code != "permission_required" {
			t.Errorf("who may not see it got %s", code)
		}
	})
}
