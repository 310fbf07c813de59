package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// bearerOf is a host's sign-in that knows one bearer token.
func bearerOf(token, subject string) auth.Authenticator {
	return auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			return nil, nil
		}
		return &auth.Principal{Issuer: "host", Subject: subject}, nil
	})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *auth.Config) { c.Authenticators = []auth.Authenticator{bearerOf("of-the-host", "7")} })
		u := b.user(ada)
		tenantID := b.tenant(u)
		session, _ := b.login(ada)
		_, key, err := b.CreateKey(b.in(tenantID, u), auth.NewKey{Name: "ci", Scopes: []auth.Permission{"query.*"}})
		if err != nil {
			t.Fatal(err)
		}
		over, ctx := b.login(ada)
		if err := b.Logout(ctx); err != nil {
			t.Fatal(err)
		}

		const refused, nobody = "refused", "nobody"
		cookie := func(token string) []string { return []string{"Cookie", auth.CookieName + "=" + token} }
		for name, c := range map[string]struct {
			headers []string
			want    string
		}{
			"nothing":                          {nil, nobody},
			"a session token":                  {[]string{"Authorization", "Bearer " + session}, "user:" + u.ID},
			"in another spelling":              {[]string{"Authorization", "bearer  " + session}, "user:" + u.ID},
			"a session cookie":                 {cookie(session), "user:" + u.ID},
			"a key as bearer":                  {[]string{"Authorization", "Bearer " + key}, "apiKey"},
			"a key in its own header":          {[]string{"X-Api-Key", key}, "apiKey"},
			"a key beside a cookie":            {append(cookie(session), "X-Api-Key", key), "apiKey"},
			"the host's token":                 {[]string{"Authorization", "Bearer of-the-host"}, "host"},
			"the host's token beside a cookie": {append(cookie(session), "Authorization", "Bearer of-the-host"), "host"},
			"a proxy's token beside a cookie":  {append(cookie(session), "Authorization", "Bearer of-a-proxy"), "user:" + u.ID},
			"a basic log-in beside a cookie":   {append(cookie(session), "Authorization", "Basic YTpi"), "user:" + u.ID},
			"a dead cookie before a good one":  {append(cookie(over), cookie(session)...), "user:" + u.ID},

			"a dead session":             {[]string{"Authorization", "Bearer " + over}, refused},
			"a dead cookie":              {cookie(over), refused},
			"an empty cookie":            {cookie(""), refused},
			"an unknown bearer":          {[]string{"Authorization", "Bearer something"}, refused},
			"an unknown key":             {[]string{"X-Api-Key", "something"}, refused},
			"T46: two keys":              {[]string{"X-Api-Key", key, "X-Api-Key", key}, refused},
			"T46: two authorizations":    {[]string{"Authorization", "Bearer " + session, "Authorization", "Bearer " + session}, refused},
			"T46: a key and a session":   {[]string{"X-Api-Key", key, "Authorization", "Bearer " + session}, refused},
			"T46: a proxy's identity":    {[]string{"X-Remote-User", ada, "X-Forwarded-User", ada, "Remote-User", u.ID}, nobody},
			"a session in a key's place": {[]string{"X-Api-Key", session}, "user:" + u.ID},
		} {
			p, err := b.Authenticate(request(t, c.headers...))
			got := nobody
			switch {
			case err != nil:
				got = refused
				wantKind(t, err, problem.Unauthenticated)
			case p != nil && p.Kind == auth.KindAPIKey:
				got = "apiKey"
			case p != nil && p.Issuer == "host":
				got = "host"
			case p != nil:
				got = p.Actor()
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
	})
}

// T45: a session that somebody else has put into a browser is not taken for that of the
// user, nor is his own while it is there.
func TestT45_SessionsOfTwoUsersAreNone(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		b.user("bob@example.com")
		adas, _ := b.login(ada)
		again, _ := b.login(ada)
		bobs, _ := b.login("bob@example.com")
		cookies := func(tokens ...string) *http.Request {
			r := request(t)
			for _, token := range tokens {
				r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: token})
			}
			return r
		}
		for _, two := range [][]string{{adas, bobs}, {bobs, adas}, {"gone", bobs, adas}} {
			_, err := b.Authenticate(cookies(two...))
			wantKind(t, err, problem.Unauthenticated)
		}
		for _, one := range [][]string{{adas}, {"gone", adas}, {again, adas}} {
			if p, err := b.Authenticate(cookies(one...)); err != nil || p.Email != "ada@example.com" {
				t.Errorf("%+v (%v)", p, err)
			}
		}
	})
}

func TestDeadCookieDoesNotHideTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		c.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
			return &auth.Principal{Issuer: "host", Subject: "7"}, nil
		})}
	})
	p, err := b.Authenticate(request(t, "Cookie", auth.CookieName+"=gone"))
	if err != nil || p.Subject != "7" {
		t.Errorf("got %+v, %v, want the host's user", p, err)
	}
}

func TestT54_NothingInTheURLIsACredential(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.user(ada)
	token, _ := b.login(ada)
	for _, query := range []string{"token=", "access_token=", "api_key=", "apikey=", "X-API-Key=", auth.CookieName + "="} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query+token, nil)
		r.Header.Set("Referer", "https://example.com/?"+query+token)
		if p, err := b.Authenticate(r); p != nil || err != nil {
			t.Errorf("%s: %+v, %v, want an anonymous request", query, p, err)
		}
	}
}

func TestAuthenticateToken(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) { c.Authenticators = []auth.Authenticator{bearerOf("of-the-host", "7")} })
	if p := b.known("of-the-host"); p.Subject != "7" {
		t.Errorf("got %+v, want the host's user", p)
	}
	for _, token := range []string{"", "jas_", "jak_", "jau_", "something"} {
		b.dead(token)
	}
}

// A credential that cannot be judged is nobody else's.
func TestFailureIsNotAnotherIdentity(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		c.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(*http.Request) (*auth.Principal, error) {
			t.Error("the host was asked")
			return nil, nil
		})}
	})
	b.user(ada)
	token, _ := b.login(ada)
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, headers := range [][]string{{"Authorization", "Bearer " + token}, {"Cookie", auth.CookieName + "=" + token}} {
		p, err := b.Authenticate(request(t, headers...))
		wantKind(t, err, problem.Internal)
		if p != nil {
			t.Errorf("got %+v", p)
		}
	}
}
