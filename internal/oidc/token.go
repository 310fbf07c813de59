package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	maxToken = 16 << 10 // bytes
	skew     = 30 * time.Second
)

// Claims are what a verified token says.
type Claims struct {
	Subject string
	All     map[string]any // every claim, as JSON has it
}

// Text is a claim that is a string, or "".
func (c Claims) Text(name string) string {
	s, _ := c.All[name].(string)
	return s
}

// Bool is a claim that is true; some issuers write it as a string.
func (c Claims) Bool(name string) bool { return c.All[name] == true || c.All[name] == "true" }

// Time is a claim that is a number of seconds since 1970, or the zero time.
func (c Claims) Time(name string) time.Time {
	n, ok := c.All[name].(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// body is what decides about a token.
type body struct {
	jwt.Claims
	Party  string `json:"azp"`
	Client string `json:"client_id"` // of access tokens (RFC 9068 §2.2)
	Nonce  string `json:"nonce"`
	Events any    `json:"events"` // of tokens that are no credentials: those of a log-out

	access bool // the header says that it is an access token
}

// parties are the clients that a token names as the one it was issued to.
func (b body) parties() (named []string) {
	for _, party := range []string{b.Party, b.Client} {
		if party != "" {
			named = append(named, party)
		}
	}
	return named
}

// Issuer reads who a token says it is of, without believing it: to find out whose
// business it is.
func Issuer(raw string) (string, bool) {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 {
		return "", false
	}
	token, err := jwt.ParseSigned(raw, algorithms(Algorithms()))
	if err != nil {
		return "", false
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil {
		return "", false
	}
	return said.Issuer, said.Issuer != ""
}

func algorithms(names []string) []jose.SignatureAlgorithm {
	list := make([]jose.SignatureAlgorithm, len(names))
	for i, name := range names {
		list[i] = jose.SignatureAlgorithm(name)
	}
	return list
}

// Verify judges a bearer token, an ID or an access token: signed by a key of the
// issuer, for one of the audiences, issued to a client that may have it, and in
// force now. An error is the reason why it is not good, or Unavailable when the
// issuer's keys cannot be had.
func (p *Provider) Verify(ctx context.Context, raw string) (Claims, error) {
	said, claims, err := p.signed(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	ours := slices.Concat(p.cfg.Audiences, p.cfg.Parties)
	if p.cfg.ClientID != "" {
		ours = append(ours, p.cfg.ClientID)
	}
	parties := said.parties()
	foreign := func(party string) bool { return !slices.Contains(ours, party) }
	switch {
	case !slices.ContainsFunc(p.cfg.Audiences, func(a string) bool { return said.Audience.Contains(a) }):
		return Claims{}, fmt.Errorf("the token is for %q", []string(said.Audience))
	case len(parties) == 0 && (said.access || len(p.cfg.Parties) > 0):
		return Claims{}, errors.New("the token does not say to whom it was issued")
	case slices.ContainsFunc(parties, foreign):
		return Claims{}, fmt.Errorf("the token was issued to %q", parties)
	}
	return claims, nil
}

// verifyID judges the ID token of a code flow (OpenID Connect Core 1.0 §3.1.3.7):
// it is for this client, and the answer to this log-in.
func (p *Provider) verifyID(ctx context.Context, raw, nonce string) (Claims, error) {
	said, claims, err := p.signed(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	switch {
	case !said.Audience.Contains(p.cfg.ClientID):
		return Claims{}, fmt.Errorf("the ID token is for %q", []string(said.Audience))
	case said.Party != p.cfg.ClientID && (said.Party != "" || len(said.Audience) > 1):
		return Claims{}, fmt.Errorf("the ID token was issued to %q", said.Party)
	case nonce == "" || subtle.ConstantTimeCompare([]byte(said.Nonce), []byte(nonce)) != 1:
		return Claims{}, errors.New("the ID token is not the answer to this log-in")
	}
	return claims, nil
}

// signed verifies the signature, and what holds for every kind of token.
func (p *Provider) signed(ctx context.Context, raw string) (body, Claims, error) {
	if len(raw) > maxToken {
		return body{}, Claims{}, errors.New("the token is too large")
	}
	token, err := jwt.ParseSigned(raw, algorithms(p.cfg.Algorithms))
	if err != nil {
		return body{}, Claims{}, fmt.Errorf("the token cannot be read: %w", err)
	}
	head := token.Headers[0]
	kind, ok := credential(head)
	if !ok {
		return body{}, Claims{}, fmt.Errorf("a token of the type %q is no credential", head.ExtraHeaders[jose.HeaderType])
	}
	said, claims, err := p.open(ctx, token, head)
	if err != nil {
		return body{}, Claims{}, err
	}
	said.access = kind == accessToken
	return said, claims, p.checkTimes(said)
}

const accessToken = "at+jwt"

// credential reports whether a header is that of an ID or access token (RFC 9068
// §2.1), not of one that an issuer signs for another purpose, and of which: "" =
// it does not say.
func credential(h jose.Header) (kind string, ok bool) {
	said, given := h.ExtraHeaders[jose.HeaderType]
	if !given {
		return "", true
	}
	name, _ := said.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return name, name == "jwt" || name == accessToken
}

func (p *Provider) open(ctx context.Context, token *jwt.JSONWebToken, head jose.Header) (said body, claims Claims, err error) {
	known, err := p.metadata(ctx, func(m *metadata) bool { return len(m.candidates(head)) > 0 })
	if err != nil {
		return body{}, Claims{}, err
	}
	keys := known.candidates(head)
	switch {
	case len(keys) == 0:
		return body{}, Claims{}, errors.New("no key of the issuer has signed the token")
	case len(keys) > 1 && head.KeyID == "":
		return body{}, Claims{}, errors.New("the token does not say which of the issuer's keys has signed it")
	}
	for _, key := range keys {
		said, claims = body{}, Claims{}
		if err = token.Claims(key.Key, &said, &claims.All); err == nil {
			claims.Subject = said.Subject
			return said, claims, nil
		}
	}
	return body{}, Claims{}, fmt.Errorf("the token is not good: %w", err)
}

// checkTimes checks what every token must say. The end is exact; clocks that are a
// little apart may disagree about the beginning.
func (p *Provider) checkTimes(said body) error {
	now := p.cfg.Clock.Now()
	late := func(t *jwt.NumericDate) bool { return t != nil && t.Time().After(now.Add(skew)) }
	switch {
	case said.Issuer != p.cfg.Issuer:
		return fmt.Errorf("the token is of the issuer %q", said.Issuer)
	case said.Subject == "":
		return errors.New("the token names nobody")
	case said.Expiry == nil || !now.Before(said.Expiry.Time()):
		return errors.New("the token is over")
	case late(said.NotBefore) || late(said.IssuedAt):
		return errors.New("the token is of the future")
	case said.Events != nil:
		return errors.New("the token tells of an event")
	}
	return nil
}
