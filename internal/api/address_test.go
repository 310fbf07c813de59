package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// T138: keys, limits and the record have one truth for where a request comes from:
// the client behind the proxies that are trusted, and nobody else's header.
func TestT138_OneTruthForTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testdb.SQLite(t), basePath)
	w.cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	a, err := newAPI(w.cfg)
	must(t, err)
	for remote, want := range map[string]string{"10.1.2.3:7": "198.51.100.9", "192.0.2.1:7": "192.0.2.1", "@": "invalid IP"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "10.1.2.3, 198.51.100.9")
		ctx := a.withRequest(r)
		if got := auth.AddressFrom(ctx).String(); got != want {
			t.Errorf("from %s: the context says %s, want %s", remote, got, want)
		}
		if got := auth.RequestAddress(r.WithContext(ctx)).String(); got != want {
			t.Errorf("from %s: the request says %s, want %s", remote, got, want)
		}
	}
}
