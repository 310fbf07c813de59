package oidc_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/jetadmin/jetadmin/internal/oidc"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// timeline is a clock that moves when told.
type timeline struct {
	mu  sync.Mutex
	now time.Time
}

func (l *timeline) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *timeline) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// bundle is a provider of ours and the server that it believes.
type bundle struct {
	*oidc.Provider
	server *oidctest.Server
	time   *timeline
}

func setup(t *testing.T, change ...func(*oidc.Config)) bundle {
	t.Helper()
	b := bundle{time: &timeline{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	b.server = oidctest.Start(t, b.time.Now)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	c := oidc.Config{
		Audiences: []string{oidctest.ClientID}, ClientID: oidctest.ClientID, Clock: b.time.Now, HTTP: client, Issuer: b.server.URL,
	}
	for _, f := range change {
		f(&c)
	}
	b.Provider = oidc.New(c)
	return b
}

func (b bundle) good(t *testing.T, token string) oidc.Claims {
	t.Helper()
	c, err := b.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("a good token is refused: %v", err)
	}
	return c
}

// bad fails unless a token is refused for what it is.
func (b bundle) bad(t *testing.T, name, token string) {
	t.Helper()
	c, err := b.Verify(t.Context(), token)
	if err == nil {
		t.Errorf("%s: believed as %+v", name, c)
	} else if problem.KindOf(err) != problem.Internal {
		t.Errorf("%s: refused with %v, which is no fault of the token", name, err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.good(t, b.server.Sign(b.server.Claims(map[string]any{"sub": "7", "email": "ada@example.com", "email_verified": "true", "auth_time": 5})))
	if c.Subject != "7" || c.Text("email") != "ada@example.com" || !c.Bool("email_verified") || c.Bool("email") || c.Time("auth_time").Unix() != 5 {
		t.Errorf("claims are %+v", c)
	}
	for range 20 {
		b.good(t, b.server.Token("8"))
	}
	if n := b.server.Asked("/keys"); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

// T49: whatever is wrong with a token is a reason to refuse it.
func TestT49_ForgedTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rsaKey, err := oidctest.NewRSAKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	s := b.server
	ec := s.Key()
	s.Use(rsaKey)
	now := b.time.Now()
	with := func(more map[string]any) string { return s.Sign(s.Claims(more)) }
	without := func(name string) string {
		claims := s.Claims(nil)
		delete(claims, name)
		return s.Sign(claims)
	}
	b.good(t, with(nil))
	b.good(t, s.SignWith(ec, s.Claims(nil), nil))

	encode := base64.RawURLEncoding.EncodeToString
	parts := strings.Split(with(nil), ".")
	none := encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	public, err := x509.MarshalPKIXPublicKey(rsaKey.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(key []byte) string {
		return s.SignRaw(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: key, KeyID: rsaKey.ID}}, s.Claims(nil), nil)
	}
	stranger := oidctest.NewKey()
	own := stranger.Public()
	named := func(id string) string {
		return s.SignWith(&oidctest.Key{ID: id, Algorithm: stranger.Algorithm, Private: stranger.Private}, s.Claims(nil), nil)
	}
	for name, token := range map[string]string{
		"empty":                  "",
		"not a token":            "a.b.c",
		"alg none":               none,
		"alg None":               encode([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".",
		"alg none, signed":       encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2],
		"no signature":           parts[0] + "." + parts[1] + ".",
		"changed claims":         parts[0] + "." + encode([]byte(`{"iss":"`+s.URL+`","aud":"`+oidctest.ClientID+`","sub":"1","exp":99999999999}`)) + "." + parts[2],
		"HMAC with public DER":   hmac(public),
		"HMAC with public PEM":   hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"another key":            s.SignWith(stranger, s.Claims(nil), nil),
		"another key, kid taken": named(ec.ID),
		"kid path":               named("../../../../dev/null"),
		"kid URL":                named("https://evil.example.com/key"),
		"kid SQL":                named("x' UNION SELECT 'key' --"),
		"no kid":                 named(""),
		"JWK in the header":      s.SignWith(stranger, s.Claims(nil), map[jose.HeaderKey]any{"jwk": own}),
		"jku in the header":      s.SignWith(stranger, s.Claims(nil), map[jose.HeaderKey]any{"jku": "https://evil.example.com/keys"}),
		"unknown crit":           s.SignWith(ec, s.Claims(nil), map[jose.HeaderKey]any{"crit": []string{"x"}, "x": true}),
		"a log-out token":        s.SignWith(ec, s.Claims(nil), map[jose.HeaderKey]any{"typ": "logout+jwt"}),
		"an event":               with(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}),
		"wrong aud":              with(map[string]any{"aud": "somebody-else"}),
		"aud with a prefix":      with(map[string]any{"aud": oidctest.ClientID + "-2"}),
		"no aud":                 without("aud"),
		"wrong iss":              with(map[string]any{"iss": "https://evil.example.com"}),
		"iss with a slash":       with(map[string]any{"iss": s.URL + "/"}),
		"no iss":                 without("iss"),
		"wrong azp":              with(map[string]any{"azp": "somebody-else"}),
		"no sub":                 without("sub"),
		"empty sub":              with(map[string]any{"sub": ""}),
		"sub is a number":        with(map[string]any{"sub": 7}),
		"future nbf":             with(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
		"future iat":             with(map[string]any{"iat": now.Add(time.Minute).Unix()}),
		"expired now":            with(map[string]any{"exp": now.Unix()}),
		"expired by 1 s":         with(map[string]any{"exp": now.Add(-time.Second).Unix()}),
		"no exp":                 without("exp"),
		"exp is a text":          with(map[string]any{"exp": "tomorrow"}),
		"1 MB":                   with(map[string]any{"x": strings.Repeat("x", 1<<20)}),
		"1 MB header":            s.SignWith(ec, s.Claims(nil), map[jose.HeaderKey]any{"x": strings.Repeat("x", 1<<20)}),
		"encrypted":              "a.b.c.d.e",
	} {
		b.bad(t, name, token)
	}
	if n := s.Asked("/keys"); n != 1 {
		t.Errorf("forged tokens had the keys asked for %d times", n)
	}
}

// A key of RSA that is too short to trust is no key.
func TestT49_ShortKeysAreNotUsed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	short, err := oidctest.NewRSAKey(1024)
	if err != nil {
		t.Fatal(err)
	}
	b.server.Use(short)
	b.bad(t, "1024 bits", b.server.Token("7"))
}

func TestT49_OnlyTheAlgorithmsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *oidc.Config) { c.Algorithms = []string{"RS256"} })
	b.bad(t, "ES256", b.server.Token("7"))
}

func TestAudiencesAndParties(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *oidc.Config) { c.Audiences, c.Parties = []string{"api", "old-api"}, []string{"app"} })
	for name, c := range map[string]struct {
		aud, azp any
		good     bool
	}{
		"an audience":            {"api", "api", true},
		"one of several":         {[]string{"x", "old-api"}, "app", true},
		"a party":                {"api", "app", true},
		"this client as party":   {"api", oidctest.ClientID, true},
		"another party":          {"api", "other", false},
		"T49: no party":          {"api", nil, false},
		"the party as audience":  {"app", nil, false},
		"the client as audience": {oidctest.ClientID, nil, false},
	} {
		claims := b.server.Claims(map[string]any{"aud": c.aud})
		if c.azp != nil {
			claims["azp"] = c.azp
		}
		if c.good {
			b.good(t, b.server.Sign(claims))
		} else {
			b.bad(t, name, b.server.Sign(claims))
		}
	}
}

// T49: an access token (RFC 9068) names its client, which may be another one of the
// same issuer.
func TestT49_AccessTokensOfOtherClients(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *oidc.Config) { c.Audiences = []string{"api"} })
	for name, c := range map[string]struct {
		kind   string
		claims map[string]any
		good   bool
	}{
		"an ID token without a party":  {"JWT", nil, true},
		"this client":                  {"at+jwt", map[string]any{"client_id": oidctest.ClientID}, true},
		"this client as azp":           {"at+jwt", map[string]any{"azp": oidctest.ClientID}, true},
		"nobody":                       {"at+jwt", nil, false},
		"nobody, the long type":        {"application/AT+JWT", nil, false},
		"another client":               {"at+jwt", map[string]any{"client_id": "other"}, false},
		"another client without type":  {"JWT", map[string]any{"client_id": "other"}, false},
		"another client beside a good": {"at+jwt", map[string]any{"client_id": "other", "azp": oidctest.ClientID}, false},
	} {
		claims := b.server.Claims(map[string]any{"aud": "api"})
		for claim, value := range c.claims {
			claims[claim] = value
		}
		token := b.server.SignWith(b.server.Key(), claims, map[jose.HeaderKey]any{"typ": c.kind})
		if c.good {
			b.good(t, token)
		} else {
			b.bad(t, name, token)
		}
	}
}

// A new key is found at once, a withdrawn one is forgotten, and tokens with made-up
// keys do not become a flood of requests.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, old := b.server.Key(), b.server.Token("7")
	b.good(t, old)
	b.time.pass(oidc.AskPause)
	b.server.Rotate()
	b.good(t, b.server.Token("7"))
	b.good(t, old)
	if n := b.server.Asked("/keys"); n != 2 {
		t.Errorf("the keys were asked for %d times, want 2", n)
	}

	b.time.pass(oidc.AskPause)
	for range 100 {
		b.bad(t, "a made-up key", b.server.SignWith(oidctest.NewKey(), b.server.Claims(nil), nil))
	}
	if n := b.server.Asked("/keys"); n != 3 {
		t.Errorf("made-up keys had the keys asked for %d times, want 3", n)
	}

	b.server.Withdraw()
	b.time.pass(oidc.RefreshEvery)
	fresh := b.server.Claims(nil)
	b.good(t, b.server.Sign(fresh))
	b.bad(t, "a withdrawn key", b.server.SignWith(first, fresh, nil))
}

func TestManyAskOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.server.Token("7")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := b.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := b.server.Asked("/keys"); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

// T140: an issuer that does not answer is not a bad token; known keys stay good for
// a day.
func TestT140_IssuerIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	verify := func() error {
		_, err := b.Verify(t.Context(), b.server.Token("7"))
		return err
	}
	b.server.SetDown(true)
	for range 5 {
		if err := verify(); !problem.Is(err, problem.Unavailable) {
			t.Fatalf("got %v, want Unavailable", err)
		}
	}
	if n := b.server.Asked("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("it was asked %d times at once", n)
	}
	b.server.SetDown(false)
	b.time.pass(oidc.AskPause)
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	b.server.SetDown(true)
	b.time.pass(oidc.KeepFor - time.Minute)
	if err := verify(); err != nil {
		t.Errorf("known keys are not used: %v", err)
	}
	b.time.pass(time.Minute)
	if err := verify(); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
}

// hangable is a transport that never gets an answer while it hangs.
type hangable struct {
	http.RoundTripper
	hangs atomic.Bool
	gate  chan struct{} // lets go whoever waits
}

func (h *hangable) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.hangs.Load() {
		select {
		case <-h.gate:
		case <-r.Context().Done():
		}
		return nil, errors.New("no answer")
	}
	return h.RoundTripper.RoundTrip(r)
}

// T140: who comes with a known key does not wait for an issuer that hangs.
func TestT140_IssuerHangs(t *testing.T) {
	t.Parallel()
	transport := &hangable{RoundTripper: &http.Transport{DisableKeepAlives: true}, gate: make(chan struct{})}
	t.Cleanup(func() { close(transport.gate) })
	b := setup(t, func(c *oidc.Config) { c.HTTP = &http.Client{Transport: transport} })
	b.good(t, b.server.Token("7"))
	transport.hangs.Store(true)
	b.time.pass(oidc.RefreshEvery)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // an attempt takes ten
	defer cancel()
	for range 2 {
		if _, err := b.Verify(ctx, b.server.Token("7")); err != nil {
			t.Error(err)
		}
	}
}

func TestCallerWhoLeavesDoesNotWait(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(gate) })
	b := setup(t, func(c *oidc.Config) { c.Issuer = server.URL })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.AuthURL(ctx, "s", "n", oidc.NewVerifier()); err == nil || ctx.Err() == nil {
		t.Errorf("got %v before the context ended", err)
	}
}

// What an issuer sends is judged before it is used.
func TestDiscoveryDocuments(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"another issuer":  `{"issuer":"https://evil.example.com","authorization_endpoint":"URL/a","token_endpoint":"URL/t","jwks_uri":"URL/keys"}`,
		"a file":          `{"issuer":"URL","authorization_endpoint":"URL/a","token_endpoint":"URL/t","jwks_uri":"file:///etc/passwd"}`,
		"a script":        `{"issuer":"URL","authorization_endpoint":"javascript:alert(1)","token_endpoint":"URL/t","jwks_uri":"URL/keys"}`,
		"a user":          `{"issuer":"URL","authorization_endpoint":"http://a@evil.example.com","token_endpoint":"URL/t","jwks_uri":"URL/keys"}`,
		"nothing":         `{}`,
		"not JSON":        `<html>`,
		"no keys":         `{"issuer":"URL","authorization_endpoint":"URL/a","token_endpoint":"URL/t"}`,
		"no end":          `{"issuer":"` + strings.Repeat("x", 2<<20),
		"keys are a page": `{"issuer":"URL","authorization_endpoint":"URL/a","token_endpoint":"URL/t","jwks_uri":"URL/page"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var base string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/.well-known/openid-configuration":
					_, _ = w.Write([]byte(strings.ReplaceAll(document, "URL", base)))
				case "/keys":
					_, _ = w.Write([]byte(`{"keys":[]}`))
				default:
					_, _ = w.Write([]byte("<html>"))
				}
			}))
			t.Cleanup(server.Close)
			base = server.URL
			b := setup(t, func(c *oidc.Config) { c.Issuer = base })
			if to, err := b.AuthURL(t.Context(), "s", "n", oidc.NewVerifier()); !problem.Is(err, problem.Unavailable) {
				t.Errorf("believed: %q, %v", to, err)
			}
		})
	}
}

func FuzzIssuer(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.")
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AA")
	f.Fuzz(func(t *testing.T, token string) {
		if issuer, ok := oidc.Issuer(token); ok != (issuer != "") {
			t.Errorf("%q is of %q, %v", token, issuer, ok)
		}
	})
}
