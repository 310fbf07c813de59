package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/semaphore"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
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

	// CallbackURL is the URL to which an issuer sends browsers back, for the name of
	// a provider. Required with an [OIDC] that has a ClientID.
	CallbackURL func(provider string) string

	// Clock is the time for expiry and records. Default: the machine's.
	Clock clock.Clock

	// DB holds accounts, sessions and keys. Required.
	DB *store.DB

	// Denied takes down credentials that were refused, and attempts to enter a tenant.
	// Default: they are not recorded.
	Denied func(context.Context, audit.Denial)

	// Hooks tell the host of sign-ins. Default: none.
	Hooks Hooks

	// HTTP asks issuers for their keys and tokens. Default: none; required with an
	// [OIDC] or a [Firebase].
	HTTP *http.Client

	// Keys seal the secret of a log-in that is under way. Required with an [OIDC]
	// that has a ClientID.
	Keys *secret.Keyring

	// Limiter counts attempts for all processes together. Default: each process
	// counts its own.
	Limiter Limiter

	// Logger receives refused log-ins and faults of the host's authenticators.
	// Default: slog.Default().
	Logger *slog.Logger

	// MaxKeyDays is within how many days an API key of a tenant must expire that is made
	// or changed; 0 = there is no limit. It is asked before, and again in the
	// transaction db that makes the key or changes it. Default: there is no limit.
	MaxKeyDays func(ctx context.Context, db bun.IDB, tenantID string) (int, error)

	// Members knows who belongs to which tenant. Required.
	Members Members

	// Pages signs the cursors of lists. Required.
	Pages *page.Signer

	// ResetURL is the page of the host's that asks for a new password; the token is
	// in its fragment, "#token=…". Required with Hooks.SendPasswordReset.
	ResetURL string

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

	// HoldMember keeps a member one until the end of the transaction tx, and everybody
	// else from making something in the tenant meanwhile. The error for who is not a
	// member is problem.NotFound.
	HoldMember(ctx context.Context, tx bun.IDB, tenantID, userID string) error
}

// Hooks are told what happened, after it was committed and before the call
// returns, unless they say otherwise. They cannot fail the call: a panic is logged.
type Hooks struct {
	// AfterLogin is told who signed in with a password or at an issuer in the browser,
	// or finished the set-up.
	AfterLogin func(ctx context.Context, user User)

	// AfterProvision is told of an account of another system that was seen for
	// the first time. It runs before the request goes on, so it can make the user
	// a member of a tenant.
	AfterProvision func(ctx context.Context, user User)

	// SendPasswordReset sends somebody the link to a new password, by e-mail say. It
	// runs in the background, for at most 30 seconds; an error or a panic is logged.
	// Without it there is no way to replace a forgotten password.
	SendPasswordReset func(ctx context.Context, link PasswordReset) error
}

// Service keeps accounts, sessions and API keys, and recognises callers by
// them. It is safe for concurrent use.
type Service struct {
	audit          audit.Record
	authenticators []Authenticator
	authorize      Authorize
	clock          clock.Clock
	db             *store.DB
	denied         func(context.Context, audit.Denial)
	hooks          Hooks
	http           *http.Client
	issuers        []*issuer // those with a log-in in the browser
	log            *slog.Logger
	maxKeyDays     func(ctx context.Context, db bun.IDB, tenantID string) (int, error)
	members        Members
	pages          *page.Signer
	passwords      *hasher
	perAccount     *throttle.Throttle
	perAddress     *throttle.Throttle
	perBadToken    *throttle.Throttle
	known          knownTokens
	perEveryNew    *throttle.Throttle
	perEveryone    *throttle.Throttle
	perNew         *throttle.Throttle
	perReset       *throttle.Throttle
	resets         *semaphore.Weighted // links that are being sent
	resetURL       string
	ring           *secret.Keyring
	sessionIdle    time.Duration
	sessionMax     time.Duration
	stopped        atomic.Bool
}

// New checks the configuration. It makes no connection and starts no goroutine.
func New(c Config) (*Service, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	authenticators, issuers := c.bound()
	return &Service{
		audit:          c.Audit,
		authenticators: authenticators,
		authorize:      c.Authorize,
		clock:          c.Clock,
		db:             c.DB,
		denied:         c.Denied,
		hooks:          c.Hooks,
		http:           c.HTTP,
		issuers:        issuers,
		log:            c.Logger,
		maxKeyDays:     c.MaxKeyDays,
		members:        c.Members,
		pages:          c.Pages,
		passwords:      newHasher(defaultCost()),
		perAccount:     c.throttle("account", accountAttempts, accountPause),
		perAddress:     c.throttle("address", addressAttempts, addressPause),
		perBadToken:    c.throttle("bad token", badTokens, badTokenPause),
		perEveryNew:    c.throttle("every new account", everyNew, everyNewPause),
		perEveryone:    c.throttle("account from everywhere", everyAttempts, everyPause),
		perNew:         c.throttle("new account", newAccounts, newPause),
		perReset:       c.throttle("reset", resetAttempts, resetPause),
		resets:         semaphore.NewWeighted(maxResets),
		resetURL:       c.ResetURL,
		ring:           c.Keys,
		sessionIdle:    c.SessionIdle,
		sessionMax:     c.SessionMax,
	}, nil
}

func (c Config) withDefaults() Config {
	if c.Denied == nil {
		c.Denied = func(context.Context, audit.Denial) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxKeyDays == nil {
		c.MaxKeyDays = func(context.Context, bun.IDB, string) (int, error) { return 0, nil }
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
	need(c.Hooks.SendPasswordReset == nil || isIssuer(c.ResetURL), "ResetURL must be an https URL without query and fragment, for Hooks.SendPasswordReset")
	c.validateAuthenticators(need)
	return errors.Join(faults...)
}

func (c Config) validateAuthenticators(need func(ok bool, text string)) {
	issuers, names := map[string]bool{}, map[string]bool{}
	for n, a := range c.Authenticators {
		at := fmt.Sprintf("Authenticators[%d]", n)
		need(a != nil, at+" is nil")
		if own, ok := a.(interface {
			check(need func(ok bool, what string))
		}); ok {
			own.check(func(ok bool, what string) { need(ok, at+": "+what) })
		}
		i, ok := a.(*issuer)
		if !ok {
			continue
		}
		need(!issuers[i.cfg.Issuer], at+": Issuer is that of another one; name every audience in one of them")
		issuers[i.cfg.Issuer] = true
		need(c.HTTP != nil, "HTTP is required with an issuer")
		if i.inBrowser() {
			need(c.CallbackURL != nil, "CallbackURL (of an App: PublicURL) is required with a ClientID")
			need(c.Keys != nil, "Keys is required with a ClientID")
			need(!names[i.cfg.Name], at+": Name is that of another one")
			names[i.cfg.Name] = true
		}
	}
}

// bound are the authenticators, with copies of our own of those that need what a
// service has; and of these the ones with a log-in in the browser.
func (c Config) bound() (all []Authenticator, browser []*issuer) {
	for _, a := range c.Authenticators {
		if i, ok := a.(*issuer); ok {
			i = i.bind(c)
			if a = i; i.inBrowser() {
				browser = append(browser, i)
			}
		}
		all = append(all, a)
	}
	return all, browser
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
