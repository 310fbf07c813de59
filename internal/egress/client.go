package egress

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a client.
const (
	MaxRedirects      = 5
	MaxResponseHeader = 64 << 10 // bytes
	headerTimeout     = 30 * time.Second
	idleTimeout       = 90 * time.Second
	maxConnsPerHost   = 32
	maxIdlePerHost    = 8
)

// Transport is an HTTP transport that dials by the policy. It ignores the proxy
// variables of the environment, caps the header of a reply, and refuses URLs
// that are not plain http or https. Its owner closes it with
// CloseIdleConnections.
func (p Policy) Transport() *Transport {
	return &Transport{base: &http.Transport{
		DialContext:            p.DialContext,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        idleTimeout,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxResponseHeaderBytes: MaxResponseHeader,
		ResponseHeaderTimeout:  headerTimeout,
		TLSHandshakeTimeout:    dialTimeout,
	}}
}

// Client is an HTTP client on a [Policy.Transport] of its own. It follows at
// most [MaxRedirects] redirects, each judged anew, never from https to http.
// From the first hop to another origin on, headers that the caller set and the
// body stay behind. It keeps no cookies. It has no overall timeout: give each
// request a context that ends.
func (p Policy) Client() *http.Client {
	return &http.Client{Transport: p.Transport(), CheckRedirect: checkRedirect}
}

// Transport is an [http.RoundTripper], see [Policy.Transport].
type Transport struct{ base *http.Transport }

// RoundTrip sends one request.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := CheckURL(r.URL); err != nil {
		return nil, err
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// CheckURL is an Invalid error unless u is an absolute http or https URL with a
// host and without user information: another parser could read such a URL as
// another host.
func CheckURL(u *url.URL) error {
	var faults problem.Faults
	faults.Check(u.Scheme == "http" || u.Scheme == "https", "url", "must begin with http:// or https://")
	faults.Check(u.Hostname() != "" && u.Opaque == "", "url", "must have a host")
	faults.Check(u.User == nil, "url", "must not contain a user name or password")
	return faults.Err("url_invalid", "the URL is not valid")
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > MaxRedirects {
		return problem.Newf(problem.Upstream, "too_many_redirects", "the server redirected more than %d times", MaxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return problem.New(problem.Upstream, "redirect_refused", "the server redirected from https to an unencrypted address")
	}
	r.URL.User = nil
	r.Header.Del("Referer") // it would carry the query of the URL before, and with it an API key
	if slices.ContainsFunc(via, func(earlier *http.Request) bool { return !SameOrigin(earlier.URL, r.URL) }) {
		leaveBehind(r)
	}
	return nil
}

// leaveBehind makes r a request that knows nothing of the origin it came from.
func leaveBehind(r *http.Request) {
	kept := http.Header{}
	for _, name := range []string{"Accept", "Accept-Language", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			kept[name] = v
		}
	}
	r.Header = kept
	if r.Method != http.MethodHead {
		r.Method = http.MethodGet
	}
	r.Body, r.GetBody, r.ContentLength = nil, nil, 0
}

// SameOrigin reports whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return fmt.Sprintf("%s://%s:%s", u.Scheme, strings.ToLower(u.Hostname()), port)
}
