package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

const clientSecret = "canary+client/secret"

// tokenServer gives tokens, and is the API that takes the newest of them.
type tokenServer struct {
	server *httptest.Server

	mu       sync.Mutex
	requests []string      // to the token URL: its form and its credentials
	reply    func() string // "" = a token
	status   int
	life     string
	tokens   int
	strict   bool // only the newest token is taken
	calls    int  // to the API
	gate     chan struct{}
	waiting  chan struct{}
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	s := &tokenServer{status: http.StatusOK, life: `, "expires_in": 3600`}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.token(w, r)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls++
		current := r.Header.Get("Authorization") == fmt.Sprintf("Bearer canary-token-%d", s.tokens)
		if s.tokens == 0 || s.strict && !current || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer canary-token-") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{"body": string(body)})
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *tokenServer) token(w http.ResponseWriter, r *http.Request) {
	if s.gate != nil {
		s.waiting <- struct{}{}
		<-s.gate
	}
	_ = r.ParseForm()
	user, password, _ := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.PostForm.Encode()+" "+user+":"+password)
	w.WriteHeader(s.status)
	if s.reply != nil {
		_, _ = io.WriteString(w, s.reply())
		return
	}
	s.tokens++
	_, _ = fmt.Fprintf(w, `{"access_token": "canary-token-%d", "token_type": "Bearer"%s}`, s.tokens, s.life)
}

func (s *tokenServer) fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *tokenServer) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strict = true
	s.tokens++ // a token that nobody was given
}

func (s *tokenServer) settings() datasource.Settings {
	return datasource.Settings{
		Values: map[string]any{
			"baseUrl": s.server.URL + "/v1", "auth": "oauth2", "tokenUrl": s.server.URL + "/token", "clientId": "the client",
			"clientAuth": "header", "scope": "read write", "apiKeyName": "X-API-Key",
		},
		Secrets: map[string]secret.Text{"clientSecret": secret.NewText(clientSecret)},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

// run opens settings and sends one POST.
func run(t *testing.T, conn datasource.Conn, ctx context.Context) error {
	t.Helper()
	op, err := rest.Connector().Parse(json.RawMessage(`{"method": "POST", "path": "/notes", "body": {"v": "{{ v }}"}}`))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.(datasource.Execer).Exec(ctx, datasource.Statement{Operation: op, Params: map[string]any{"v": "kept"}, MaxRows: 10, MaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	row, err := rows.Next()
	if err == nil && row[0] != `{"v":"kept"}` {
		t.Errorf("the API got %v", row[0])
	}
	return err
}

func open(t *testing.T, s datasource.Settings) datasource.Conn {
	t.Helper()
	if err := rest.Connector().(datasource.SettingsChecker).CheckSettings(s); err != nil {
		t.Fatal(err)
	}
	conn, err := rest.Connector().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change map[string]any
		want   string
	}{
		"header":   {nil, "POST grant_type=client_credentials&scope=read+write the+client:canary%2Bclient%2Fsecret"},
		"body":     {map[string]any{"clientAuth": "body"}, "POST client_id=the+client&client_secret=canary%2Bclient%2Fsecret&grant_type=client_credentials&scope=read+write :"},
		"audience": {map[string]any{"audience": "https://api.test/", "scope": ""}, "POST audience=https%3A%2F%2Fapi.test%2F&grant_type=client_credentials the+client:canary%2Bclient%2Fsecret"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokenServer(t)
			settings := s.settings()
			for field, v := range c.change {
				settings.Values[field] = v
			}
			conn := open(t, settings)
			for range 3 {
				if err := run(t, conn, t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.fetched() != 1 || s.requests[0] != c.want {
				t.Errorf("the token URL got %q, want once %q", s.requests, c.want)
			}
		})
	}
}

func TestOneFetchServesAllWhoWait(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	s.gate, s.waiting = make(chan struct{}), make(chan struct{}, 100)
	conn := open(t, s.settings())
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- run(t, conn, leaving) }()
	<-s.waiting
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			if err := run(t, conn, t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	leave() // the one who began the fetch: it goes on for the others
	if err := <-left; err == nil {
		t.Error("who left got an answer")
	}
	close(s.gate)
	group.Wait()
	if n := s.fetched(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestARefusedTokenIsFetchedAgainOnce(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	conn := open(t, s.settings())
	if err := run(t, conn, t.Context()); err != nil {
		t.Fatal(err)
	}
	s.revoke()
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := run(t, conn, t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := s.fetched(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

func TestATokenThatStaysRefusedIsTriedTwice(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	conn := open(t, s.settings())
	s.strict = true
	s.reply = func() string { return `{"access_token": "other", "token_type": "bearer"}` }
	err := run(t, conn, t.Context())
	if err == nil || s.fetched() != 2 || s.calls != 2 {
		t.Errorf("%d fetches, %d calls, %v; want 2 and 2 and a refusal", s.fetched(), s.calls, err)
	}
	if err := conn.Ping(t.Context()); problem.Of(err).Code != "credentials_refused" {
		t.Errorf("Ping: %v", err)
	}
}

func TestAShortTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	for life, want := range map[string]int{`, "expires_in": 0`: 3, `, "expires_in": "3600"`: 1, ``: 1} {
		s := newTokenServer(t)
		s.life = life
		conn := open(t, s.settings())
		for range 3 {
			if err := run(t, conn, t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s.fetched() != want {
			t.Errorf("%q: %d fetches, want %d", life, s.fetched(), want)
		}
	}
}

func TestBadTokenReplies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		reply  string
		code   string
		tells  string
	}{
		"refused":        {401, `{"error": "invalid_client", "error_description": "canary"}`, "token_refused", "401 Unauthorized: invalid_client"},
		"other words":    {400, `{"error": "canary <script>"}`, "token_refused", "400 Bad Request"},
		"a page":         {500, `<html>canary</html>`, "token_refused", "500"},
		"a redirect":     {302, ``, "token_refused", "302"},
		"not JSON":       {200, `access_token=canary`, "token_invalid", ""},
		"no token":       {200, `{"token_type": "bearer"}`, "token_invalid", ""},
		"a header in it": {200, `{"access_token": "a\r\nX-Injected: 1"}`, "token_invalid", ""},
		"another type":   {200, `{"access_token": "canary", "token_type": "mac"}`, "token_invalid", ""},
		"too long":       {200, `{"access_token": "` + strings.Repeat("a", 17<<10) + `"}`, "token_invalid", ""},
		"endless":        {200, strings.Repeat(" ", 65<<10), "response_too_large", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokenServer(t)
			s.status, s.reply = c.status, func() string { return c.reply }
			conn := open(t, s.settings())
			err := run(t, conn, t.Context())
			e := problem.Of(err)
			if e == nil || e.Kind != problem.Upstream || e.Code != c.code || e.Remedy == "" || !strings.Contains(e.Message, c.tells) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error tells what was answered: %v", err)
			}
			if s.calls != 0 {
				t.Error("the API was asked without a token")
			}
			s.mu.Lock()
			s.status, s.reply = http.StatusOK, nil
			s.mu.Unlock()
			if err := run(t, conn, t.Context()); err != nil {
				t.Errorf("it is of no more use: %v", err)
			}
		})
	}
}

// The token URL is under the rules of the base URL: the policy, and no redirect
// takes the client secret elsewhere.
func TestT75_TheTokenURLObeysTheEgressPolicy(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	secretive := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the address was reached with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(secretive.Close)
	settings := s.settings()
	settings.Values["tokenUrl"] = secretive.URL + "/token"
	settings.Egress = egress.Policy{AllowHosts: []string{strings.TrimPrefix(s.server.URL, "http://")}}
	err := run(t, open(t, settings), t.Context())
	if e := problem.Of(err); e == nil || e.Code != "egress_refused" || e.Kind != problem.Forbidden {
		t.Errorf("got %v", err)
	}

	redirecting := httptest.NewServer(http.RedirectHandler(secretive.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	settings = s.settings()
	settings.Values["tokenUrl"] = redirecting.URL
	err = run(t, open(t, settings), t.Context())
	if e := problem.Of(err); e == nil || e.Code != "token_refused" {
		t.Errorf("got %v", err)
	}
}

func TestOAuth2SettingsAreChecked(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	checker := rest.Connector().(datasource.SettingsChecker)
	for field, values := range map[string][]string{
		"tokenUrl": {"", "x", "ftp://x/", "http://a@x/", "http://x/#y", "file:///etc/passwd"},
		"clientId": {""},
	} {
		for _, v := range values {
			settings := s.settings()
			settings.Values[field] = v
			if e := problem.Of(checker.CheckSettings(settings)); e == nil || len(e.Faults) != 1 || e.Faults[0].Path != "settings."+field {
				t.Errorf("%s %q: %v", field, v, e)
			}
		}
	}
	settings := s.settings()
	settings.Secrets = nil
	if e := problem.Of(checker.CheckSettings(settings)); e == nil || e.Faults[0].Path != "secrets.clientSecret" {
		t.Errorf("without a secret: %v", e)
	}
	settings = s.settings()
	settings.Values["baseUrl"] = "https://api.test/"
	if e := problem.Of(checker.CheckSettings(settings)); e == nil || e.Faults[0].Path != "settings.tokenUrl" {
		t.Errorf("a token URL without TLS for an API with it: %v", e)
	}
}
