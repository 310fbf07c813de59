package api

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

const password = "correct horse battery staple"

// From the token in the log to a session, its cookie, and its end.
func TestSetupLoginLogout(t *testing.T) {
	t.Parallel()
	w := setup(t)
	token, err := w.cfg.Auth.PrepareSetup(t.Context())
	must(t, err)
	first := map[string]any{"token": token, "email": "ada@example.com", "password": password, "name": "Ada"}
	begun := w.anonymous().call("POST", "/auth/setup", first).want(201)
	if begun.Header.Get("Location") != basePath+apiPrefix+"/auth/me" {
		t.Fatalf("Location is %q", begun.Header.Get("Location"))
	}
	w.anonymous().call("POST", "/auth/setup", first).want(409)

	login := map[string]any{"email": "ada@example.com", "password": password}
	w.anonymous().call("POST", "/auth/login", map[string]any{"email": "ada@example.com", "password": "wrong"}).want(401)
	in := w.anonymous().call("POST", "/auth/login", login).want(200)
	cookie := oneCookie(t, in)
	if cookie.Name != auth.CookieName || cookie.Value != in.text("token") || cookie.Path != basePath || !cookie.HttpOnly ||
		cookie.SameSite != http.SameSiteLaxMode || cookie.Secure || cookie.Domain != "" {
		t.Fatalf("the cookie is %+v", cookie)
	}

	browser := w.anonymous().with("Cookie", cookie.Name+"="+cookie.Value)
	browser.call("GET", "/auth/me", nil).want(200)
	browser.call("PATCH", "/auth/me", `{"name":"Ada L"}`).want(403) // T49: says not from where
	own := browser.with("Sec-Fetch-Site", "same-origin")
	own.with("If-Match", `"1"`).call("PATCH", "/auth/me", `{"name":"Ada L"}`).want(200)
	if n := len(own.call("GET", "/auth/sessions", nil).want(200).field("items").([]any)); n != 2 {
		t.Fatalf("%d sessions", n)
	}
	own.call("DELETE", "/auth/sessions/0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f", nil).want(404)
	own.call("DELETE", "/auth/sessions/x", nil).want(404)
	changed := own.call("POST", "/auth/password", map[string]any{"old": password, "new": password + "!"}).want(200)
	own.call("GET", "/auth/me", nil).want(401) // T45: the token of the call is over as well
	cookie = oneCookie(t, changed)
	if cookie.Name != auth.CookieName || cookie.Value != changed.text("token") {
		t.Fatalf("the new cookie is %+v", cookie)
	}
	browser = w.anonymous().with("Cookie", cookie.Name+"="+cookie.Value)
	own = browser.with("Sec-Fetch-Site", "same-origin")
	w.bearer(begun.text("token")).call("GET", "/auth/me", nil).want(401) // the other session is over

	out := own.call("POST", "/auth/logout", nil).want(204)
	if gone := oneCookie(t, out); gone.Name != auth.CookieName || gone.Value != "" || gone.MaxAge >= 0 || gone.Path != basePath {
		t.Fatalf("the cookie is not taken away: %+v", gone)
	}
	browser.call("GET", "/auth/me", nil).want(401)
	// A dead cookie does not keep anybody from signing in.
	own.call("POST", "/auth/login", map[string]any{"email": "ada@example.com", "password": password + "!"}).want(200)
}

func oneCookie(t *testing.T, a *answer) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%s sets %d cookies", a.what, len(cookies))
	}
	return cookies[0]
}

func TestCookieOverTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		basePath, cookie string
		prepare          func(*http.Request)
	}{
		"at the root":      {"", hostCookie, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }},
		"below a path":     {basePath, auth.CookieName, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }},
		"behind a proxy":   {"", hostCookie, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }},
		"T45: two proxies": {"", hostCookie, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "HTTPS, http") }},
		"T45: PublicURL":   {"", hostCookie, func(*http.Request) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, testdb.SQLite(t), c.basePath)
			if strings.HasSuffix(name, "PublicURL") {
				w.cfg.PublicURL = "https://tools.example.com"
			}
			var err error
			if w.api, err = New(w.cfg); err != nil {
				t.Fatal(err)
			}
			token, err := w.cfg.Auth.PrepareSetup(t.Context())
			must(t, err)
			body := `{"token":"` + token + `","email":"ada@example.com","password":"` + password + `","name":"Ada"}`
			r := httptest.NewRequestWithContext(t.Context(), "POST", c.basePath+apiPrefix+"/auth/setup", strings.NewReader(body))
			r.Header.Set("Content-Type", jsonType)
			c.prepare(r)
			rec := httptest.NewRecorder()
			w.api.ServeHTTP(rec, r)
			cookie := rec.Result().Cookies()[0]
			if cookie.Name != c.cookie || !cookie.Secure || cookie.Domain != "" || (c.cookie == hostCookie && cookie.Path != "/") {
				t.Fatalf("the cookie is %+v", cookie)
			}
			w.anonymous().with("Cookie", cookie.Name+"="+cookie.Value).call("GET", "/auth/me", nil).want(200)
			// At the root the cookie that only this host can set hides the others; below a
			// path it is another App's, and hides nothing.
			want := 401
			if c.basePath != "" {
				want = 200
			}
			w.anonymous().with("Cookie", hostCookie+"=jas_dead; "+auth.CookieName+"="+cookie.Value).call("GET", "/auth/me", nil).want(want)
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	if etag := ada.call("GET", tenant, nil).want(200).Header.Get("ETag"); etag != `"1"` {
		t.Fatalf("ETag is %s", etag)
	}
	ada.with("If-Match", `"1"`).call("PATCH", tenant, `{"name":"B"}`).want(200)
	for _, stale := range []string{`"1"`, `"3"`, `2`, `W/"2"`, `"2`, `"02"`, `"+2"`, `"0"`, `"x"`, `""`, `"2", "3"`} {
		ada.with("If-Match", stale).call("PATCH", tenant, `{"name":"C"}`).want(412)
	}
	ada.call("PATCH", tenant, `{"name":"C","version":1}`).want(412)
	ada.with("If-Match", `"2"`).call("PATCH", tenant, `{"name":"C","version":1}`).want(422)
	ada.with("If-Match", `"2"`).call("PATCH", tenant, `{"name":"C","version":2}`).want(200)
	ada.with("If-Match", `*`).call("PATCH", tenant, `{"name":"D"}`).want(200)
	if name := ada.call("PATCH", tenant, `{"name":"E"}`).want(200).text("name"); name != "E" {
		t.Fatalf("the name is %q", name)
	}
}

func TestDeleteOfAChangedObject(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	role := ada.call("POST", tenant+"/roles", `{"name":"R","permissions":["query.read"]}`).want(201)
	at := tenant + "/roles/" + role.text("id")
	ada.call("PATCH", at, `{"name":"S"}`).want(200)
	ada.with("If-Match", role.Header.Get("ETag")).call("DELETE", at, nil).want(412)
	ada.with("If-Match", `"2"`).call("DELETE", at, nil).want(204)
	ada.with("If-Match", `"2"`).call("DELETE", at, nil).want(404)
}
