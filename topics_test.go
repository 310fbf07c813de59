package jetadmin_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// told waits for an event of a type about an object with a state, and lets the others
// pass.
func (s *socket) told(topic, kind, id, field string, state any) {
	s.t.Helper()
	for {
		m := s.next()
		if m.Kind != liveclient.Event || m.Topic != topic || m.Type != kind {
			continue
		}
		var data map[string]any
		must(s.t, json.Unmarshal(m.Data, &data))
		if data["id"] == id && (field == "" || data[field] == state) {
			return
		}
	}
}

// Who watches a workflow is told of its changes and its runs; of those of another
// nothing, and of the items of its loops nothing either.
func TestWhoWatchesAWorkflowIsToldOfItsRuns(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		socket, topic := s.owner.dial(), "workflow:"+s.flows[0]
		socket.subscribe(topic)
		s.owner.call("POST", s.tenant+"/workflows/"+s.flows[1]+"/runs", object{"wait": true}).want(http.StatusAccepted)
		run := s.owner.call("POST", s.tenant+"/workflows/"+s.flows[0]+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
		first := socket.next()
		var data struct{ ID, Status string }
		must(t, json.Unmarshal(first.Data, &data))
		if first.Type != "run.updated" || data.ID != run {
			t.Errorf("told %s %s first, want the run %s", first.Type, first.Data, run)
		}
		if data.Status != "succeeded" { // a run that ends with its start is told of once
			socket.told(topic, "run.updated", run, "status", "succeeded")
		}
		s.owner.call("PATCH", s.tenant+"/workflows/"+s.flows[0], object{"description": "x"}).want(http.StatusOK)
		socket.told(topic, "workflow.updated", s.flows[0], "", nil)
	})
}

// Who watches a datasource is told of its changes, when it is left alone because it
// cannot be reached, and when that is over.
func TestWhoWatchesADatasourceIsToldOfItsState(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		port := listener.Addr().(*net.TCPAddr).Port
		must(t, listener.Close())
		cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		s := newShelf(t, cfg)
		source := s.made("/datasources", object{"name": "Away", "type": "rest", "settings": object{"baseUrl": "http://127.0.0.1:" + strconv.Itoa(port)}})
		query := s.made("/queries", object{"name": "away", "datasourceId": source, "operation": object{"method": "GET", "path": "/"}})
		socket, topic := s.owner.dial(), "datasource:"+source
		socket.subscribe(topic)
		for range 5 {
			s.owner.call("POST", s.tenant+"/queries/"+query+"/run", nil).want(http.StatusBadGateway)
		}
		socket.told(topic, "datasource.state", source, "reachable", false)
		s.owner.call("PATCH", s.tenant+"/datasources/"+source, object{"settings": object{"baseUrl": s.app.URL}}).want(http.StatusOK)
		socket.told(topic, "datasource.updated", source, "", nil)
		s.owner.call("PATCH", s.tenant+"/datasources/"+source, object{"description": "changed, and not reached"}).want(http.StatusOK)
		if m := socket.next(); m.Type != "datasource.updated" {
			t.Errorf("a change tells %s %s", m.Type, m.Data)
		}
		s.owner.call("POST", s.tenant+"/datasources/"+source+"/test", nil).want(http.StatusOK)
		socket.told(topic, "datasource.state", source, "reachable", true)
	})
}

// Case T9, T128: topics of objects follow the rights on them; what is another tenant's
// is missing.
func TestT9_TopicsOfObjectsFollowTheirRights(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		_, guest := s.role("Guest", []string{}, allows("workflow.read", s.flows[0]), allows("run.read", s.flows[0]), allows("datasource.read", s.sources[0]))
		_, drafter := s.role("Drafter", []string{"workflow.read"}) // the failures of runs are not for him
		drafts := drafter.dial()
		must(t, drafts.Subscribe("workflow:"+s.flows[0], liveclient.Now))
		if code := drafts.refused("workflow:" + s.flows[0]); code != "permission_required" {
			t.Errorf("without run.read: %s", code)
		}
		socket := guest.dial()
		for _, topics := range [][3]string{
			{"workflow:" + s.flows[0], "workflow:" + s.flows[1], "workflow:" + s.queries[0]},
			{"datasource:" + s.sources[0], "datasource:" + s.sources[1], "datasource:x"},
		} {
			socket.subscribe(topics[0])
			for i, want := range []string{"permission_required", "not_found"} {
				must(t, socket.Subscribe(topics[i+1], liveclient.Now))
				if code := socket.refused(topics[i+1]); code != want {
					t.Errorf("%s: %s, want %s", topics[i+1], code, want)
				}
			}
		}
	})
}
