package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/oidc"
	"github.com/jetadmin/jetadmin/internal/secret"
)

// OIDCConfig is an issuer of OpenID Connect whose word is taken for who somebody
// is. The identity is the issuer with the "sub" of its tokens.
type OIDCConfig struct {
	// Audiences are whom a bearer token, an ID or an access token, may be for: one
	// of them must be in its "aud". Default: ClientID.
	Audiences []string

	// AuthorizedParties are the clients, besides ClientID and Audiences, that a
	// bearer token may have been issued to: its "azp" and its "client_id". A token
	// that names none is refused when it is an access token of RFC 9068, or when this
	// is set. Default: none.
	AuthorizedParties []string

	// Check sees the claims of every token that is good, and refuses it by an
	// error: to let in the people of one company only, say. Default: everybody
	// whom the issuer knows.
	Check func(ctx context.Context, claims map[string]any) error

	// Claims are the names of those that a caller has as [Principal.Claims]. Of a
	// log-in in the browser they are kept with the session. Default: none.
	Claims []string

	// ClientID and ClientSecret name this client to the issuer. With ClientID people
	// can sign in by the browser (code flow with PKCE); without, tokens are only
	// verified. A client without a secret is a public one.
	ClientID, ClientSecret string

	// Issuer is the URL by which the issuer calls itself, exactly, e.g.
	// "https://accounts.google.com". It needs TLS, unless it is on this machine.
	// Required.
	Issuer string

	// KeysURL is where the issuer's keys are, for one without a discovery document;
	// with it there is no log-in by the browser. Default: what the document says.
	KeysURL string

	// Name is the issuer in URLs: letters, digits and "-". Required with ClientID.
	Name string

	// Scopes are asked for in the browser. Default: openid, profile, email.
	Scopes []string

	// Title is what people read on the button. Default: Name.
	Title string

	// TrustEmail takes the e-mail address also when the issuer does not say that it
	// is verified. An address is for display; it never joins two accounts.
	TrustEmail bool
}

// OIDC recognises people by an issuer of OpenID Connect: by bearer tokens of it,
// and in the browser, see [Service.BeginSignIn]. A token of another issuer is
// nobody's business here, so that any number of them stand side by side.
//
// It belongs in [Config.Authenticators] itself: the service gives it the way out
// and the time. A mistake in c is an error of [New].
func OIDC(c OIDCConfig) Authenticator { return &issuer{cfg: c} }

// issuer is an OIDCConfig at work.
type issuer struct {
	cfg        OIDCConfig
	algorithms []string                                 // nil = all that are safe
	also       func(c oidc.Claims, now time.Time) error // what a token must say besides; may be nil

	// What a service adds, in a copy of its own: nil in the host's hands.
	clock    clock.Clock
	provider *oidc.Provider
}

var errUnbound = errors.New("an authenticator of this package works only as an element of Config.Authenticators")

// Authenticate recognises a bearer token of the issuer.
func (i *issuer) Authenticate(r *http.Request) (*Principal, error) {
	if i.provider == nil {
		return nil, errUnbound
	}
	token, err := headerToken(r.Header)
	if err != nil {
		return nil, err
	}
	if said, ok := oidc.Issuer(token); !ok || said != i.cfg.Issuer {
		return nil, nil
	}
	claims, err := i.provider.Verify(r.Context(), token)
	if err != nil {
		return nil, err
	}
	return i.principal(r.Context(), claims)
}

// principal is who the claims of a good token name.
func (i *issuer) principal(ctx context.Context, claims oidc.Claims) (*Principal, error) {
	if i.also != nil {
		if err := i.also(claims, i.clock.Now()); err != nil {
			return nil, err
		}
	}
	if i.cfg.Check != nil {
		if err := i.cfg.Check(ctx, claims.All); err != nil {
			return nil, err
		}
	}
	p := &Principal{Kind: KindUser, Issuer: i.cfg.Issuer, Subject: claims.Subject, Name: claims.Text("name"), until: claims.Time("exp")}
	if p.Name == "" {
		p.Name = claims.Text("preferred_username")
	}
	if i.cfg.TrustEmail || claims.Bool("email_verified") {
		p.Email = claims.Text("email")
	}
	for _, name := range i.cfg.Claims {
		if value, ok := claims.All[name]; ok {
			if p.Claims == nil {
				p.Claims = map[string]any{}
			}
			p.Claims[name] = value
		}
	}
	return p, nil
}

// bind is a copy for one service.
func (i *issuer) bind(c Config) *issuer {
	bound := *i
	bound.clock = c.Clock
	settings := oidc.Config{
		Algorithms: i.algorithms, Audiences: i.cfg.Audiences, ClientID: i.cfg.ClientID, ClientSecret: secret.NewText(i.cfg.ClientSecret),
		Clock: c.Clock, HTTP: c.HTTP, Issuer: i.cfg.Issuer, KeysURL: i.cfg.KeysURL, Parties: i.cfg.AuthorizedParties, Scopes: i.cfg.Scopes,
	}
	if len(settings.Audiences) == 0 {
		settings.Audiences = []string{i.cfg.ClientID}
	}
	if len(settings.Scopes) == 0 {
		settings.Scopes = []string{"openid", "profile", "email"}
	}
	if i.inBrowser() {
		settings.RedirectURL = c.CallbackURL(i.cfg.Name)
	}
	bound.provider = oidc.New(settings)
	return &bound
}

// inBrowser reports whether people can sign in here by the browser.
func (i *issuer) inBrowser() bool { return i.cfg.ClientID != "" && i.cfg.KeysURL == "" }

var issuerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (i *issuer) check(need func(ok bool, what string)) {
	c := i.cfg
	need(isIssuer(c.Issuer), "Issuer must be an https URL without query and fragment")
	need(c.Issuer != LocalIssuer && len(c.Issuer) <= maxIdentity, "Issuer is too long")
	need(c.KeysURL == "" || isIssuer(c.KeysURL), "KeysURL must be an https URL")
	need(c.ClientID != "" || len(c.Audiences) > 0, "ClientID or Audiences is required")
	need(!slices.Contains(c.Audiences, ""), "Audiences must not contain an empty text")
	need(c.KeysURL == "" || c.ClientID == "", "ClientID needs an issuer with a discovery document, not a KeysURL; name whom tokens are for in Audiences")
	need(c.ClientID == "" || issuerName.MatchString(c.Name), "Name must be of letters, digits and -")
	need(len(c.Scopes) == 0 || slices.Contains(c.Scopes, "openid"), "Scopes must contain openid")
}

// isIssuer reports whether s is an address whose server can be proven: over TLS, or
// on this machine.
func isIssuer(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && isLocal(u.Hostname()))
}

func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && ip.IsLoopback())
}
