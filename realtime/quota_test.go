package realtime_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/realtime"
)

// T132: one credential cannot have all connections, and gets back what it gives up.
func TestT132_ACredentialHasItsShare(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxPerCredential = 2 })
	w.allow("bob", "run:1")
	first, _ := w.watch(t, "ann", "run:1")
	upgraded := dial(t, w.url, "Authorization", "Bearer ann")
	upgraded.quiet()
	dial(t, w.url, "Authorization", "Bearer ann").wantClose(realtime.CloseFull)
	third := dial(t, w.url)
	third.send(`{"id":"a","op":"auth","token":"ann"}`)
	third.wantClose(realtime.CloseFull)
	w.enter(t, "bob").quiet()
	first.quiet()

	_ = first.ws.CloseNow()
	eventually(t, patience, "there is room again", func() bool {
		s, _, err := tryDial(t, w.url, "Authorization", "Bearer ann")
		return err == nil && s.trySend(`{"op":"ping"}`) == nil && func() bool { f, err := s.receive(); return err == nil && f.Op == "pong" }()
	})
}

// T132: strangers of one network cannot keep out those of another, and who has
// shown a credential is a stranger no more.
func TestT132_StrangersOfANetworkHaveTheirShare(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxPerAddress = 2 })
	from := func(address string) string {
		ip := netip.MustParseAddr(address)
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.ServeHTTP(rw, r.WithContext(auth.WithAddress(r.Context(), ip)))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	near, alike, far := from("2001:db8::1"), from("2001:db8::2"), from("2001:db8:0:1::1")
	first := dial(t, near)
	dial(t, alike)
	dial(t, near).wantClose(realtime.CloseFull)
	dial(t, far).send(`{"id":"a","op":"auth","token":"ann"}`)
	first.send(`{"id":"a","op":"auth","token":"ann"}`)
	first.want("ok")
	again := dial(t, near)
	again.send(`{"id":"a","op":"auth","token":"ann"}`)
	again.want("ok")
	for range 3 {
		dial(t, w.url) // through a proxy on the machine, which does not tell for whom
	}
	w.enter(t, "ann").quiet()
}
