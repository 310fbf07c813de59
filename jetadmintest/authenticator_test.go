package jetadmintest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
)

// cookied makes requests with the cookie of a host.
func cookied(value string) func() *http.Request {
	return func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "shop_session", Value: value})
		return r
	}
}

func shopRequests() Requests {
	return Requests{Good: cookied("grace"), Bad: map[string]func() *http.Request{"an old session": cookied("old")}}
}

// shop is an authenticator as a host writes one, with something wrong in it.
func shop(wrong func(r *http.Request, cookie string, p *auth.Principal) (*auth.Principal, error)) auth.Authenticator {
	return auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
		cookie, err := r.Cookie("shop_session")
		if err != nil {
			return wrong(r, "", nil)
		}
		if cookie.Value != "grace" {
			return wrong(r, cookie.Value, nil)
		}
		return wrong(r, cookie.Value, &auth.Principal{Issuer: "shop", Subject: "7", Claims: map[string]any{"team": "sales"}})
	})
}

func TestAuthenticatorOfAHost(t *testing.T) {
	t.Parallel()
	TestAuthenticator(t, shop(func(_ *http.Request, cookie string, p *auth.Principal) (*auth.Principal, error) {
		if cookie != "" && p == nil {
			return nil, errors.New("the session is over")
		}
		return p, nil
	}), shopRequests())
}

// Each way to break the contract is found.
func TestAuthenticatorsThatAreWrong(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	shared := &auth.Principal{Issuer: "shop", Subject: "7"}
	for name, wrong := range map[string]func(*http.Request, string, *auth.Principal) (*auth.Principal, error){
		"refuses who sends nothing": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p == nil {
				return nil, errors.New("sign in")
			}
			return p, nil
		},
		"panics": func(_ *http.Request, cookie string, p *auth.Principal) (*auth.Principal, error) {
			return &auth.Principal{Issuer: p.Issuer, Subject: cookie}, nil
		},
		"believes every cookie": func(_ *http.Request, cookie string, p *auth.Principal) (*auth.Principal, error) {
			if cookie != "" {
				return &auth.Principal{Issuer: "shop", Subject: "7"}, nil
			}
			return p, nil
		},
		"believes identity headers": func(r *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if user := r.Header.Get("X-Forwarded-User"); user != "" {
				return &auth.Principal{Issuer: "shop", Subject: user}, nil
			}
			return p, nil
		},
		"gives roles": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil {
				p.Roles = []string{"owner"}
			}
			return p, nil
		},
		"names nobody": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil {
				p.Subject = ""
			}
			return p, nil
		},
		"is the local issuer": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil {
				p.Issuer = auth.LocalIssuer
			}
			return p, nil
		},
		"names another one each time": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil {
				p.Subject = string(rune('a' + count.Add(1)))
			}
			return p, nil
		},
		"reads the query": func(r *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil && r.URL.Query().Has("user") {
				p.Subject = r.URL.Query().Get("user")
			}
			return p, nil
		},
		"hands out one principal": func(_ *http.Request, _ string, p *auth.Principal) (*auth.Principal, error) {
			if p != nil {
				return shared, nil
			}
			return nil, nil
		},
	} {
		if faults := authenticatorFaults(shop(wrong), shopRequests()); len(faults) == 0 {
			t.Errorf("who %s is not found", name)
		}
	}
}
