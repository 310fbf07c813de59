package httpapi

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// Auth puts the credentials of a datasource on a request. It is safe for
// concurrent use.
type Auth interface {
	// apply waits for a token when it needs one.
	apply(ctx context.Context, r *http.Request) error

	// refused hears that the API answered 401 to a request. It reports whether
	// another try would carry other credentials.
	refused(r *http.Request) bool

	// reveal lists what must not be shown, as it may come back in an answer.
	reveal() []string
}

// NoAuth sends no credentials.
func NoAuth() Auth { return fixed{put: func(*http.Request) {}} }

// Basic sends a user name and a password.
func Basic(username string, password secret.Text) Auth {
	put := func(r *http.Request) { r.SetBasicAuth(username, password.Reveal()) }
	sample := &http.Request{Header: http.Header{}}
	put(sample)
	return fixed{put, []string{password.Reveal(), sample.Header.Get("Authorization")[len("Basic "):]}}
}

// Bearer sends a token.
func Bearer(token secret.Text) Auth {
	return HeaderKey("Authorization", "Bearer ", token)
}

// HeaderKey sends a key in a header of its own, behind a prefix.
func HeaderKey(header, prefix string, key secret.Text) Auth {
	return fixed{func(r *http.Request) { r.Header.Set(header, prefix+key.Reveal()) }, []string{key.Reveal()}}
}

// QueryKey sends a key in the query of the URL, where proxies and logs of the
// other side see it.
func QueryKey(name string, key secret.Text) Auth {
	return fixed{func(r *http.Request) {
		q := r.URL.Query()
		q.Set(name, key.Reveal())
		r.URL.RawQuery = q.Encode()
	}, []string{key.Reveal()}}
}

// fixed are credentials that stay the same.
type fixed struct {
	put    func(*http.Request)
	secret []string
}

func (f fixed) apply(_ context.Context, r *http.Request) error { f.put(r); return nil }
func (fixed) refused(*http.Request) bool                       { return false }
func (f fixed) reveal() []string                               { return f.secret }
