package tenancy

import (
	"context"
	"errors"
	"log/slog"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/throttle"
)

// Config is what a [Service] needs.
type Config struct {
	// Accounts make accounts for people who are invited. Required.
	Accounts Accounts

	// Audit writes the record of a change. Required.
	Audit audit.Record

	// Authorize decides who may do what. Required.
	Authorize auth.Authorize

	// Clock dates tenants and members. Default: the machine's clock.
	Clock clock.Clock

	// DB holds the tenants. Required.
	DB *store.DB

	// Denied takes down what somebody was refused. Default: it is not recorded.
	Denied func(context.Context, audit.Denial)

	// Erase removes what a deleted tenant has outside of the database: the content of
	// its files. It may be called again when it was done before. Default: nothing.
	Erase func(ctx context.Context, tenantID string) error

	// Forget drops the history of topics of live events. Default: nobody keeps any.
	Forget func(ctx context.Context, topics []string) error

	// Hooks take part in what happens. Default: nobody does.
	Hooks Hooks

	// Leave closes what this process has open of a tenant that was deleted. Default:
	// nothing is open.
	Leave func(tenantID string)

	// Limiter counts invitations for all processes together. Default: each process
	// counts its own.
	Limiter auth.Limiter

	// Limits bound what each tenant may have, but for those that [Service.SetLimits]
	// gives it. Default: see the fields.
	Limits Limits

	// Logger gets what operators must know. Default: slog.Default().
	Logger *slog.Logger

	// Pages signs the cursors of [Service.Members]. Required.
	Pages *page.Signer

	// Refused reports whether the caller is denied a right by name, and does not only
	// lack it: members are shown without the names of roles that are denied to him.
	// Default: he never is.
	Refused func(ctx context.Context, permission auth.Permission, objectID string) (bool, error)

	// Roles knows what roles are. Required.
	Roles Roles

	// Visible is asked before the members are listed. Default: whoever may list sees
	// all.
	Visible auth.Visible
}

// Accounts is what tenancy needs of accounts.
type Accounts interface {
	// Admit counts an attempt at a secret that comes from an address: RateLimited.
	Admit(ctx context.Context, address string) error

	// DraftUser checks a local account and returns what makes it in a transaction.
	DraftUser(ctx context.Context, in auth.NewUser) (store func(ctx context.Context, tx bun.IDB) (auth.User, error), err error)

	// LeaveTenant ends, in the transaction that takes an account out of a tenant, the API
	// keys that it has there.
	LeaveTenant(ctx context.Context, tx bun.IDB, tenantID, userID string) error

	// Revalidate returns a principal as it is now; Unauthenticated and NotFound when
	// it is no more.
	Revalidate(ctx context.Context, p *auth.Principal) (*auth.Principal, error)
}

// Roles is what tenancy needs to know of roles. Statements go to db, which is
// the transaction of the change.
type Roles interface {
	// Seed gives a new tenant its default roles and returns the Owner role's id.
	Seed(ctx context.Context, db bun.IDB, tenantID string) (ownerRoleID string, err error)

	// Grantable is nil when the roles exist in the caller's tenant and give
	// nothing that he does not hold; else Invalid or Forbidden.
	Grantable(ctx context.Context, db bun.IDB, roleIDs []string) error

	// MemberLeft forgets what was granted to a member alone, in the transaction that
	// removes him.
	MemberLeft(ctx context.Context, db bun.IDB, tenantID, userID string) error

	// OwnerRole is the id of the Owner role of a tenant.
	OwnerRole(ctx context.Context, db bun.IDB, tenantID string) (string, error)
}

// Hooks let a host take part in what happens to tenants. A nil function is left
// out. They run on the goroutine of the call, outside of the transaction.
type Hooks struct {
	// BeforeAccept may refuse that somebody becomes a member by an invitation, or
	// that a local account is made for it: the call returns its error, of any
	// problem.Kind, and the invitation stays open. Without it and SendInvitation no
	// account is made for an invitation: nobody has proven the address.
	BeforeAccept func(ctx context.Context, in Accepting) error

	// BeforeCreate may refuse a tenant: the call returns its error, of any
	// problem.Kind.
	BeforeCreate func(ctx context.Context, in NewTenant) error

	// AfterCreate is told of a tenant that is there for good.
	AfterCreate func(ctx context.Context, t Tenant)

	// SendInvitation delivers the token of an invitation to its address: by a link
	// that the host makes from its own public address, never from a request. With
	// it, the reply of the HTTP API has no token. Its error ends the call and takes
	// the invitation back.
	SendInvitation func(ctx context.Context, i Invitation, token string) error
}

// Service keeps tenants and members. It is safe for concurrent use.
type Service struct {
	cfg       Config
	accounts  Accounts
	audit     audit.Record
	authorize auth.Authorize
	clock     clock.Clock
	db        *store.DB
	hooks     Hooks
	invites   *throttle.Throttle
	logger    *slog.Logger
	pages     *page.Signer
	roles     Roles

	gone       gone
	rows       rowLimits
	urgent     chan struct{} // the loop has to look at once
	background *background   // nil = it does not run
}

// New returns a Service. It does not touch the database.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Service{
		cfg:       cfg,
		accounts:  cfg.Accounts,
		audit:     cfg.Audit,
		authorize: cfg.Authorize,
		clock:     cfg.Clock,
		db:        cfg.DB,
		hooks:     cfg.Hooks,
		invites:   throttle.New(throttle.Config{Name: "invitation", Rate: throttle.Rate{Burst: inviteAttempts, Pause: invitePause}, Shared: cfg.Limiter}),
		logger:    cfg.Logger,
		pages:     cfg.Pages,
		roles:     cfg.Roles,
		urgent:    make(chan struct{}, 1),
	}, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Denied == nil {
		cfg.Denied = func(context.Context, audit.Denial) {}
	}
	if cfg.Erase == nil {
		cfg.Erase = func(context.Context, string) error { return nil }
	}
	if cfg.Forget == nil {
		cfg.Forget = func(context.Context, []string) error { return nil }
	}
	if cfg.Leave == nil {
		cfg.Leave = func(string) {}
	}
	cfg.Limits = cfg.Limits.or(defaultLimits())
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Refused == nil {
		cfg.Refused = func(context.Context, auth.Permission, string) (bool, error) { return false, nil }
	}
	if cfg.Visible == nil {
		cfg.Visible = cfg.Authorize.Sees
	}
	if cfg.Hooks.BeforeCreate == nil {
		cfg.Hooks.BeforeCreate = func(context.Context, NewTenant) error { return nil }
	}
	if cfg.Hooks.AfterCreate == nil {
		cfg.Hooks.AfterCreate = func(context.Context, Tenant) {}
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.Accounts == nil:
		return errors.New("tenancy: Config.Accounts is required")
	case cfg.Audit == nil:
		return errors.New("tenancy: Config.Audit is required")
	case cfg.Authorize == nil:
		return errors.New("tenancy: Config.Authorize is required")
	case cfg.DB == nil:
		return errors.New("tenancy: Config.DB is required")
	case cfg.Pages == nil:
		return errors.New("tenancy: Config.Pages is required")
	case cfg.Roles == nil:
		return errors.New("tenancy: Config.Roles is required")
	}
	return nil
}
