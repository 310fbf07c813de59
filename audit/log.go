package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/throttle"
	"github.com/jetadmin/jetadmin/problem"
)

// Config is what a [Log] needs.
type Config struct {
	// Actor names who makes the change of a context. Required.
	Actor func(context.Context) Actor

	// Address is where the call of a context comes from, "" when that is not known.
	// Default: never known.
	Address func(context.Context) string

	// Authorize admits a caller to the record of his tenant and returns that
	// tenant's id. Required.
	Authorize func(context.Context) (tenantID string, err error)

	// Clock dates the events. Default: the machine's clock.
	Clock clock.Clock

	// DB holds the record. Required.
	DB *store.DB

	// First is the action that the record of a tenant begins with: a record that begins with
	// another one, or is empty, has lost its beginning. Default: it may begin with any.
	First string

	// Gone reports of a tenant that it was deleted: it has no record any more. Default:
	// none ever is.
	Gone func(tenantID string) bool

	// Limiter counts exports and checks for all processes together. Default: each
	// process counts its own.
	Limiter throttle.Limiter

	// Logger gets what operators must know. Default: slog.Default().
	Logger *slog.Logger

	// Pages signs the cursors of [Log.List]. Required.
	Pages *page.Signer

	// Recheck asks again whether the caller of an export may have the record; its
	// error ends the export. It is not asked for [Log.Platform]. Default: who may at
	// the beginning may to the end.
	Recheck func(context.Context) error

	// RequestID names the request of a context. Default: events carry no request.
	RequestID func(context.Context) string

	// Retention is for how long events are kept. Default: for ever.
	Retention time.Duration

	// Sinks get every event, see [Sink]. Default: none.
	Sinks []Sink

	// Undenied narrows a query over events to those about things that the caller may
	// see; the columns hold the kind and the id of the thing. It is not asked for
	// [Log.Platform]. Default: who may read the record sees all of it.
	Undenied func(ctx context.Context, kindColumn, idColumn string) (func(*bun.SelectQuery) *bun.SelectQuery, error)
}

// Log is the audit record. It is safe for concurrent use.
type Log struct {
	actor     func(context.Context) Actor
	address   func(context.Context) string
	admit     func(context.Context) (string, error)
	clock     clock.Clock
	db        *store.DB
	first     string
	gone      func(tenantID string) bool
	logger    *slog.Logger
	pages     *page.Signer
	recheck   func(context.Context) error
	requestID func(context.Context) string
	retention time.Duration
	undenied  func(ctx context.Context, kindColumn, idColumn string) (func(*bun.SelectQuery) *bun.SelectQuery, error)

	denials    *denials
	outlets    []*outlet
	readers    readers
	walks      *throttle.Throttle // nil = as many as anybody likes
	background *background        // nil = it does not run
	platform   bool               // the record of no tenant is open
}

// New returns a Log. It does not touch the database.
func New(cfg Config) (*Log, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &Log{
		actor:     cfg.Actor,
		address:   cfg.Address,
		admit:     cfg.Authorize,
		clock:     cfg.Clock,
		db:        cfg.DB,
		denials:   &denials{},
		first:     cfg.First,
		gone:      cfg.Gone,
		logger:    cfg.Logger,
		pages:     cfg.Pages,
		recheck:   cfg.Recheck,
		requestID: cfg.RequestID,
		retention: cfg.Retention,
		undenied:  cfg.Undenied,
		walks: throttle.New(throttle.Config{
			Name: "audit", Rate: throttle.Rate{Burst: walkBurst, Pause: walkPause}, Shared: cfg.Limiter,
			Code: "too_many_exports", What: "exports and checks of the audit record",
		}),
	}
	for i, sink := range cfg.Sinks {
		l.outlets = append(l.outlets, newOutlet(sink, i+1, cfg.Logger))
	}
	return l, nil
}

// Platform is the record of no tenant: accounts, sign-ins and those refused, and
// what is done to the installation. It is for the host program, which decides who
// may see it: no right is asked for. It reads as a [Log] does; it is not to be
// started.
func (l *Log) Platform() *Log {
	return &Log{
		actor: l.actor, address: l.address, admit: func(context.Context) (string, error) { return "", nil }, clock: l.clock, db: l.db, gone: l.gone,
		denials: l.denials, logger: l.logger, outlets: l.outlets, pages: l.pages, requestID: l.requestID, undenied: everything, platform: true,
	}
}

// everything narrows nothing.
func everything(context.Context, string, string) (func(*bun.SelectQuery) *bun.SelectQuery, error) {
	return func(q *bun.SelectQuery) *bun.SelectQuery { return q }, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Address == nil {
		cfg.Address = func(context.Context) string { return "" }
	}
	if cfg.Gone == nil {
		cfg.Gone = func(string) bool { return false }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Undenied == nil {
		cfg.Undenied = everything
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.Actor == nil:
		return errors.New("audit: Config.Actor is required")
	case cfg.Authorize == nil:
		return errors.New("audit: Config.Authorize is required")
	case cfg.DB == nil:
		return errors.New("audit: Config.DB is required")
	case cfg.Pages == nil:
		return errors.New("audit: Config.Pages is required")
	case cfg.Retention < 0:
		return errors.New("audit: Config.Retention must not be negative")
	}
	for i, sink := range cfg.Sinks {
		if sink == nil {
			return fmt.Errorf("audit: Config.Sinks[%d] is nil", i)
		}
	}
	return nil
}

// tenant is the tenant whose record the caller may read. The record of no
// tenant belongs to the operator of the platform, see [Log.Platform].
func (l *Log) tenant(ctx context.Context) (string, error) {
	tenantID, err := l.admit(ctx)
	if err == nil && tenantID == "" && !l.platform {
		err = problem.New(problem.Forbidden, "tenant_required", "this needs a tenant")
	}
	return tenantID, err
}
