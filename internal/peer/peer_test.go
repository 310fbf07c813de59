package peer_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/peer"
)

func TestClient(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, c := range map[string]struct {
		remote, want string
		forwarded    []string
	}{
		"T138: a stranger with the header":   {"192.0.2.9:1", "192.0.2.9", []string{"198.51.100.1"}},
		"nothing forwarded":                  {"10.0.0.1:1", "10.0.0.1", nil},
		"one proxy":                          {"10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1"}},
		"two proxies":                        {"10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1, 10.0.0.2"}},
		"two headers":                        {"10.0.0.1:1", "198.51.100.1", []string{"203.0.113.7, 198.51.100.1", "10.0.0.2"}},
		"T138: made up before the proxy":     {"10.0.0.1:1", "198.51.100.1", []string{"203.0.113.7, 198.51.100.1"}},
		"T138: a proxy's own address, first": {"10.0.0.1:1", "198.51.100.1", []string{"10.0.0.7, 198.51.100.1"}},
		"all are proxies":                    {"10.0.0.1:1", "10.0.0.3", []string{"10.0.0.3, 10.0.0.2"}},
		"not an address":                     {"10.0.0.1:1", "10.0.0.1", []string{"198.51.100.1, unknown"}},
		"with a port":                        {"10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1:4711"}},
		"version 6":                          {"[2001:db8::1]:1", "2001:4860::7", []string{"2001:4860::7"}},
		"version 4 in 6":                     {"[::ffff:10.0.0.1]:1", "198.51.100.1", []string{"::ffff:198.51.100.1"}},
		"a socket":                           {"@", "@", []string{"198.51.100.1"}},
		"an endless chain":                   {"10.0.0.1:1", "10.0.0.2", []string{"198.51.100.1" + strings.Repeat(", 10.0.0.2", 1000)}},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := peer.Client(r, proxies); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("10.0.0.1:1", "1.2.3.4, 10.0.0.2")
	f.Add("[::1]:1", ",,, unknown")
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = remote, []string{forwarded}
		if got := peer.Client(r, nil); got != remote {
			if ip, ok := peer.Address(remote); !ok || ip.String() != got {
				t.Errorf("without proxies %q is %q", remote, got)
			}
		}
		peer.Client(r, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	})
}
