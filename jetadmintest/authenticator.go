package jetadmintest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
)

// Requests are what a host's [auth.Authenticator] must tell apart. Each function
// makes a new request.
type Requests struct {
	// Good carries the credential of somebody. Required.
	Good func() *http.Request

	// Bad carry credentials that must not open anything: expired, forged, of another
	// kind. Default: none.
	Bad map[string]func() *http.Request
}

// TestAuthenticator checks that an authenticator of the host's own does what its
// contract says, alone and in an App: who sends nothing is nobody, who sends a good
// credential is always the same person, without any rights of his own, and what is
// bad opens nothing.
func TestAuthenticator(t *testing.T, a auth.Authenticator, r Requests) {
	t.Helper()
	if r.Good == nil {
		t.Fatal("jetadmintest: Requests.Good is required")
	}
	for _, fault := range authenticatorFaults(a, r) {
		t.Error("jetadmintest: " + fault)
	}
	app := Start(t, jetadmin.Config{Authenticators: []auth.Authenticator{a}})
	for _, fault := range appFaults(app, r) {
		t.Error("jetadmintest: in an App: " + fault)
	}
}

// asked is what an authenticator said of a request.
type asked struct {
	who   *auth.Principal
	err   error
	panic any
}

func ask(a auth.Authenticator, r *http.Request) (said asked) {
	defer func() { said.panic = recover() }()
	said.who, said.err = a.Authenticate(r)
	return said
}

func authenticatorFaults(a auth.Authenticator, r Requests) (faults []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	for name, nobody := range nobodies() {
		said := ask(a, nobody)
		check(said.panic == nil, "%s: it panics: %v", name, said.panic)
		check(said.who == nil && said.err == nil, "%s: it says %+v, %v, and it is none of its business: nil, nil", name, said.who, said.err)
	}
	for name, bad := range r.Bad {
		said := ask(a, bad())
		check(said.panic == nil, "%s: it panics: %v", name, said.panic)
		check(said.who == nil, "%s: a bad credential is %+v", name, said.who)
	}
	first := ask(a, r.Good())
	if first.who == nil || first.err != nil || first.panic != nil {
		return append(faults, fmt.Sprintf("a good credential is %+v, %v, panic %v", first.who, first.err, first.panic))
	}
	faults = append(faults, identityFaults(*first.who)...)
	said := *first.who
	said.Claims = maps.Clone(said.Claims)
	same := func(when string, r *http.Request) {
		again := ask(a, r)
		check(again.panic == nil && again.err == nil && again.who != nil && reflect.DeepEqual(*again.who, said),
			"%s the same credential is %+v, %v, panic %v; before it was %+v", when, again.who, again.err, again.panic, said)
	}
	elsewhere := r.Good()
	elsewhere.Method, elsewhere.URL.Path, elsewhere.URL.RawQuery = http.MethodPost, "/api/v1/tenants", "user=admin&sub=admin"
	same("at another path", elsewhere)
	first.who.Subject, first.who.UserID = "somebody else", ""
	clear(first.who.Claims)
	same("after the first answer was changed,", r.Good())
	faults = append(faults, atOnce(a, r, said)...)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	said2 := ask(a, r.Good().WithContext(gone))
	check(said2.panic == nil, "it panics when the caller has gone: %v", said2.panic)
	return faults
}

// nobodies are requests that carry nothing of the host's.
func nobodies() map[string]*http.Request {
	with := func(headers ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/auth/me", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	return map[string]*http.Request{
		"a request without anything":      with(),
		"a request with identity headers": with("X-Forwarded-User", "admin", "Remote-User", "admin", "X-User-Id", "1"),
		"a request with another cookie":   with("Cookie", "a_cookie_of_nobody=1"),
		"a request with a basic password": with("Authorization", "Basic YWRtaW46YWRtaW4="),
	}
}

func identityFaults(p auth.Principal) (faults []string) {
	check := func(ok bool, text string) {
		if !ok {
			faults = append(faults, text)
		}
	}
	check(p.Kind == "" || p.Kind == auth.KindUser, "it says that somebody is no user: only the library makes keys and services")
	check(p.UserID != "" || (p.Issuer != "" && p.Subject != ""), "it names nobody: set Issuer and Subject, or UserID")
	check(p.UserID != "" || p.Issuer != auth.LocalIssuer, "it uses the issuer "+auth.LocalIssuer+", which is the library's")
	check(len(p.Roles)+len(p.Scopes)+len(p.Grants) == 0, "it gives roles, scopes or grants, which come from the tenant alone")
	check(p.KeyID+p.SessionID+p.Service == "", "it sets KeyID, SessionID or Service, which are the library's")
	return faults
}

// atOnce asks from many goroutines; under the race detector this finds state that
// is shared.
func atOnce(a auth.Authenticator, r Requests, want auth.Principal) (faults []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		request := r.Good()
		wg.Go(func() {
			if got := ask(a, request); got.who == nil || got.who.Subject != want.Subject || got.who.UserID != want.UserID {
				mu.Lock()
				defer mu.Unlock()
				faults = append(faults, fmt.Sprintf("asked by many at once it says %+v, %v, panic %v", got.who, got.err, got.panic))
			}
		})
	}
	wg.Wait()
	return slices.Compact(faults)
}

func appFaults(app *App, r Requests) (faults []string) {
	me := func(r *http.Request) (status int, id string) {
		request := r.Clone(r.Context())
		request.Method, request.URL.Path, request.URL.RawQuery, request.Body = http.MethodGet, "/api/v1/auth/me", "", nil
		request.RequestURI, request.URL.RawPath = "", ""
		w := httptest.NewRecorder()
		app.ServeHTTP(w, request)
		var body struct{ User struct{ ID string } }
		_ = json.Unmarshal(w.Body.Bytes(), &body) // a refusal has no user
		return w.Code, body.User.ID
	}
	status, first := me(r.Good())
	if status != http.StatusOK || first == "" {
		faults = append(faults, fmt.Sprintf("a good credential is answered with %d", status))
	}
	if _, again := me(r.Good()); again != first {
		faults = append(faults, "a good credential is another account each time")
	}
	for name, bad := range r.Bad {
		if status, id := me(bad()); status == http.StatusOK || id != "" {
			faults = append(faults, fmt.Sprintf("%s: a bad credential is answered with %d", name, status))
		}
	}
	for name, nobody := range nobodies() {
		if status, _ := me(nobody); status != http.StatusUnauthorized {
			faults = append(faults, fmt.Sprintf("%s is answered with %d", name, status))
		}
	}
	return faults
}
