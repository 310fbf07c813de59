package api

import (
	"net/http/httptest"
	"testing"

	"github.com/jetadmin/jetadmin/internal/testdb"
)

// The sockets have one address each, below every base path, and no other method.
func TestAddressesOfSockets(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", basePath} {
		server := httptest.NewServer(setupOn(t, testdb.SQLite(t), base).api)
		defer server.Close()
		for _, c := range []struct {
			method, target string
			status         int
		}{
			{"GET", "/api/v1/ws", 426},
			{"GET", "/socket.io/", 426},
			{"GET", "/socket.io/?EIO=4&transport=websocket", 426}, // the hub judges it
			{"HEAD", "/socket.io/", 426},
			{"POST", "/socket.io/?EIO=4&transport=polling&sid=x", 405},
			{"GET", "/socket.io", 404},
			{"GET", "/socket.io//", 404},
			{"GET", "/socket.io/x", 404},
			{"GET", "/socket.io/x/", 404},
			{"GET", "/socket.io/../api/v1/ws", 404},
			{"GET", "//socket.io/", 404},
			{"GET", "/Socket.IO/", 404},
			{"GET", "/socket%2eio/", 404},
			{"GET", "/api/v1/socket.io/", 404},
			{"GET", "/api/v1/ws/", 404},
			{"GET", "/healthz/", 404},
			{"GET", "/socket.io/?EIO=4&EIO=3", 422},
		} {
			if got := raw(t, server, c.method, base+c.target).StatusCode; got != c.status {
				t.Errorf("%s %s: %d, want %d", c.method, base+c.target, got, c.status)
			}
		}
	}
}
