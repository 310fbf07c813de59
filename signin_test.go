package jetadmin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// signIns are an App with every kind of sign-in, at a public address.
func signIns(t *testing.T, cfg jetadmin.Config) (issuer *oidctest.Server, links chan auth.PasswordReset, app *jetadmintest.App, c *caller) {
	t.Helper()
	issuer = oidctest.Start(t, nil)
	links = make(chan auth.PasswordReset, 10)
	cfg.BasePath, cfg.PublicURL, cfg.ResetURL = "/admin", "https://tools.example.com", "https://tools.example.com/new-password"
	cfg.Egress.AllowHosts = []string{strings.TrimPrefix(issuer.URL, "http://")}
	cfg.Authenticators = []auth.Authenticator{auth.OIDC(auth.OIDCConfig{
		ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Issuer: issuer.URL, Name: "test", Title: "Company",
	})}
	cfg.Hooks.Auth.SendPasswordReset = func(_ context.Context, link auth.PasswordReset) error {
		links <- link
		return nil
	}
	app = jetadmintest.Start(t, cfg)
	c = reach(t, app)
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	issuer.Register("https://tools.example.com/admin/api/v1/auth/oidc/test/callback")
	return issuer, links, app, c
}

// forged are headers by which a caller pretends that the server is another one.
func (c *caller) forged() *caller {
	return c.with("X-Forwarded-Host", "evil.example.com").with("X-Forwarded-Prefix", "/evil").with("Forwarded", "host=evil.example.com").
		with("Referer", "https://evil.example.com/")
}

// From the button to a session: the redirects, the cookies, and where they lead.
func TestT45_SignInByTheBrowser(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		issuer, _, _, nobody := signIns(t, cfg)
		issuer.SignIn(map[string]any{"sub": "7", "name": "Grace"})
		var list struct {
			Items []struct{ Name, Title, URL string }
		}
		nobody.call("GET", "/auth/providers", nil).want(http.StatusOK).into(&list)
		if len(list.Items) != 1 || list.Items[0].Title != "Company" || list.Items[0].URL != "/admin/api/v1/auth/oidc/test/start" {
			t.Fatalf("the providers are %+v", list)
		}
		nobody.call("GET", "/auth/oidc/nobody/start?next=/", nil).want(http.StatusNotFound)
		nobody.call("GET", "/auth/oidc/test/start", nil).want(http.StatusUnprocessableEntity)
		for _, next := range []string{"//evil.example.com", `/\evil.example.com`, "https:evil.example.com", "javascript:alert(1)", "/\r\nX: y"} {
			nobody.call("GET", "/auth/oidc/test/start?next="+url.QueryEscape(next), nil).want(http.StatusUnprocessableEntity) // T44
		}
		nobody.call("GET", "/auth/oidc/test/callback", nil).want(http.StatusUnprocessableEntity)
		nobody.call("GET", "/auth/oidc/test/callback?state=x&code=y&session_state=z", nil).want(http.StatusUnauthorized)
		page := nobody.with("Accept", "text/html,*/*").call("GET", "/auth/oidc/test/callback?error=%3Cscript%3E&state=x", nil).want(http.StatusUnauthorized)
		if kind := page.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") || strings.Contains(string(page.Body), "<script>") ||
			!strings.Contains(string(page.Body), "<h1>") || page.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("a browser is shown %s: %s", kind, page.Body)
		}

		// T41: the way back is the configured one, whatever the request says.
		begun := nobody.forged().with("X-Forwarded-Proto", "https").call("GET", "/auth/oidc/test/start?next=/admin/x%3Fy=1", nil).want(http.StatusFound)
		to, err := url.Parse(begun.Header.Get("Location"))
		must(t, err)
		if got := to.Query().Get("redirect_uri"); got != "https://tools.example.com/admin/api/v1/auth/oidc/test/callback" {
			t.Errorf("the issuer is told to come back to %q", got)
		}
		kept := cookies(begun)[0]
		if !kept.HttpOnly || !kept.Secure || kept.SameSite != http.SameSiteLaxMode || kept.Path != "/admin" || kept.Domain != "" {
			t.Errorf("the cookie of the log-in is %+v", kept)
		}
		back, err := nobody.http.Get(to.String())
		must(t, err)
		_ = back.Body.Close()
		answer, err := back.Location()
		must(t, err)
		path := "/auth/oidc/test/callback?" + answer.RawQuery

		planted := nobody.with("Cookie", auth.CookieName+"=jas_planted; "+kept.Name+"="+kept.Value)
		done := planted.call("GET", path, nil).want(http.StatusSeeOther)
		if got := done.Header.Get("Location"); got != "/admin/x?y=1" {
			t.Errorf("it leads to %q", got)
		}
		var session *http.Cookie
		for _, cookie := range cookies(done) {
			switch cookie.Name {
			case auth.CookieName:
				session = cookie
			case kept.Name:
				if cookie.MaxAge >= 0 {
					t.Errorf("the cookie of the log-in stays: %+v", cookie)
				}
			}
		}
		if session == nil || session.Value == "jas_planted" || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode {
			t.Fatalf("the session cookie is %+v", session)
		}
		if name := nobody.with("Cookie", session.Name+"="+session.Value).call("GET", "/auth/me", nil).want(http.StatusOK).text("user.name"); name != "Grace" {
			t.Errorf("signed in as %q", name)
		}
		planted.call("GET", path, nil).want(http.StatusUnauthorized)
		nobody.bearer(issuer.Token("7")).call("GET", "/auth/me", nil).want(http.StatusOK)
		nobody.bearer(issuer.Sign(issuer.Claims(map[string]any{"aud": "x"}))).call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	})
}

func cookies(r *reply) []*http.Cookie { return (&http.Response{Header: r.Header}).Cookies() }

// T40, T41: the link is the configured page, and what is no token of it is refused.
func TestT41_ResetLinksAreOfTheConfiguredPage(t *testing.T) {
	t.Parallel()
	_, links, app, nobody := signIns(t, quiet(t))
	email := app.Owner.User.Email
	known := nobody.forged().call("POST", "/auth/password/forgot", object{"email": email}).want(http.StatusAccepted)
	unknown := nobody.call("POST", "/auth/password/forgot", object{"email": "nobody@example.com"}).want(http.StatusAccepted)
	if string(known.Body) != string(unknown.Body) {
		t.Errorf("the answers are %q and %q", known.Body, unknown.Body)
	}
	link := <-links
	token, ok := strings.CutPrefix(link.URL, "https://tools.example.com/new-password#token=")
	if !ok || link.User.ID != app.Owner.User.ID {
		t.Fatalf("the link is %s for %+v", link.URL, link.User)
	}
	for _, body := range []any{
		object{}, object{"token": nil, "password": "four random words here"}, object{"token": []string{token}, "password": "four random words here"},
		object{"token": token}, object{"token": token, "password": "short"}, object{"token": token, "password": "four random words here", "userId": "x"},
	} {
		nobody.call("POST", "/auth/password/reset", body).want(http.StatusUnprocessableEntity)
	}
	good := object{"token": token, "password": "four random words here"}
	nobody.call("POST", "/auth/password/reset", object{"token": "", "password": "four random words here"}).want(http.StatusUnauthorized)
	nobody.call("POST", "/auth/password/reset", good).want(http.StatusNoContent)
	nobody.call("POST", "/auth/password/reset", good).want(http.StatusUnauthorized)
	nobody.call("POST", "/auth/login", object{"email": email, "password": "four random words here"}).want(http.StatusOK)
}

// T138: attempts count for the client behind a trusted proxy; a header alone moves
// nobody to another address.
func TestT138_LimitsSeeTheClientsAddress(t *testing.T) {
	t.Parallel()
	begin := func(c *caller, from string) int {
		return c.with("X-Forwarded-For", from).call("GET", "/auth/oidc/test/start?next=/", nil).Status
	}
	flooded := func(c *caller, from func(n int) string) bool {
		for n := range 500 {
			if begin(c, from(n)) == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	trusting := quiet(t)
	trusting.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	_, _, _, behind := signIns(t, trusting)
	if !flooded(behind, func(n int) string { return fmt.Sprintf("192.0.2.%d, 198.51.100.7", n%250) }) {
		t.Error("a client that makes up who was before him is not limited")
	}
	if got := begin(behind, "198.51.100.8"); got != http.StatusFound {
		t.Errorf("another client behind the same proxy got %d", got)
	}
	_, _, _, direct := signIns(t, quiet(t))
	if !flooded(direct, func(n int) string { return fmt.Sprintf("192.0.2.%d", n%250) }) {
		t.Error("a client whose header nobody trusts is another one each time")
	}
}
