package rbac

import (
	"context"
	"errors"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
)

// Config is what a [Service] needs.
type Config struct {
	// Audit writes the record of a change. Required.
	Audit audit.Record

	// Clock dates the roles. Default: the machine's clock.
	Clock clock.Clock

	// DB holds the roles. Required.
	DB *store.DB

	// Denied takes down what a caller was refused. Default: it is not recorded.
	Denied func(context.Context, audit.Denial)

	// Gone reports of a tenant that it was deleted: a service, of which nothing is read
	// from the database, has no right in it. Default: none ever is.
	Gone func(tenantID string) bool

	// Pages signs the cursors of [Service.Roles]. Required.
	Pages *page.Signer

	// ParentOf is the workflow of a run of a tenant, "" for a run that is not there:
	// rules about a workflow are about its runs too. It is asked only in tenants with
	// rules about single objects. Default: runs are parts of nothing.
	ParentOf func(ctx context.Context, tenantID, runID string) (workflowID string, err error)

	// Tenants is how many tenants' rules are kept in memory, some 3 KB each and 200
	// bytes for each grant. One more drops the least recently used; its next decision
	// reads them again. Default: 16384.
	Tenants int
}

// Service keeps the roles and decides by them. It is safe for concurrent use.
type Service struct {
	audit     audit.Record
	catalogue catalogue
	clock     clock.Clock
	db        *store.DB
	decisions *decisions
	denied    func(context.Context, audit.Denial)
	enforcers *enforcers
	gone      func(tenantID string) bool
	pages     *page.Signer
	parents   *parents
	policies  *policies
	views     *views
}

const defaultTenants = 16384

// New returns a Service. It does not touch the database.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	es, err := newEnforcers()
	if err != nil {
		return nil, err
	}
	s := &Service{
		audit:     cfg.Audit,
		catalogue: newCatalogue(),
		clock:     cfg.Clock,
		db:        cfg.DB,
		decisions: newDecisions(maxDecisions),
		denied:    cfg.Denied,
		enforcers: es,
		gone:      cfg.Gone,
		pages:     cfg.Pages,
		parents:   &parents{find: cfg.ParentOf},
		views:     &views{now: cfg.Clock.Now},
	}
	s.policies = newPolicies(cfg.Tenants, s.currentVersion, s.currentPolicy)
	return s, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Denied == nil {
		cfg.Denied = func(context.Context, audit.Denial) {}
	}
	if cfg.ParentOf == nil {
		cfg.ParentOf = func(context.Context, string, string) (string, error) { return "", nil }
	}
	if cfg.Gone == nil {
		cfg.Gone = func(string) bool { return false }
	}
	if cfg.Tenants == 0 {
		cfg.Tenants = defaultTenants
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.Audit == nil:
		return errors.New("rbac: Config.Audit is required")
	case cfg.DB == nil:
		return errors.New("rbac: Config.DB is required")
	case cfg.Pages == nil:
		return errors.New("rbac: Config.Pages is required")
	case cfg.Tenants < 1:
		return errors.New("rbac: Config.Tenants must be positive")
	}
	return nil
}
