// Package oidc is what a relying party does in OpenID Connect Core 1.0: it learns
// the addresses and keys of an issuer, verifies tokens that the issuer signed, and
// runs the code flow with PKCE (RFC 7636).
//
// Signatures are verified by go-jose, the code is exchanged by
// golang.org/x/oauth2. What is here is what a token must say to be believed.
package oidc

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/secret"
)

// Config is what is known of an issuer beforehand.
type Config struct {
	// Algorithms may sign a token. Default: all of [Algorithms].
	Algorithms []string

	// Audiences are whom a bearer token may be for; one of them is enough.
	Audiences []string

	// ClientID and ClientSecret name this client to the issuer, for the code flow.
	// A client without a secret is a public one.
	ClientID     string
	ClientSecret secret.Text

	// Clock is the time. Default: the machine's.
	Clock clock.Clock

	// HTTP sends the requests. Required.
	HTTP *http.Client

	// Issuer is the URL by which the issuer calls itself. Required.
	Issuer string

	// KeysURL is where the keys are. With it nothing else is looked for, so that
	// there is no code flow. Default: what the issuer's discovery document says.
	KeysURL string

	// Parties are the clients, besides Audiences and ClientID, that a bearer token
	// may have been issued to (its "azp" and "client_id"). With them a token must
	// say so.
	Parties []string

	// RedirectURL is where the issuer sends a browser back to.
	RedirectURL string

	// Scopes are asked for in the code flow, "openid" included.
	Scopes []string
}

// How long what an issuer said is used, and how often it is asked.
const (
	// RefreshEvery is the age at which the keys are asked for again.
	RefreshEvery = time.Hour
	// KeepFor is how long the keys are used while the issuer does not answer.
	KeepFor = 24 * time.Hour
	// AskPause lies between two attempts at least, whatever tokens come along.
	AskPause = 5 * time.Second
)

// Provider is an issuer. It asks when it must, and not before the first token or
// log-in. It is safe for concurrent use.
type Provider struct {
	cfg    Config
	flight singleflight.Group

	mu    sync.Mutex
	known *metadata // what was read last; nil = nothing yet
	tried time.Time // when the last attempt ended

	failing bool // the last attempt did
}

// New returns a provider. It makes no connection.
func New(c Config) *Provider {
	if len(c.Algorithms) == 0 {
		c.Algorithms = Algorithms()
	}
	return &Provider{cfg: c}
}
