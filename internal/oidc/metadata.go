package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxDocument = 1 << 20 // bytes of a document that an issuer sends
	askTimeout  = 10 * time.Second
	patience    = time.Second // for newer keys, while those there are would do
	wellKnown   = "/.well-known/openid-configuration"
)

// metadata is what an issuer says of itself (OpenID Connect Discovery 1.0 §3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	NamesItself   bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207

	keys []jose.JSONWebKey
	at   time.Time
}

// metadata is what is known of the issuer. What is old, or not enough for the
// caller (a key that it does not have), is asked for again, but never more often
// than [AskPause] allows: tokens of strangers must not become requests. Whoever has
// enough in what is old waits for something newer for a moment only, and not at all
// while the issuer does not answer.
func (p *Provider) metadata(ctx context.Context, enough func(*metadata) bool) (*metadata, error) {
	known, fresh, _ := p.look(enough)
	if fresh {
		return known, nil
	}
	// The one request serves everybody who waits for it, so it outlives its caller.
	answer := p.flight.DoChan("", func() (any, error) { return p.ask(context.WithoutCancel(ctx), enough) })
	var late <-chan time.Time
	if known != nil && enough(known) {
		late = time.After(p.patience())
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late:
		return known, nil
	case got := <-answer:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*metadata), nil
	}
}

func (p *Provider) patience() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing {
		return 0
	}
	return patience
}

// look returns what is known and not too old to use, whether that is all the caller
// needs, and whether it was asked for just now.
func (p *Provider) look(enough func(*metadata) bool) (known *metadata, fresh, justNow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Clock.Now()
	if p.known != nil && now.Sub(p.known.at) < KeepFor {
		known = p.known
	}
	fresh = known != nil && now.Sub(known.at) < RefreshEvery && enough(known)
	justNow = !p.tried.IsZero() && !now.Before(p.tried) && now.Sub(p.tried) < AskPause
	return known, fresh, justNow
}

// ask reads the documents of the issuer, unless that was done just now. While it
// cannot be done, what is known has to do.
func (p *Provider) ask(ctx context.Context, enough func(*metadata) bool) (*metadata, error) {
	known, fresh, justNow := p.look(enough)
	if fresh {
		return known, nil
	}
	err := errors.New("it did not answer just now")
	if !justNow {
		var m *metadata
		if m, err = p.askNow(ctx); err == nil {
			return m, nil
		}
	}
	if known != nil {
		return known, nil
	}
	return nil, problem.New(problem.Unavailable, "sign_in_unreachable", "the sign-in server cannot be reached").Because(err)
}

func (p *Provider) askNow(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := p.read(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried, p.failing = p.cfg.Clock.Now(), err != nil // an attempt ends now, however long it took
	if err != nil {
		return nil, err
	}
	p.known = m
	return m, nil
}

func (p *Provider) read(ctx context.Context) (*metadata, error) {
	m := &metadata{Issuer: p.cfg.Issuer, Keys: p.cfg.KeysURL, at: p.cfg.Clock.Now()}
	if p.cfg.KeysURL == "" {
		if err := p.get(ctx, strings.TrimSuffix(p.cfg.Issuer, "/")+wellKnown, m); err != nil {
			return nil, err
		}
		if err := m.check(p.cfg.Issuer); err != nil {
			return nil, err
		}
	}
	var set jose.JSONWebKeySet
	if err := p.get(ctx, m.Keys, &set); err != nil {
		return nil, err
	}
	m.keys = usable(set.Keys)
	return m, nil
}

// check refuses a document that speaks for another issuer, or that sends
// credentials over plain HTTP although the issuer has TLS.
func (m *metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("the discovery document is of the issuer %q", m.Issuer)
	}
	for _, address := range []string{m.Authorization, m.Token, m.Keys} {
		u, err := url.Parse(address)
		if err != nil || egress.CheckURL(u) != nil || u.Fragment != "" {
			return errors.New("an address in the discovery document is not one")
		}
		if u.Scheme != "https" && strings.HasPrefix(issuer, "https:") {
			return errors.New("an address in the discovery document is not encrypted")
		}
	}
	return nil
}

func (p *Provider) get(ctx context.Context, address string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	response, err := p.cfg.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	body, err := egress.ReadAll(response.Body, maxDocument)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", address, err)
	}
	return nil
}
