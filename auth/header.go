package auth

import (
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"slices"

	"github.com/jetadmin/jetadmin/internal/peer"
)

// HeaderConfig is a proxy in front of the server that has signed people in, and
// says in headers who they are.
type HeaderConfig struct {
	// Email and Name are the headers with what is shown of a person, e.g.
	// "X-Forwarded-Email". Default: none.
	Email, Name string

	// Issuer names the accounts apart from those of other systems, e.g. the URL of
	// the proxy's own sign-in. Required.
	Issuer string

	// Proxies are the addresses from which the headers are believed: those that the
	// connection comes from (http.Request.RemoteAddr, which nothing before may have
	// changed), not what a header says. From everywhere else they mean nothing. The proxy must drop these headers of its callers. Default: none, so
	// that nobody is believed.
	Proxies []netip.Prefix

	// Subject is the header with the stable id of a person, e.g.
	// "X-Forwarded-User". Required.
	Subject string
}

// TrustedHeader recognises people by the headers of a proxy. A header that comes
// twice is refused: two readers could take two people from it. A mistake in c is an
// error of [New].
func TrustedHeader(c HeaderConfig) Authenticator { return header{c} }

type header struct{ HeaderConfig }

var errTwoIdentities = errors.New("a header of the proxy comes more than once")

// Authenticate recognises who stands in the headers of a proxy that is believed.
func (h header) Authenticate(r *http.Request) (*Principal, error) {
	from, ok := peer.Address(r.RemoteAddr)
	if !ok || !peer.Within(from, h.Proxies) {
		return nil, nil
	}
	for _, name := range []string{h.Subject, h.Email, h.Name} {
		if name != "" && len(r.Header.Values(name)) > 1 {
			return nil, errTwoIdentities
		}
	}
	subject := r.Header.Get(h.Subject)
	if subject == "" {
		return nil, nil
	}
	p := &Principal{Kind: KindUser, Issuer: h.Issuer, Subject: subject}
	if h.Email != "" {
		p.Email = r.Header.Get(h.Email)
	}
	if h.HeaderConfig.Name != "" {
		p.Name = r.Header.Get(h.HeaderConfig.Name)
	}
	return p, nil
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func (h header) check(need func(ok bool, what string)) {
	need(h.Issuer != "" && h.Issuer != LocalIssuer && len(h.Issuer) <= maxIdentity, "Issuer is required, and not "+LocalIssuer)
	need(headerName.MatchString(h.Subject), "Subject must be the name of a header")
	for _, name := range []string{h.Email, h.HeaderConfig.Name} {
		need(name == "" || headerName.MatchString(name), "Email and Name must be names of headers")
	}
	need(!slices.ContainsFunc(h.Proxies, func(p netip.Prefix) bool { return !p.IsValid() }), "Proxies has one that is not valid")
	taken := []string{"Authorization", "Cookie", "X-Api-Key"}
	need(!slices.Contains(taken, http.CanonicalHeaderKey(h.Subject)), "Subject is a header with another meaning")
}
