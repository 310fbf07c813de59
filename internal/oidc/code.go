package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/oauth2"

	"github.com/jetadmin/jetadmin/problem"
)

// NewVerifier makes the secret of one log-in (RFC 7636 §4.1).
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthURL is where to send a browser to sign in. Errors: Unavailable.
func (p *Provider) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	known, err := p.metadata(ctx, anything)
	if err != nil {
		return "", err
	}
	return p.client(known).AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)), nil
}

func anything(*metadata) bool { return true }

// Answer is what a browser brings back.
type Answer struct {
	Code   string
	Issuer string // who says so (RFC 9207); "" = it was not said
}

// Exchange gives a code back for the claims of who signed in. An error is the
// reason why there is nobody, or Unavailable when the issuer does not answer.
func (p *Provider) Exchange(ctx context.Context, in Answer, nonce, verifier string) (Claims, error) {
	known, err := p.metadata(ctx, anything)
	if err != nil {
		return Claims{}, err
	}
	if in.Issuer != known.Issuer && (in.Issuer != "" || known.NamesItself) {
		return Claims{}, fmt.Errorf("the answer is of the issuer %q", in.Issuer)
	}
	asking, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, p.cfg.HTTP), askTimeout)
	defer cancel()
	token, err := p.client(known).Exchange(asking, in.Code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Claims{}, exchangeFault(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Claims{}, errors.New("the issuer sent no ID token")
	}
	return p.verifyID(ctx, raw, nonce)
}

func (p *Provider) client(known *metadata) *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	if p.cfg.ClientSecret.Empty() || (len(known.TokenAuth) > 0 && !slices.Contains(known.TokenAuth, "client_secret_basic")) {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret.Reveal(), RedirectURL: p.cfg.RedirectURL, Scopes: p.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: known.Authorization, TokenURL: known.Token, AuthStyle: style},
	}
}

// exchangeFault keeps of an error what may stand in a log: the body of a reply may
// have the code or a token in it.
func exchangeFault(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := 0
		if refused.Response != nil {
			status = refused.Response.StatusCode
		}
		return fmt.Errorf("the token endpoint answered %d, error %.64q", status, refused.ErrorCode)
	}
	return problem.New(problem.Unavailable, "sign_in_unreachable", "the sign-in server cannot be reached").Because(err)
}
