package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/oidc"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// SignInFor is how long somebody may take to sign in at an issuer.
const SignInFor = 10 * time.Minute

const maxNext = 2000 // bytes

// Provider is an issuer at which people can sign in by the browser.
type Provider struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// Providers lists the issuers at which people can sign in by the browser, in the
// order of [Config.Authenticators]. It needs no principal.
func (s *Service) Providers() []Provider {
	list := make([]Provider, 0, len(s.issuers))
	for _, i := range s.issuers {
		title := i.cfg.Title
		if title == "" {
			title = i.cfg.Name
		}
		list = append(list, Provider{Name: i.cfg.Name, Title: title})
	}
	return list
}

// SignIn is a log-in that a browser begins.
type SignIn struct {
	Provider string // the name of an issuer
	Next     string // the path to go to afterwards, on this server; required
	Address  string // where the call comes from; "" = not known
}

// SignInBegun is what the browser needs to go on.
type SignInBegun struct {
	URL       string // where to go to
	Cookie    string // what to keep the secret under, different for each log-in
	Secret    string // only the browser that has it can finish the log-in
	ExpiresAt time.Time
}

// SignInAnswer is what a browser comes back with from an issuer.
type SignInAnswer struct {
	Provider  string
	Code      string
	State     string
	Issuer    string // "iss", RFC 9207
	Error     string // why there is no code
	Secret    func(cookie string) string
	UserAgent string
	Address   string
}

// BeginSignIn begins a log-in at an issuer. It is kept in the database, so that any
// process can finish it. Errors: NotFound for a provider that is not there, Invalid
// for a path that does not stay on this server, RateLimited, Unavailable when the
// issuer does not answer.
func (s *Service) BeginSignIn(ctx context.Context, in SignIn) (SignInBegun, error) {
	i, err := s.issuer(in.Provider)
	if err != nil {
		return SignInBegun{}, err
	}
	next, err := ownPath(in.Next)
	if err != nil {
		return SignInBegun{}, err
	}
	if err := s.admit(ctx, in.Address, ""); err != nil {
		return SignInBegun{}, err
	}
	state, browser, verifier := newSecret(), newSecret(), oidc.NewVerifier()
	address, err := i.provider.AuthURL(ctx, state, nonceOf(verifier), verifier)
	if err != nil {
		return SignInBegun{}, err
	}
	hash := hashToken(state)
	row := signInRow{
		StateHash: hash, BrowserHash: hashToken(browser), Provider: in.Provider, Next: next,
		Sealed: s.ring.Seal([]byte(verifier), verifierPlace(hash)), ExpiresAt: s.clock.Now().Add(SignInFor),
	}
	return SignInBegun{URL: address, Cookie: signInCookie(state), Secret: browser, ExpiresAt: row.ExpiresAt}, s.keepSignIn(ctx, row)
}

// FinishSignIn begins the session of who has signed in at an issuer, and returns
// the path to go to. The account is that of the issuer and the subject, made when
// it is seen for the first time. Errors: NotFound for a provider that is not there,
// Invalid without a state or a code, RateLimited, Unavailable when the issuer does
// not answer, Unauthenticated for everything that is not the answer to a log-in of
// this browser.
func (s *Service) FinishSignIn(ctx context.Context, in SignInAnswer) (Login, string, error) {
	i, err := s.issuer(in.Provider)
	if err != nil {
		return Login{}, "", err
	}
	if err := in.check(); err != nil {
		return Login{}, "", err
	}
	if err := s.admit(ctx, in.Address, ""); err != nil {
		return Login{}, "", err
	}
	row, verifier, err := s.takeSignIn(ctx, in.Provider, in.State, in.Secret(signInCookie(in.State)))
	if err != nil {
		return Login{}, "", s.signInFailed(ctx, in, err)
	}
	who, err := s.answered(ctx, i, in, verifier)
	if err != nil {
		return Login{}, "", s.signInFailed(ctx, in, err)
	}
	login, err := s.enterFrom(ctx, who, in)
	return login, row.Next, err
}

func (in SignInAnswer) check() error {
	var f problem.Faults
	f.Check(in.State != "", "state", "is missing")
	f.Check(in.Code != "" || in.Error != "", "code", "is missing")
	return f.Err("sign_in_invalid", "this is not the answer of a sign-in server")
}

// answered is the principal that the issuer names.
func (s *Service) answered(ctx context.Context, i *issuer, in SignInAnswer, verifier string) (*Principal, error) {
	if in.Error != "" {
		return nil, fmt.Errorf("the issuer says %.64q", in.Error)
	}
	claims, err := i.provider.Exchange(ctx, oidc.Answer{Code: in.Code, Issuer: in.Issuer}, nonceOf(verifier), verifier)
	if err != nil {
		return nil, err
	}
	return s.guarded(ctx, func() (*Principal, error) { return i.principal(ctx, claims) })
}

// enterFrom begins the session of who an issuer names.
func (s *Service) enterFrom(ctx context.Context, who *Principal, in SignInAnswer) (login Login, err error) {
	known, err := s.adopt(ctx, who)
	if err != nil {
		return Login{}, s.signInFailed(ctx, in, err)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := lockUser(ctx, tx, s.db.Dialect, known.UserID)
		if err != nil {
			return err
		}
		if row.Disabled {
			return s.signInFailed(ctx, in, errAccountDisabled)
		}
		if login, err = s.beginSession(ctx, tx, row, newSession{in.UserAgent, in.Address, known.Claims}); err != nil {
			return err
		}
		return s.audit(NewContext(ctx, row.principal()), tx, audit.Entry{
			Action: "session.login", ObjectType: "session", ObjectID: login.sessionID, Detail: map[string]any{"provider": in.Provider},
		})
	})
	if err != nil {
		return Login{}, err
	}
	s.tell(ctx, "AfterLogin", s.hooks.AfterLogin, login.User)
	return login, nil
}

// signInFailed is the one answer to a log-in that is not good; the reason stays in
// the log. A fault of the server, or a refusal of the host's, is told as it is.
func (s *Service) signInFailed(ctx context.Context, in SignInAnswer, reason error) error {
	known, ok := errors.AsType[*problem.Error](reason)
	if ok && known.Kind != problem.Unauthenticated {
		return reason
	}
	s.log.WarnContext(ctx, "auth: a log-in at an issuer is refused", "provider", in.Provider, "address", tidy(in.Address, maxAddress), "error", reason)
	s.denied(ctx, audit.Denial{Action: "session.login", ObjectType: "user", Code: "sign_in_failed"})
	if ok && known.Code != credentialInvalid {
		return reason
	}
	return problem.New(problem.Unauthenticated, "sign_in_failed", "the sign-in failed").Fix("begin again").Because(reason)
}

func (s *Service) issuer(name string) (*issuer, error) {
	for _, i := range s.issuers {
		if i.cfg.Name == name {
			return i, nil
		}
	}
	return nil, problem.Missing("provider")
}

// signInCookie is where a browser keeps the secret of a log-in: it may be in the
// middle of several.
func signInCookie(state string) string {
	return "jetadmin_signin_" + hex.EncodeToString(hashToken(state)[:6])
}

func newSecret() string { return rand.Text() + rand.Text() }

// nonceOf ties the ID token to the log-in without another secret to keep: nobody
// can tell the verifier from it.
func nonceOf(verifier string) string { return hex.EncodeToString(hashToken("nonce " + verifier)) }

// ownPath is a path that leads a browser to no other server, however it reads it
// (WHATWG URL: a back-slash is a slash, tabs and line ends are dropped).
func ownPath(next string) (string, error) {
	u, err := url.Parse(next)
	plain := err == nil && len(next) <= maxNext && text.OneLine(next) && !strings.Contains(next, `\`) &&
		u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(path.Clean(u.Path), "//") && !strings.HasPrefix(u.Path, "//") &&
		text.OneLine(u.Path) && !strings.Contains(u.Path, `\`)
	var f problem.Faults
	f.Check(plain, "next", "must be a path on this server, like /admin/")
	if err := f.Err("next_invalid", "the page to go to is not on this server"); err != nil {
		return "", err
	}
	return u.String(), nil
}
