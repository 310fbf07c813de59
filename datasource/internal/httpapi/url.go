package httpapi

import (
	"net/textproto"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// ParseURL reads the URL of an API: one plain origin and path, without user,
// query and fragment. Any other is Invalid.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errURL()
	}
	if err := egress.CheckURL(u); err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(u.EscapedPath(), "..") {
		return nil, errURL()
	}
	return u, nil
}

// ParseTokenURL reads the URL of an OAuth 2 token endpoint, which may have a query.
func ParseTokenURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		return nil, errURL()
	}
	return u, egress.CheckURL(u)
}

func errURL() error { return problem.New(problem.Invalid, "url_invalid", "the URL is not valid") }

// HeaderAllowed refuses the headers that are not a datasource's or a query's to
// set: those that belong to the connection, to proxies, or to authentication.
func HeaderAllowed(name string) bool {
	if !Token(name) {
		return false
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch canonical {
	case "Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection", "Cookie", "Cookie2",
		"Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Encoding",
		"Accept-Encoding", "Expect", "Forwarded", "Via", "X-Real-Ip",
		"X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
		return false
	}
	return !strings.HasPrefix(canonical, "X-Forwarded-")
}

// KeyHeaderAllowed is [HeaderAllowed] for a header that carries credentials.
func KeyHeaderAllowed(name string) bool {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	return canonical == "Authorization" || canonical == "Cookie" || HeaderAllowed(name)
}

// Token reports whether s is a token of RFC 9110, as names of headers are.
func Token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// plainSegments reports whether no segment of an escaped path, decoded, leads
// elsewhere.
func plainSegments(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || decoded == "." || decoded == ".." {
			return false
		}
	}
	return true
}
