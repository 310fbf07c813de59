package oidctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// TokenFor is how long a token is good.
const TokenFor = time.Hour

// grant is a code that was given out.
type grant struct {
	challenge, redirect, nonce string
	person                     map[string]any
}

// authorize answers a browser whose owner is signed in here: it sends it back with
// a code, or with an error when nobody is.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.Get("client_id") != ClientID || q.Get("redirect_uri") != s.redirect:
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest) // RFC 6749 §4.1.2.1: no redirect
		return
	case q.Get("response_type") != "code" || !slices.Contains(strings.Fields(q.Get("scope")), "openid") ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "":
		http.Error(w, "the request lacks PKCE, the scope openid, or response_type=code", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {s.URL}}
	if s.person == nil {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "the person said no")
	} else {
		code := rand.Text()
		s.grants[code] = grant{q.Get("code_challenge"), s.redirect, q.Get("nonce"), maps.Clone(s.person)}
		answer.Set("code", code)
	}
	http.Redirect(w, r, s.redirect+"?"+answer.Encode(), http.StatusFound)
}

// token gives the tokens of a code, once, to the client that has its verifier.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	} else if plain, err := url.QueryUnescape(secret); err == nil { // RFC 6749 §2.3.1
		secret = plain
	}
	if id != ClientID || secret != ClientSecret {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	s.mu.Lock()
	g, ok := s.grants[r.PostFormValue("code")]
	delete(s.grants, r.PostFormValue("code"))
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	proven := g.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
	if !ok || !proven || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != g.redirect {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := s.Claims(g.person)
	claims["nonce"] = g.nonce
	maps.Copy(claims, g.person) // a test may make its nonce wrong
	reply(w, http.StatusOK, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(TokenFor.Seconds()), "id_token": s.Sign(claims),
	})
}

// Claims are those of a good token for the client, with more of them, or others.
func (s *Server) Claims(more map[string]any) map[string]any {
	now := s.now()
	claims := map[string]any{
		"iss": s.URL, "aud": ClientID, "sub": "7", "iat": now.Unix(), "exp": now.Add(TokenFor).Unix(),
	}
	maps.Copy(claims, more)
	return claims
}

// Token is a good token of a subject.
func (s *Server) Token(subject string) string {
	return s.Sign(s.Claims(map[string]any{"sub": subject}))
}
