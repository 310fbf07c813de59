package upload

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
)

// The default limits, in bytes.
const (
	DefaultMaxFile   = 50 << 20
	DefaultMaxTenant = 1 << 30
)

// Config is what a [Service] is made of.
type Config struct {
	// Audit writes the record of a change in its transaction. Required.
	Audit audit.Record

	// Authorize is asked before anything else. Required.
	Authorize auth.Authorize

	// Blobs keep the content of the files; nil = pieces in DB.
	Blobs BlobStore

	// Clock stamps what is written; nil = the machine's.
	Clock clock.Clock

	// DB holds the list of the files. Required.
	DB *store.DB

	// Limit is how many bytes the files of a tenant may have together, negative = any
	// number; nil = MaxTenant for all.
	Limit func(ctx context.Context, tx bun.IDB, tenantID string) (int64, error)

	// Logger gets what callers must not see; nil = discard.
	Logger *slog.Logger

	// MaxFile is how many bytes a file may have; 0 = [DefaultMaxFile].
	MaxFile int64

	// MaxTenant is how many bytes the files of a tenant may have together; 0 =
	// [DefaultMaxTenant].
	MaxTenant int64

	// Own notes, in the transaction that makes an object, who made it. Default: it
	// is noted in the object alone.
	Own func(ctx context.Context, db bun.IDB, resource, objectID string) error

	// Pages signs the cursors of lists. Required.
	Pages *page.Signer

	// UsedBy names what would break without a file of the caller's tenant, for a
	// person; nil = nothing.
	UsedBy func(ctx context.Context, fileID string) ([]string, error)

	// Visible is asked before a list is read. Default: whoever may list sees all.
	Visible auth.Visible
}

func (c Config) withDefaults() Config {
	if c.Blobs == nil {
		c.Blobs = pieces{c.DB}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxFile == 0 {
		c.MaxFile = DefaultMaxFile
	}
	if c.MaxTenant == 0 {
		c.MaxTenant = DefaultMaxTenant
	}
	if c.Own == nil {
		c.Own = func(context.Context, bun.IDB, string, string) error { return nil }
	}
	if c.Limit == nil {
		most := c.MaxTenant
		c.Limit = func(context.Context, bun.IDB, string) (int64, error) { return most, nil }
	}
	if c.UsedBy == nil {
		c.UsedBy = func(context.Context, string) ([]string, error) { return nil, nil }
	}
	if c.Visible == nil {
		c.Visible = c.Authorize.Sees
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Audit == nil:
		return errors.New("upload: Audit is required")
	case c.Authorize == nil:
		return errors.New("upload: Authorize is required")
	case c.DB == nil:
		return errors.New("upload: DB is required")
	case c.MaxFile < 0:
		return errors.New("upload: MaxFile is negative")
	case c.MaxTenant < 0:
		return errors.New("upload: MaxTenant is negative")
	case c.Pages == nil:
		return errors.New("upload: Pages is required")
	}
	return nil
}

// Service keeps the files of all tenants. It is safe for concurrent use.
type Service struct{ cfg Config }

// New makes a service. It does no I/O and starts nothing.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Service{cfg}, nil
}
