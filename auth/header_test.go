package auth_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func proxied(t *testing.T, proxies ...netip.Prefix) *bundle {
	return setup(t, testdb.SQLite(t), func(c *auth.Config) {
		c.Authenticators = []auth.Authenticator{auth.TrustedHeader(auth.HeaderConfig{
			Issuer: "https://proxy.example.com", Subject: "X-Forwarded-User", Email: "X-Forwarded-Email", Proxies: proxies,
		})}
	})
}

// T46: a proxy's headers are those of the listed proxies, and nobody else's.
func TestT46_OnlyListedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	b, closed := proxied(t, netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::1/128")), proxied(t)
	for name, c := range map[string]struct {
		from    string
		headers []string
		who     string
		kind    problem.Kind
	}{
		"the proxy":                {"10.1.2.3:1", []string{"X-Forwarded-User", "7", "X-Forwarded-Email", ada}, "7", ""},
		"the proxy, as IPv6":       {"[::ffff:10.1.2.3]:1", []string{"X-Forwarded-User", "7"}, "7", ""},
		"another proxy":            {"[2001:db8::1]:1", []string{"X-Forwarded-User", "7"}, "7", ""},
		"a stranger":               {"192.0.2.1:1", []string{"X-Forwarded-User", "7"}, "", ""},
		"a stranger, as the proxy": {"192.0.2.1:1", []string{"X-Forwarded-User", "7", "X-Forwarded-For", "10.1.2.3", "X-Real-Ip", "10.1.2.3"}, "", ""},
		"not an address":           {"@", []string{"X-Forwarded-User", "7"}, "", ""},
		"nobody":                   {"10.1.2.3:1", nil, "", ""},
		"an empty name":            {"10.1.2.3:1", []string{"X-Forwarded-User", ""}, "", ""},
		"twice":                    {"10.1.2.3:1", []string{"X-Forwarded-User", "7", "X-Forwarded-User", "8"}, "", problem.Unauthenticated},
		"twice the same":           {"10.1.2.3:1", []string{"X-Forwarded-User", "7", "x-forwarded-user", "7"}, "", problem.Unauthenticated},
		"two addresses":            {"10.1.2.3:1", []string{"X-Forwarded-User", "7", "X-Forwarded-Email", "a", "X-Forwarded-Email", "b"}, "", problem.Unauthenticated},
		"not text":                 {"10.1.2.3:1", []string{"X-Forwarded-User", "7\x00"}, "", problem.Unauthenticated},
		"other headers":            {"10.1.2.3:1", []string{"Remote-User", "7", "X-Remote-User", "7"}, "", ""},
	} {
		r := request(t, c.headers...)
		r.RemoteAddr = c.from
		p, err := b.Authenticate(r)
		if got := subject(p); got != c.who || (c.kind == "") != (err == nil) || (err != nil && problem.KindOf(err) != c.kind) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.who)
		}
		if p, err := closed.Authenticate(r); p != nil || err != nil {
			t.Errorf("%s, without any proxy: %+v, %v", name, p, err)
		}
	}
}

func subject(p *auth.Principal) string {
	if p == nil {
		return ""
	}
	return p.Subject
}

func TestTrustedHeaderConfigurations(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]auth.HeaderConfig{
		"Issuer":          {Subject: "X-User"},
		"Issuer ":         {Subject: "X-User", Issuer: auth.LocalIssuer},
		"Subject must":    {Issuer: "proxy"},
		"Subject is":      {Issuer: "proxy", Subject: "cookie"},
		"Email and Name":  {Issuer: "proxy", Subject: "X-User", Email: "X User"},
		"Proxies has one": {Issuer: "proxy", Subject: "X-User", Proxies: []netip.Prefix{{}}},
	} {
		_, err := auth.New(auth.Config{Authenticators: []auth.Authenticator{auth.TrustedHeader(c)}})
		if err == nil || !strings.Contains(err.Error(), "Authenticators[0]: "+strings.TrimSpace(want)) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
}
