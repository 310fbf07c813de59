// Package oidctest runs a small OpenID provider for tests: discovery, keys that
// rotate, an authorization and a token endpoint that insist on PKCE. It signs
// whatever a test wants to have signed, so that forged tokens are real ones.
package oidctest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// The client that a server knows.
const (
	ClientID     = "jetadmin-console"
	ClientSecret = "Q7ZK4M2XW9TPLVCE5R8NHDYB3GJ6SAFU" // so odd that it can be looked for
)

// Server is an OpenID provider on a port of its own. Its methods are safe for
// concurrent use.
type Server struct {
	URL string // the issuer

	http *httptest.Server

	mu       sync.Mutex
	keys     []*Key
	now      func() time.Time
	person   map[string]any   // the claims of who is signed in here; nil = nobody
	redirect string           // where a code may be sent
	grants   map[string]grant // by code
	down     bool
	asked    map[string]int // requests by path
}

// Start runs a provider with one key until the test ends. now is its clock; nil is
// the machine's.
func Start(t testing.TB, now func() time.Time) *Server {
	t.Helper()
	s := New(now)
	t.Cleanup(s.Close)
	return s
}

// New is [Start] for whoever is no test: it ends with Close.
func New(now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	s := &Server{now: now, grants: map[string]grant{}, asked: map[string]int{}}
	s.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.keySet)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	s.http = httptest.NewServer(s.counted(mux))
	s.URL = s.http.URL
	return s
}

// Close ends the provider.
func (s *Server) Close() { s.http.Close() }

func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.URL.Path]++
		down := s.down
		s.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Asked is how often a path was requested.
func (s *Server) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// SetDown has every request fail, or not any more.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// SignIn has somebody sit at the browser, with these claims; nil is somebody who
// refuses.
func (s *Server) SignIn(claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.person = maps.Clone(claims)
}

// Register names the one address that codes may be sent to.
func (s *Server) Register(redirectURL string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirect = redirectURL
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer":                                         s.URL,
		"authorization_endpoint":                         s.URL + "/authorize",
		"token_endpoint":                                 s.URL + "/token",
		"jwks_uri":                                       s.URL + "/keys",
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"ES256", "RS256"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone cannot be told so
}
