package realtime_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/realtime"
)

// page is the real client of Socket.IO, in node.
type page struct {
	t    *testing.T
	said <-chan string
}

func openPage(t *testing.T, url, token, runID string) page {
	t.Helper()
	return page{t, testdb.Node(t, "socket.io-client", "testdata/socketio/watch.js", url, "/socket.io/", token, runID)}
}

// says waits for a line that begins with the words.
func (p page) says(words string) {
	p.t.Helper()
	select {
	case line, ok := <-p.said:
		if !ok || !strings.HasPrefix(line, words) {
			p.t.Fatalf("want %s…, the page says %s", words, line)
		}
	case <-time.After(time.Minute): // node has to begin
		p.t.Fatalf("the page does not say %s", words)
	}
}

// The client of npm joins a run, hears of it in the names of the reference
// product, comes back when the connection is torn, and stays away when it is told.
func TestSocketIORealClient(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.PingInterval = 100 * time.Millisecond })
	var mu sync.Mutex
	var conns []net.Conn
	mux := http.NewServeMux()
	mux.HandleFunc("/socket.io/", w.ServeSocketIO)
	front := httptest.NewUnstartedServer(mux)
	front.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateHijacked {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
		}
	}
	front.Start()
	t.Cleanup(front.Close)
	p := openPage(t, front.URL, "ann", "1")
	joined := func() {
		t.Helper()
		p.says(`["connect"]`)
		p.says(`["joined",{"ok":true,"topic":"run:1","seq":`)
		w.publish(t, "run:1", "run.node.updated", json.RawMessage(`{"runId":"1","key":"charge","status":"succeeded"}`))
		p.says(`["workflow_node_update",{"instanceID":"1","nodeID":"charge","status":"success","error":null},{"topic":"run:1","seq":`)
	}
	joined()
	w.publish(t, "run:1", "run.updated", json.RawMessage(`{"id":"1","status":"succeeded"}`))
	p.says(`["workflow_status_update",{"instanceID":"1","status":"COMPLETED","error":null}`)
	<-time.After(time.Second) // the client answers the pings meanwhile, or the connection would end
	mu.Lock()
	for _, c := range conns {
		_ = c.Close()
	}
	mu.Unlock()
	p.says(`["disconnect","transport close",1006]`)
	joined()
	w.forbid("ann", "run:1")
	p.says(`["live_error",{"topic":"run:1","code":"subscription_ended"`)
	w.signOut("ann")
	p.says(`["disconnect","io server disconnect"`)
}

func TestSocketIORealClientWithoutRights(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	w.allow("bob")
	p := openPage(t, w.url, "bob", "1")
	p.says(`["connect"]`)
	p.says(`["joined",{"ok":false,"topic":"run:1","code":"not_found","detail":"`)
	openPage(t, w.url, "eve", "1").says(`["connect_error","unauthenticated",{"code":"unauthenticated","detail":"`)
}
