package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

const redirect = "https://tools.example.com/admin/callback"

// issued is a service that believes an issuer of the test's own.
type issued struct {
	*bundle
	issuer *oidctest.Server
	http   *http.Client // of a browser
	keys   *secret.Keyring
}

func setupIssuer(t *testing.T, db *store.DB, change ...func(*auth.OIDCConfig)) issued {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	b := issued{http: client}
	b.bundle = setup(t, db, func(c *auth.Config) {
		b.issuer = oidctest.Start(t, c.Clock)
		b.issuer.Register(redirect)
		cfg := auth.OIDCConfig{
			ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Claims: []string{"team"}, Issuer: b.issuer.URL, Name: "test",
		}
		for _, f := range change {
			f(&cfg)
		}
		outside(t, c)
		b.keys = c.Keys
		c.Authenticators = append(c.Authenticators, auth.OIDC(cfg))
	})
	return b
}

// outside gives a service the way to issuers.
func outside(t *testing.T, c *auth.Config) {
	t.Helper()
	c.HTTP = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	keys, err := secret.NewKeyring(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	c.Keys = keys
	c.CallbackURL = func(string) string { return redirect }
}

// begin begins a log-in and goes to the issuer with it: what it answers is what
// the browser comes back with.
func (b issued) begin(next string) (auth.SignInBegun, auth.SignInAnswer) {
	b.t.Helper()
	begun, err := b.BeginSignIn(b.t.Context(), auth.SignIn{Provider: "test", Next: next})
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := b.http.Get(begun.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil {
		b.t.Fatalf("the issuer answers %d: %v", response.StatusCode, err)
	}
	q := back.Query()
	return begun, auth.SignInAnswer{
		Provider: "test", Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error"),
		Secret: func(name string) string {
			if name != begun.Cookie {
				return ""
			}
			return begun.Secret
		},
	}
}

func (b issued) finish(in auth.SignInAnswer) (auth.Login, string, error) {
	return b.FinishSignIn(b.t.Context(), in)
}

// signIn is a whole log-in that succeeds.
func (b issued) signIn(claims map[string]any) auth.Login {
	b.t.Helper()
	b.issuer.SignIn(claims)
	_, answer := b.begin("/admin/")
	login, _, err := b.finish(answer)
	if err != nil {
		b.t.Fatal(err)
	}
	return login
}

func (b issued) bearer(token string) (*auth.Principal, error) {
	return b.Authenticate(request(b.t, "Authorization", "Bearer "+token))
}

func TestOIDCInTheBrowser(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setupIssuer(t, db)
		if got := b.Providers(); len(got) != 1 || got[0].Name != "test" || got[0].Title != "test" {
			t.Errorf("providers are %+v", got)
		}
		b.issuer.SignIn(map[string]any{"sub": "7", "name": "Ada", "email": ada, "email_verified": true, "team": "sales", "other": 1})
		begun, answer := b.begin("/admin/queries?tab=1")
		if to, err := url.Parse(begun.URL); err != nil || to.Query().Get("code_challenge") == "" || to.Query().Get("nonce") == "" {
			t.Errorf("the browser is sent to %s", begun.URL)
		}
		login, next, err := b.finish(answer)
		if err != nil || next != "/admin/queries?tab=1" {
			t.Fatalf("finish: %q, %v", next, err)
		}
		if login.User.Issuer != b.issuer.URL || login.User.Subject != "7" || login.User.Email != ada || login.User.Name != "Ada" {
			t.Errorf("the account is %+v", login.User)
		}
		p := b.known(login.Token)
		if want := map[string]any{"team": "sales"}; p.UserID != login.User.ID || p.SessionID == "" || !reflect.DeepEqual(p.Claims, want) {
			t.Errorf("the principal is %+v, want the claims %v", p, want)
		}
		if got, want := b.actions(""), []string{"user.provision", "session.login"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
		if again := b.signIn(map[string]any{"sub": "7"}); again.User.ID != login.User.ID {
			t.Error("the second log-in is another account")
		}
	})
}

// What is refused at an issuer is in the record, like a wrong password.
func TestRefusedSignInIsRecorded(t *testing.T) {
	t.Parallel()
	b := setupIssuer(t, testdb.SQLite(t))
	var told []audit.Denial
	b.OnDenied(func(d audit.Denial) { told = append(told, d) })
	_, answer := b.begin("/")
	answer.State = "made up"
	_, _, err := b.finish(answer)
	wantCode(t, err, "sign_in_failed")
	if len(told) != 1 || told[0].Action != "session.login" || told[0].Code != "sign_in_failed" {
		t.Errorf("recorded %+v", told)
	}
}

// A log-in is finished once, in time, by the browser that began it.
func TestSignInIsOfOneBrowserOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setupIssuer(t, db)
		b.issuer.SignIn(map[string]any{"sub": "7"})
		refused := func(name string, in auth.SignInAnswer) {
			t.Helper()
			login, _, err := b.finish(in)
			wantCode(t, err, "sign_in_failed")
			if login.Token != "" {
				t.Errorf("%s: a session began", name)
			}
		}
		_, answer := b.begin("/")
		if _, _, err := b.finish(answer); err != nil {
			t.Fatal(err)
		}
		refused("the same again", answer)

		_, answer = b.begin("/")
		mine := answer.Secret
		answer.Secret = func(string) string { return "" }
		refused("another browser", answer)
		answer.Secret = mine
		refused("the own browser after another", answer)

		_, one := b.begin("/")
		_, two := b.begin("/")
		one.Secret = two.Secret
		refused("the secret of another log-in", one)

		_, answer = b.begin("/")
		answer.State = "guessed"
		refused("a state that is not known", answer)

		_, answer = b.begin("/")
		b.time.pass(auth.SignInFor)
		refused("too late", answer)

		_, answer = b.begin("/")
		answer.Issuer = "https://evil.example.com"
		refused("another issuer", answer)
		_, answer = b.begin("/")
		answer.Issuer = ""
		refused("no issuer, though it always says so", answer)

		_, answer = b.begin("/")
		answer.Code = "guessed"
		refused("a code that is not known", answer)

		_, one = b.begin("/")
		_, two = b.begin("/")
		one.Code = two.Code
		refused("the code of another log-in (PKCE)", one)

		b.issuer.SignIn(nil)
		_, answer = b.begin("/")
		if answer.Error == "" {
			t.Fatal("the issuer did not refuse")
		}
		refused("refused at the issuer", answer)

		for name, claims := range map[string]map[string]any{
			"another nonce":        {"nonce": "x"},
			"another audience":     {"aud": "somebody-else"},
			"several without azp":  {"aud": []string{oidctest.ClientID, "somebody-else"}},
			"issued to another":    {"azp": "somebody-else"},
			"expired":              {"exp": b.time.Now().Unix()},
			"of another issuer":    {"iss": "https://evil.example.com"},
			"of the local issuer":  {"iss": auth.LocalIssuer},
			"without a subject":    {"sub": ""},
			"with a broken name":   {"sub": "a\x00b"},
			"with an endless name": {"sub": strings.Repeat("x", 1000)},
		} {
			b.issuer.SignIn(claims)
			_, answer := b.begin("/")
			refused(name, answer)
		}
		var left int
		if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_signin").Scan(t.Context(), &left); err != nil || left != 1 {
			t.Errorf("%d log-ins are left, want the one that was not tried since the last was over: %v", left, err)
		}
	})
}

// A log-in goes on in another process, with the same keys, and nowhere else.
func TestSignInGoesOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t)
	b := setupIssuer(t, db)
	process := func(keys *secret.Keyring) issued {
		return issued{bundle: setup(t, db, func(c *auth.Config) {
			outside(t, c)
			if keys != nil {
				c.Keys = keys
			}
			c.Authenticators = []auth.Authenticator{auth.OIDC(auth.OIDCConfig{
				ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Issuer: b.issuer.URL, Name: "test",
			})}
		})}
	}
	other, stranger := process(b.keys), process(nil)
	b.issuer.SignIn(map[string]any{"sub": "7"})
	_, answer := b.begin("/")
	if _, _, err := other.finish(answer); err != nil {
		t.Errorf("another process with the same keys: %v", err)
	}
	_, answer = b.begin("/")
	_, _, err := stranger.finish(answer)
	wantCode(t, err, "sign_in_failed")
}

// T44: where a log-in leads to is on this server.
func TestT44_NextStaysOnThisServer(t *testing.T) {
	t.Parallel()
	b := setupIssuer(t, testdb.SQLite(t))
	b.issuer.SignIn(map[string]any{"sub": "7"})
	for _, next := range []string{
		"", "admin", "//evil.example.com", `/\evil.example.com`, `\\evil.example.com`, "https:evil.example.com", "https://evil.example.com",
		"https:///evil.example.com", "javascript:alert(1)", "/\t/evil.example.com", "/\n/evil.example.com", "/x\r\nSet-Cookie: a=b",
		"/%0d%0aSet-Cookie:a=b", "/%5cevil.example.com", "/%2fevil.example.com", "//user@evil.example.com/", "///evil.example.com", "/..//../\x00", "?x", "#x",
		"/" + strings.Repeat("x", 3000), "data:text/html,x", " //evil.example.com", "%2f%2fevil.example.com", "/%",
	} {
		_, err := b.BeginSignIn(t.Context(), auth.SignIn{Provider: "test", Next: next})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%q: %v, want Invalid", next, err)
		}
	}
	for next, want := range map[string]string{
		"/": "/", "/admin/x?y=//z#a": "/admin/x?y=//z#a", "/Zoë": "/Zo%C3%AB", "/a/%20b": "/a/%20b", "/x?next=https://a.example.com": "/x?next=https://a.example.com",
	} {
		_, answer := b.begin(next)
		if _, got, err := b.finish(answer); err != nil || got != want {
			t.Errorf("%q leads to %q, %v", next, got, err)
		}
	}
}

// T42: a connection that began with a token of an issuer ends with it, in a tenant
// too; a session that the issuer began does not.
func TestT42_AConnectionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setupIssuer(t, db)
		session := b.known(b.signIn(map[string]any{"sub": "7"}).Token)
		p, err := b.bearer(b.issuer.Token("7"))
		if err != nil {
			t.Fatal(err)
		}
		tenantID := b.tenant(auth.User{ID: p.UserID})
		inTenant, err := b.Enter(t.Context(), p, tenantID)
		if err != nil {
			t.Fatal(err)
		}
		again := auth.FromContext(auth.NewContext(t.Context(), inTenant))
		b.time.pass(oidctest.TokenFor - time.Second)
		if again, err = b.Revalidate(t.Context(), again); err != nil {
			t.Fatalf("before its end: %v", err)
		}
		b.time.pass(time.Second)
		for _, over := range []*auth.Principal{p, inTenant, again} {
			_, err := b.Revalidate(t.Context(), over)
			wantKind(t, err, problem.Unauthenticated)
		}
		if _, err := b.Revalidate(t.Context(), session); err != nil {
			t.Errorf("the session: %v", err)
		}
	})
}

// T36: whatever e-mail address an issuer names, the account is its own.
func TestT36_IssuersDoNotTakeAccountsOver(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setupIssuer(t, db)
		local := b.user(ada)
		seen := map[string]string{local.ID: "local"}
		for _, claims := range []map[string]any{
			{"sub": "1", "email": ada, "email_verified": true},
			{"sub": "2", "email": "ADA@example.com", "email_verified": true},
			{"sub": "3", "email": "ada+x@example.com"},
			{"sub": ada, "email": ada},
			{"sub": local.ID},
			{"sub": "admin"},
		} {
			u := b.signIn(claims).User
			if first := seen[u.ID]; first != "" {
				t.Errorf("%v is the account of %s", claims, first)
			}
			seen[u.ID] = u.Subject
			p, err := b.bearer(b.issuer.Sign(b.issuer.Claims(claims)))
			if err != nil || p.UserID != u.ID {
				t.Errorf("%v: the bearer token is of %+v, %v", claims, p, err)
			}
		}
		if u := b.signIn(map[string]any{"sub": "9", "email": "grace@example.com"}).User; u.Email != "" {
			t.Errorf("an address that nobody has verified is shown: %q", u.Email)
		}
	})
}

// T42: whoever is locked out has neither a session nor a token that is good.
func TestT42_DisabledAtTheIssuersToo(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setupIssuer(t, db)
		login := b.signIn(map[string]any{"sub": "7"})
		token := b.issuer.Token("7")
		if _, err := b.bearer(token); err != nil {
			t.Fatal(err)
		}
		if err := b.SetDisabled(t.Context(), login.User.ID, true); err != nil {
			t.Fatal(err)
		}
		b.dead(login.Token)
		_, err := b.bearer(token)
		wantKind(t, err, problem.Unauthenticated)
		_, answer := b.begin("/")
		_, _, err = b.finish(answer)
		wantCode(t, err, "sign_in_failed")
	})
}

// Several issuers stand side by side; none answers for another.
func TestT49_EachIssuerHasItsOwnKeys(t *testing.T) {
	t.Parallel()
	var other *oidctest.Server
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		outside(t, c)
		first := oidctest.Start(t, c.Clock)
		other = oidctest.Start(t, c.Clock)
		for _, s := range []*oidctest.Server{first, other} {
			c.Authenticators = append(c.Authenticators, auth.OIDC(auth.OIDCConfig{Issuer: s.URL, Audiences: []string{oidctest.ClientID}}))
		}
		c.Authenticators = append(c.Authenticators, bearerOf("opaque", "7"))
	})
	if got := b.Providers(); len(got) != 0 {
		t.Errorf("issuers without a client are providers: %+v", got)
	}
	ask := func(token string) (*auth.Principal, error) {
		return b.Authenticate(request(t, "Authorization", "Bearer "+token))
	}
	p, err := ask(other.Token("7"))
	if err != nil || p.Issuer != other.URL || p.Subject != "7" {
		t.Fatalf("got %+v, %v", p, err)
	}
	if p, err := b.AuthenticateToken(t.Context(), other.Token("7")); err != nil || p.Subject != "7" {
		t.Errorf("as on a socket: %+v, %v", p, err)
	}
	if _, err := ask("opaque"); err != nil {
		t.Errorf("a token that is no JWT does not reach the next: %v", err)
	}
	stranger := oidctest.Start(t, b.time.Now)
	for name, token := range map[string]string{
		"an issuer that nobody knows":      stranger.Token("7"),
		"signed by one in another's name":  stranger.Sign(other.Claims(nil)),
		"of the local issuer":              stranger.Sign(stranger.Claims(map[string]any{"iss": auth.LocalIssuer})),
		"expired by 1 s":                   other.Sign(other.Claims(map[string]any{"exp": b.time.Now().Add(-time.Second).Unix()})),
		"of another audience":              other.Sign(other.Claims(map[string]any{"aud": "x"})),
		"without a signature":              other.Token("7")[:strings.LastIndexByte(other.Token("7"), '.')+1],
		"two in one":                       other.Token("7") + "," + other.Token("7"),
		"a session's mark before the text": "jas_" + other.Token("7"),
	} {
		p, err := ask(token)
		wantKind(t, err, problem.Unauthenticated)
		if p != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestOIDCCheckOfTheHost(t *testing.T) {
	t.Parallel()
	b := setupIssuer(t, testdb.SQLite(t), func(c *auth.OIDCConfig) {
		c.Check = func(_ context.Context, claims map[string]any) error {
			switch claims["hd"] {
			case "example.com":
				return nil
			case "down":
				return problem.New(problem.Forbidden, "not_hired", "you are not hired")
			case "panic":
				panic("of the host")
			}
			return errors.New("another company")
		}
	})
	b.signIn(map[string]any{"sub": "7", "hd": "example.com"})
	for hd, want := range map[string]string{"": "sign_in_failed", "down": "not_hired", "panic": "internal"} {
		b.issuer.SignIn(map[string]any{"sub": "8", "hd": hd})
		_, answer := b.begin("/")
		_, _, err := b.finish(answer)
		wantCode(t, err, want)
		if _, err := b.bearer(b.issuer.Sign(b.issuer.Claims(map[string]any{"hd": hd}))); err == nil {
			t.Errorf("hd %q: the bearer token is good", hd)
		}
	}
}

// T68: an issuer is reached by the way out that the host has opened, and no other.
func TestT68_IssuersAreBehindTheEgressPolicy(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		s := oidctest.Start(t, c.Clock)
		outside(t, c)
		c.HTTP = egress.Policy{}.Client()
		c.Authenticators = []auth.Authenticator{auth.OIDC(auth.OIDCConfig{Issuer: s.URL, ClientID: "x", Name: "test"})}
		t.Cleanup(func() {
			if n := s.Asked("/.well-known/openid-configuration"); n != 0 {
				t.Errorf("the issuer was reached %d times", n)
			}
		})
	})
	_, err := b.BeginSignIn(t.Context(), auth.SignIn{Provider: "test", Next: "/"})
	wantKind(t, err, problem.Unavailable)
}

func TestT138_SignInIsThrottled(t *testing.T) {
	t.Parallel()
	b := setupIssuer(t, testdb.SQLite(t))
	for range auth.AddressAttempts {
		if _, err := b.BeginSignIn(t.Context(), auth.SignIn{Provider: "test", Next: "/", Address: "192.0.2.1"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.BeginSignIn(t.Context(), auth.SignIn{Provider: "test", Next: "/", Address: "192.0.2.1"})
	wantKind(t, err, problem.RateLimited)
	_, answer := b.begin("/")
	answer.Address = "192.0.2.1"
	_, _, err = b.finish(answer)
	wantKind(t, err, problem.RateLimited)
}

// Every mistake in a configuration is named before anything runs.
func TestOIDCConfigurations(t *testing.T) {
	t.Parallel()
	good := auth.OIDCConfig{Issuer: "https://id.example.com", ClientID: "x", Name: "test"}
	for want, change := range map[string]func(*auth.OIDCConfig){
		"":         func(*auth.OIDCConfig) {},
		"Issuer":   func(c *auth.OIDCConfig) { c.Issuer = "http://id.example.com" },
		"Issuer ":  func(c *auth.OIDCConfig) { c.Issuer = "" },
		"Issuer m": func(c *auth.OIDCConfig) { c.Issuer = "https://id.example.com?x=1" },
		"Name":     func(c *auth.OIDCConfig) { c.Name = "../x" },
		"ClientID": func(c *auth.OIDCConfig) { c.ClientID = "" },
		"KeysURL":  func(c *auth.OIDCConfig) { c.KeysURL = "http://keys.example.com" },
		"Scopes":   func(c *auth.OIDCConfig) { c.Scopes = []string{"email"} },
	} {
		c := good
		change(&c)
		_, err := auth.New(auth.Config{Authenticators: []auth.Authenticator{auth.OIDC(c)}})
		if named := err != nil && strings.Contains(err.Error(), "Authenticators[0]: "+want); named != (want != "") {
			t.Errorf("%q: %v", want, err)
		}
	}
	_, err := auth.New(auth.Config{Authenticators: []auth.Authenticator{auth.OIDC(good), auth.OIDC(good)}})
	for _, want := range []string{"HTTP", "CallbackURL", "Keys", "Issuer is that of another", "Name is that of another"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if p, err := auth.OIDC(good).Authenticate(request(t, "Authorization", "Bearer x")); p != nil || err == nil {
		t.Errorf("outside of a service: %+v, %v", p, err)
	}
}
