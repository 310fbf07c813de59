package api

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/problem"
)

// The limits on what stands in front of a body.
const (
	maxURL    = 8 << 10
	maxHeader = 32 << 10
)

// admit checks what concerns every request, before anything looks at what it
// asks for.
func (a *API) admit(r *http.Request) error {
	switch {
	case len(r.RequestURI) > maxURL:
		return refuse(http.StatusRequestURITooLong, "url_too_long", "the URL is too long")
	case headerSize(r.Header) > maxHeader:
		return refuse(http.StatusRequestHeaderFieldsTooLarge, "header_too_large", "the header is too large")
	case !a.canonical(r.URL):
		return refuse(http.StatusNotFound, "not_found", "there is nothing at this path")
	}
	if err := a.checkOrigin(r); err != nil {
		return err
	}
	return checkQuery(r.URL.RawQuery)
}

func headerSize(h http.Header) int {
	size := 0
	for name, values := range h {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

// canonical reports whether the path is the one spelling of a route: ServeMux
// would redirect some other spellings and decode others, and a proxy in front
// may have judged what stood there before.
func (a *API) canonical(u *url.URL) bool {
	rest, ok := strings.CutPrefix(u.Path, a.cfg.BasePath)
	plain := plainPath(rest) && rest+"/" != socketIOPath || rest == socketIOPath
	return ok && u.RawPath == "" && plain
}

// plainPath reports whether p begins with a slash, ends without one, and has
// only plain segments.
func plainPath(p string) bool {
	return len(p) > 1 && p[0] == '/' && path.Clean(p) == p && !strings.ContainsFunc(p, isSpecial)
}

func isSpecial(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("/-_.~", c)
}

// checkQuery refuses a query string that two readers could understand
// differently, or that no database can hold.
func checkQuery(raw string) error {
	if raw == "" {
		return nil
	}
	var f problem.Faults
	values, err := url.ParseQuery(raw)
	f.Check(err == nil, "query", "is not a valid query string")
	for name, given := range values {
		f.Check(len(given) == 1, fault(name, "").Path, "is given more than once")
		f.Check(isText(name) && isText(given[0]), fault(name, "").Path, "is not text")
	}
	if len(f.List()) == 0 {
		return nil
	}
	return invalid(f.List())
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
