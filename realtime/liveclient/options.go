package liveclient

import (
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// Options say how a client connects. The zero value is a client without a
// credential, which a server refuses.
type Options struct {
	// Backoff is about how long the client waits before it connects again for the
	// first time; each further wait is twice as long, up to MaxBackoff. Every wait is
	// of a random part, so that a server that comes back is not met by all at once.
	// Default: 500 milliseconds.
	Backoff time.Duration

	// Buffer is how many messages may wait for Next, each of up to 512 KB. Default: 64.
	Buffer int

	// Header is sent with the upgrade, e.g. an Authorization or a Cookie. Default: none.
	Header http.Header

	// HTTPClient makes the upgrade. It is not followed to other addresses, and its
	// Timeout is that of the handshake, which takes at most 10 seconds anyway.
	// Default: one of the client's own, with the proxies of the environment.
	HTTPClient *http.Client

	// Logger is told when the connection was lost. Default: slog.Default().
	Logger *slog.Logger

	// MaxBackoff is the longest wait before the client connects again. Default: 30
	// seconds.
	MaxBackoff time.Duration

	// Once makes a client that ends with its connection, and with Unavailable where
	// another would connect again.
	Once bool

	// Token is sent as the first frame: of a session, an API key, or one that an
	// Authenticator of the host knows. A credential in Header comes before it. Default:
	// none, when the credential is in Header.
	Token string
}

func (o Options) withDefaults() Options {
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.Buffer == 0 {
		o.Buffer = 64
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = max(30*time.Second, o.Backoff)
	}
	o.Header = maps.Clone(o.Header)
	o.HTTPClient = staying(o.HTTPClient)
	return o
}

// staying is a client that goes nowhere else: the token would go with it.
func staying(given *http.Client) *http.Client {
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	if given != nil {
		client = *given
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (o Options) validate(address string) error {
	var f problem.Faults
	u, err := url.Parse(address)
	f.Check(err == nil && u.Host != "" && isWeb(u.Scheme), "url", "must be that of the endpoint, with http, https, ws or wss")
	f.Check(err != nil || u.RawQuery == "" && !u.ForceQuery && u.User == nil, "url", "must have no parameters and no credential")
	f.Check(o.Backoff >= 0, "Backoff", "must not be negative")
	f.Check(o.Buffer >= 0, "Buffer", "must not be negative")
	f.Check(o.MaxBackoff == 0 || o.MaxBackoff >= o.Backoff, "MaxBackoff", "must not be less than Backoff")
	if err := f.Err("live_options_invalid", "a client of live events cannot be made of this"); err != nil {
		return err
	}
	return nil
}

func isWeb(scheme string) bool {
	switch scheme {
	case "http", "https", "ws", "wss":
		return true
	}
	return false
}
