package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/throttle"
)

// The defaults of [Config].
const (
	DefaultSessionIdle = 24 * time.Hour
	DefaultSessionMax  = 30 * 24 * time.Hour
)

// touchEvery is how exact "last seen" and "last used" are: a write per request
// would make reading as expensive as writing.
const touchEvery = time.Minute

// Config is what a [Service] needs.
type Config struct {
	// Audit records changes in their own transaction. Required.
	Audit audit.Record

	// Authenticators recognise the host's own credentials. They are asked in
	// order, after the built-in ones. Default: none.
	Authenticators []Authenticator

	// Authorize guards the API keys of a tenant, and says which scopes the maker
	// of a key may give it. Required.
	Authorize Authorize

	// Clock is the time for expiry and records. Default: the machine's.
	Clock clock.Clock

	// DB holds accounts, sessions and keys. Required.
	DB *store.DB

	// Hooks tell the host of sign-ins. Default: none.
	Hooks Hooks

	// Logger receives refused log-ins and faults of the host's authenticators.
	// Default: slog.Default().
	Logger *slog.Logger

	// Members knows who belongs to which tenant. Required.
	Members Members

	// Pages signs the cursors of lists. Required.
	Pages *page.Signer

	// SessionIdle ends a session that was not used for so long. Default:
	// [DefaultSessionIdle]; at least two minutes, since use is noted once a minute.
	SessionIdle time.Duration

	// SessionMax ends a session so long after the log-in, used or not. Default:
	// [DefaultSessionMax]; at least SessionIdle.
	SessionMax time.Duration
}

// Members is what this package needs to know of tenants.
type Members interface {
	// RolesOf returns the ids of a member's roles. The error for who is not a
	// member, and for a tenant that is not there, is problem.NotFound; for a member
	// of a tenant that is suspended it is problem.Forbidden.
	RolesOf(ctx context.Context, tenantID, userID string) ([]string, error)
}

// Hooks are told what happened, after it was committed and before the call
// returns. They cannot fail the call: a panic is logged.
type Hooks struct {
	// AfterLogin is told who signed in with a password, or finished the set-up.
	AfterLogin func(ctx context.Context, user User)

	// AfterProvision is told of an account of another system that was seen for
	// the first time. It runs before the request goes on, so it can make the user
	// a member of a tenant.
	AfterProvision func(ctx context.Context, user User)
}

// Service keeps accounts, sessions and API keys, and recognises callers by
// them. It is safe for concurrent use.
type Service struct {
	audit          audit.Record
	authenticators []Authenticator
	authorize      Authorize
	clock          clock.Clock
	db             *store.DB
	hooks          Hooks
	log            *slog.Logger
	members        Members
	pages          *page.Signer
	passwords      *hasher
	perAccount     *throttle.Throttle
	perAddress     *throttle.Throttle
	sessionIdle    time.Duration
	sessionMax     time.Duration
}

// New checks the configuration. It makes no connection and starts no goroutine.
func New(c Config) (*Service, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return &Service{
		audit:          c.Audit,
		authenticators: c.Authenticators,
		authorize:      c.Authorize,
		clock:          c.Clock,
		db:             c.DB,
		hooks:          c.Hooks,
		log:            c.Logger,
		members:        c.Members,
		pages:          c.Pages,
		passwords:      newHasher(defaultCost()),
		perAccount:     throttle.New(accountAttempts, accountPause),
		perAddress:     throttle.New(addressAttempts, addressPause),
		sessionIdle:    c.SessionIdle,
		sessionMax:     c.SessionMax,
	}, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.SessionIdle == 0 {
		c.SessionIdle = DefaultSessionIdle
	}
	if c.SessionMax == 0 {
		c.SessionMax = max(DefaultSessionMax, c.SessionIdle)
	}
	return c
}

func (c Config) validate() error {
	var faults []error
	need := func(ok bool, text string) {
		if !ok {
			faults = append(faults, errors.New(text))
		}
	}
	need(c.Audit != nil, "Audit is required")
	need(c.Authorize != nil, "Authorize is required")
	need(c.DB != nil, "DB is required")
	need(c.Members != nil, "Members is required")
	need(c.Pages != nil, "Pages is required")
	need(c.SessionIdle >= 2*touchEvery, "SessionIdle must be at least two minutes")
	need(c.SessionMax >= c.SessionIdle, "SessionMax must be at least SessionIdle")
	for i, a := range c.Authenticators {
		need(a != nil, fmt.Sprintf("Authenticators[%d] is nil", i))
	}
	return errors.Join(faults...)
}

// tell runs a hook, which may not harm the call it is told of.
func (s *Service) tell(ctx context.Context, name string, hook func(context.Context, User), user User) {
	if hook == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.log.ErrorContext(ctx, "auth: a hook panicked", "hook", name, "panic", v)
		}
	}()
	hook(ctx, user)
}
