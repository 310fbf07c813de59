package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
)

// Config is what a [Hub] needs. The functions may be called concurrently; an
// error or a panic in one of them is a refusal.
type Config struct {
	// AllowedOrigins are pages of other origins that may connect, each written
	// "https://host" or "https://host:port". There are no patterns. Default: only
	// pages of the host that the request was sent to.
	AllowedOrigins []string

	// Authenticate recognises the credential in the cookie or header of the
	// upgrade. nil, nil means that there is none: a token has to follow. An error
	// refuses the upgrade. Default: no credential is looked for.
	Authenticate func(*http.Request) (*auth.Principal, error)

	// AuthenticateToken recognises the token of an auth frame. Required.
	AuthenticateToken func(ctx context.Context, token string) (*auth.Principal, error)

	// AuthTimeout is how long a connection may stay without a valid credential.
	// Default: 10 seconds.
	AuthTimeout time.Duration

	// Authorize says whether a principal may subscribe to a topic, and returns
	// him as he is in the tenant of the topic. A topic of an unknown kind, a
	// missing and a foreign one are NotFound. Required.
	Authorize func(ctx context.Context, who *auth.Principal, topic Topic) (*auth.Principal, error)

	// Bus carries the events. Default: [NewMemoryBus].
	Bus Bus

	// Clock is the time of events. Default: the machine's.
	Clock clock.Clock

	// Hooks tell the host what happens. Default: nobody hears.
	Hooks Hooks

	// Inputs take what clients send to topics of a kind. The context has the sender as
	// he is in the tenant of the topic; he may watch it, and what more it takes is
	// theirs to ask. What they return, nil = nothing, is the data of the reply, as JSON;
	// an error is a refusal. They have 5 seconds, and while they work the connection
	// answers nothing else. Default: no topic takes input.
	Inputs map[string]func(ctx context.Context, in Input) (any, error)

	// Logger receives causes that clients do not see. Default: slog.Default().
	Logger *slog.Logger

	// MaxConnections is how many connections there may be. Default: 20,000.
	MaxConnections int

	// MaxFrame is the size of a message from a client in bytes. Default: 256 KB.
	MaxFrame int

	// MaxMessages is how many messages a second a connection may send, WebSocket
	// pings included, over any length of time; twice MaxTopics may come at once.
	// Default: 50.
	MaxMessages int

	// MaxPerAddress is how many connections of one address, of IPv6 one /64, may be
	// without a credential at the same time. Those from the machine itself, and from
	// where the address is not known, are not counted: they come through a proxy.
	// Default: 256.
	MaxPerAddress int

	// MaxPerCredential is how many connections one session, key or other credential
	// may have. Default: 256.
	MaxPerCredential int

	// MaxTopics is how many topics a connection may be subscribed to; all of one
	// credential together twice as many. Default: 256.
	MaxTopics int

	// OnDemand names the kinds of topics whose events are published only while
	// [Hub.Wanted] says so. Who subscribes to one with since 0, and is the first,
	// gets a gap at once: there may have been events that nobody kept. Default: none.
	OnDemand []string

	// PingInterval is how often a client is asked for a sign of life. It has as
	// long as WriteTimeout to answer. Default: 25 seconds, which proxies accept.
	PingInterval time.Duration

	// Presence names the kinds of topics of which [Hub.Presence] knows who watches
	// them. Default: none.
	Presence []string

	// QueueBytes and QueueSize are how many bytes and frames may wait for one
	// connection. Who lets more wait is closed with [CloseSlow]. Events are shared
	// between the connections that wait for them. Default: 4 MB and 256.
	QueueBytes, QueueSize int

	// Recheck is how often the rights of all connections are checked again. It
	// costs a Revalidate for each principal and an Authorize for each of its topics,
	// however many connections have that principal. Default: 500 milliseconds; at
	// most a second.
	Recheck time.Duration

	// Revalidate says whether a principal's session, key, account and membership
	// are still good, and returns him as he is now. Required.
	Revalidate func(ctx context.Context, who *auth.Principal) (*auth.Principal, error)

	// Samples make the events of topics of a kind, once a second while somebody is
	// subscribed to the topic, and not otherwise. When there are subscribers in
	// several processes, one of them makes the events for all, mostly. The context
	// has no principal. Default: none.
	Samples map[string]func(ctx context.Context, topic Topic) (Event, error)

	// Views are the kinds of topics that have no events of their own, but show those of
	// another topic. The context has the subscriber as he is in the tenant of the topic;
	// an error refuses the subscription. Default: every topic has its own events.
	Views map[string]func(ctx context.Context, topic Topic) (View, error)

	// WriteTimeout is how long one frame may take to be taken by the network, and
	// a message from a client to be complete once it has begun. Default: 10 seconds.
	WriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Bus == nil {
		c.Bus = NewMemoryBus()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.AuthTimeout, 10 * time.Second},
		{&c.PingInterval, 25 * time.Second},
		{&c.Recheck, 500 * time.Millisecond},
		{&c.WriteTimeout, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{
		{&c.MaxConnections, 20_000},
		{&c.MaxFrame, 256 << 10},
		{&c.MaxMessages, 50},
		{&c.MaxPerAddress, 256},
		{&c.MaxPerCredential, 256},
		{&c.MaxTopics, 256},
		{&c.QueueBytes, 4 << 20},
		{&c.QueueSize, 256},
	} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	return c
}

func (c Config) validate() error {
	if c.AuthenticateToken == nil {
		return errors.New("realtime: Config.AuthenticateToken is required")
	}
	if c.Authorize == nil {
		return errors.New("realtime: Config.Authorize is required")
	}
	if c.Revalidate == nil {
		return errors.New("realtime: Config.Revalidate is required")
	}
	if c.Recheck > time.Second {
		return errors.New("realtime: Config.Recheck must be at most a second: rights end within that time")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"AuthTimeout", int64(c.AuthTimeout)},
		{"MaxConnections", int64(c.MaxConnections)},
		{"MaxFrame", int64(c.MaxFrame)},
		{"MaxMessages", int64(c.MaxMessages)},
		{"MaxPerAddress", int64(c.MaxPerAddress)},
		{"MaxPerCredential", int64(c.MaxPerCredential)},
		{"MaxTopics", int64(c.MaxTopics)},
		{"PingInterval", int64(c.PingInterval)},
		{"QueueBytes", int64(c.QueueBytes)},
		{"QueueSize", int64(c.QueueSize)},
		{"Recheck", int64(c.Recheck)},
		{"WriteTimeout", int64(c.WriteTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("realtime: Config.%s must not be negative", f.name)
		}
	}
	return nil
}
