package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// Authenticator recognises one kind of credential of a request.
type Authenticator interface {
	// Authenticate names who makes the request. nil, nil says that there is no
	// credential of this kind, so that the next one is asked. An error refuses the
	// request; one that is not a problem.Error is answered as Unauthenticated.
	//
	// It must be safe for concurrent use and judge by the request alone.
	Authenticate(r *http.Request) (*Principal, error)
}

// AuthenticatorFunc is a function as an [Authenticator].
type AuthenticatorFunc func(r *http.Request) (*Principal, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(r *http.Request) (*Principal, error) { return f(r) }

// maxCookies is how many session cookies of one request are tried: Apps below
// one another's paths each have one.
const maxCookies = 4

var (
	errTwoCredentials = errors.New("more than one credential in the headers")
	errTwoSessions    = errors.New("cookies with sessions of two users: remove the cookies of this site and sign in")
	errNobodyKnows    = errors.New("nobody recognises the credential")
)

// Authenticate recognises who makes a request, in this order: an API key
// (Authorization: Bearer jak_… or X-API-Key), a session token (Authorization:
// Bearer jas_…), the session cookie, the host's authenticators. A bearer token
// that is neither is shown to the host's authenticators before the cookie is,
// for it is what the client chose to say.
//
// nil, nil is an anonymous request. A credential that is not good, or that
// nobody recognises, is Unauthenticated; a bearer token that nobody recognises, as a
// proxy may add it, takes nothing from a good cookie beside it; of keys and session tokens in the headers
// and of session cookies too many that are not good are RateLimited, by network. No other header, and nothing of the
// URL, ever names a caller.
//
// The principal is in no tenant yet (an API key's is in its own), see [Service.Enter].
func (s *Service) Authenticate(r *http.Request) (*Principal, error) {
	r = r.WithContext(WithAddress(r.Context(), RequestAddress(r)))
	p, err := s.recognise(r)
	return p, s.refused(r.Context(), err)
}

// refused takes down a credential that was refused.
func (s *Service) refused(ctx context.Context, err error) error {
	if problem.Is(err, problem.Unauthenticated) {
		s.denied(ctx, denialOf(err))
	}
	return err
}

func (s *Service) recognise(r *http.Request) (*Principal, error) {
	token, err := headerToken(r.Header)
	if err != nil {
		return nil, refuse(err)
	}
	if isOurs(token) {
		return s.byToken(r.Context(), token)
	}
	if token != "" {
		if p, err := s.byHost(r); p != nil || err != nil {
			return p, err
		}
	}
	p, dead := s.byCookie(r)
	if p != nil || isFailure(dead) {
		return p, dead
	}
	if token != "" {
		return nil, refuse(errNobodyKnows)
	}
	// A cookie comes along by itself: one that is over must not keep the host's
	// own sign-in from being seen.
	if p, err := s.byHost(r); p != nil || err != nil {
		return p, err
	}
	return nil, dead
}

// AuthenticateToken recognises a token that comes without a request, as on a
// socket: a session token, an API key, or a bearer token that one of the host's
// authenticators knows. Everything else is Unauthenticated. An API key that is
// good from some addresses only needs [WithAddress].
func (s *Service) AuthenticateToken(ctx context.Context, token string) (*Principal, error) {
	p, err := s.recogniseToken(ctx, token)
	return p, s.refused(ctx, err)
}

func (s *Service) recogniseToken(ctx context.Context, token string) (*Principal, error) {
	if isOurs(token) {
		return s.byToken(ctx, token)
	}
	if token == "" {
		return nil, refuse(errTokenMalformed)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	p, err := s.byHost(r)
	if p == nil && err == nil {
		err = refuse(errNobodyKnows)
	}
	return p, err
}

func isOurs(token string) bool {
	return strings.HasPrefix(token, keyMark) || strings.HasPrefix(token, sessionMark)
}

func (s *Service) byToken(ctx context.Context, token string) (*Principal, error) {
	return s.sparing(ctx, token, func() (*Principal, error) {
		if strings.HasPrefix(token, keyMark) {
			return s.byKey(ctx, token)
		}
		return s.bySession(ctx, token)
	})
}

// byCookie returns the principal of the session cookies that are good, or why there
// is none: nil when there is no cookie.
func (s *Service) byCookie(r *http.Request) (*Principal, error) {
	cookies := r.CookiesNamed(CookieName)
	return s.bySessions(r.Context(), cookies[:min(len(cookies), maxCookies)])
}

// bySessions refuses sessions of two users: one of them was put there by somebody else,
// a page of a domain beside ours say, for whose account the user would take it (T45).
func (s *Service) bySessions(ctx context.Context, cookies []*http.Cookie) (found *Principal, last error) {
	for _, cookie := range cookies {
		p, err := s.sparing(ctx, cookie.Value, func() (*Principal, error) { return s.bySession(ctx, cookie.Value) })
		switch {
		case isFailure(err):
			return nil, err
		case err != nil:
			last = err
		case found == nil:
			found = p
		case found.UserID != p.UserID:
			return nil, refuse(errTwoSessions)
		}
	}
	if found != nil {
		return found, nil
	}
	return nil, last
}

// isFailure reports whether a credential could not be judged, which is no
// reason to look for another identity.
func isFailure(err error) bool { return err != nil && !problem.Is(err, problem.Unauthenticated) }

// headerToken is the token that a client sent on purpose: of X-API-Key, or of a
// bearer Authorization; "" = none. Two of them could be read in two ways by two
// readers, so they are refused.
func headerToken(h http.Header) (string, error) {
	keys, authorizations := h.Values("X-API-Key"), h.Values("Authorization")
	if len(keys) > 1 || len(authorizations) > 1 {
		return "", errTwoCredentials
	}
	var key, bearer string
	if len(keys) == 1 {
		key = strings.TrimSpace(keys[0])
	}
	if len(authorizations) == 1 {
		if scheme, token, ok := strings.Cut(authorizations[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			bearer = strings.TrimSpace(token)
		}
	}
	switch {
	case isOurs(key) && isOurs(bearer):
		return "", errTwoCredentials
	case isOurs(key) || bearer == "":
		return key, nil
	}
	return bearer, nil
}
