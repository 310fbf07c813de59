package realtime

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// origin is scheme, host and port (RFC 6454), normalised: lower case, and
// without the port that the scheme has anyway.
type origin struct{ scheme, host string }

// parseOrigin reads an origin as browsers send it. "null" is none.
func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return origin{}, false
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return origin{}, false
	}
	return origin{scheme, normalHost(u.Host, scheme)}, true
}

func normalHost(host, scheme string) string {
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// originPolicy decides which pages may connect.
type originPolicy struct{ allowed map[origin]bool }

func newOriginPolicy(allowed []string) (originPolicy, error) {
	p := originPolicy{allowed: make(map[origin]bool, len(allowed))}
	for _, s := range allowed {
		o, ok := parseOrigin(s)
		if !ok || strings.ContainsAny(o.host, "*?[") && !strings.HasPrefix(o.host, "[") {
			return p, fmt.Errorf("realtime: Config.AllowedOrigins: %q is not of the form https://host or https://host:port", s)
		}
		p.allowed[o] = true
	}
	return p, nil
}

var errOrigin = problem.New(problem.Forbidden, "origin_forbidden", "pages of this origin may not connect")

// check refuses a request that a foreign page may have caused. A browser always
// names the page's origin and sends cookies by itself, so a cookie without an
// origin is refused too; a program sends neither.
func (p originPolicy) check(r *http.Request) error {
	sent := r.Header.Values("Origin")
	switch {
	case len(sent) == 0 && r.Header.Get("Cookie") == "":
		return nil
	case len(sent) != 1:
		return errOrigin
	}
	o, ok := parseOrigin(sent[0])
	if !ok {
		return errOrigin
	}
	// Without TLS of our own a proxy may have ended it, so both schemes are the
	// page's own host; with it, a page of http is somebody else.
	same := o.host == normalHost(r.Host, o.scheme) && (r.TLS == nil || o.scheme == "https")
	if !same && !p.allowed[o] {
		return errOrigin
	}
	return nil
}
