package audit

import (
	"context"
	"errors"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Config is what a [Log] needs.
type Config struct {
	// Actor names who makes the change of a context. Required.
	Actor func(context.Context) Actor

	// Authorize admits a caller to the record of his tenant and returns that
	// tenant's id. Required.
	Authorize func(context.Context) (tenantID string, err error)

	// Clock dates the events. Default: the machine's clock.
	Clock clock.Clock

	// DB holds the record. Required.
	DB *store.DB

	// Pages signs the cursors of [Log.List]. Required.
	Pages *page.Signer

	// RequestID names the request of a context. Default: events carry no request.
	RequestID func(context.Context) string
}

// Log is the audit record. It is safe for concurrent use.
type Log struct {
	actor     func(context.Context) Actor
	admit     func(context.Context) (string, error)
	clock     clock.Clock
	db        *store.DB
	pages     *page.Signer
	requestID func(context.Context) string
}

// New returns a Log. It does not touch the database.
func New(cfg Config) (*Log, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Log{
		actor:     cfg.Actor,
		admit:     cfg.Authorize,
		clock:     cfg.Clock,
		db:        cfg.DB,
		pages:     cfg.Pages,
		requestID: cfg.RequestID,
	}, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
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
	}
	return nil
}

// tenant is the tenant whose record the caller may read. The record of no
// tenant belongs to the operator of the platform and is not read this way.
func (l *Log) tenant(ctx context.Context) (string, error) {
	tenantID, err := l.admit(ctx)
	if err == nil && tenantID == "" {
		err = problem.New(problem.Forbidden, "tenant_required", "this needs a tenant")
	}
	return tenantID, err
}
