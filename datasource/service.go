package datasource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/tenantid"
	"github.com/jetadmin/jetadmin/internal/throttle"
	"github.com/jetadmin/jetadmin/problem"
)

// Config is what a [Service] is made of.
type Config struct {
	// Admit is asked in the transaction that adds one to the tenant's "datasources" or
	// "queries", and may refuse; nil = nobody does.
	Admit func(ctx context.Context, tx bun.IDB, tenantID, resource string) error

	// Audit writes the record of a change in its transaction. Required.
	Audit audit.Record

	// Authorize is asked before anything else. Required.
	Authorize auth.Authorize

	// CacheBytes is about the memory that results of queries with a cache may take
	// in this process; those used longest ago go first. 0 = 64 MB, negative = no
	// result is kept.
	CacheBytes int64

	// Clock stamps what is written; nil = the machine's.
	Clock clock.Clock

	// Connectors are the types there are; at least one.
	Connectors []Connector

	// DB holds the datasources and queries. Required.
	DB *store.DB

	// Egress says where connectors may connect to; the zero value refuses every
	// address that is not public.
	Egress egress.Policy

	// FileExists says whether a tenant has an uploaded file, in a transaction: a
	// datasource can name no other. nil = that is found out when the file is read.
	FileExists func(ctx context.Context, db bun.IDB, tenantID, fileID string) (bool, error)

	// HistoryRetention is for how long executions are listed; 0 = 30 days, negative
	// = as long as they are among the last 100,000 of their tenant.
	HistoryRetention time.Duration

	// Gone reports of a tenant that it was deleted: nothing is taken down of it any
	// more. nil = none ever is.
	Gone func(tenantID string) bool

	// Hooks let the host watch or refuse runs.
	Hooks Hooks

	// IdleTimeout is how long an open datasource is kept without use; 0 = 5 minutes.
	IdleTimeout time.Duration

	// Keys seal the secrets. Required.
	Keys *secret.Keyring

	// Limiter counts connection tests, streams and refreshes of schemas for all
	// processes together; nil = each process counts its own.
	Limiter auth.Limiter

	// Logger gets what callers must not see; nil = discard.
	Logger *slog.Logger

	// MaxOpen is the number of datasources that are open at once in this
	// process; 0 = 256. One more closes the one that was unused longest, or is
	// Unavailable when all are in use.
	MaxOpen int

	// MaxRows is how many rows a result may have in a tenant; negative = as many as
	// there are. Every run asks. Default: that.
	MaxRows func(ctx context.Context, tenantID string) (int64, error)

	// MaxStatements is the number of statements that run at once for one tenant in
	// this process; 0 = 32. Further ones wait for their turn, within their own time
	// limit; of more than 256 that wait, the last is RateLimited.
	MaxStatements int

	// OnlyOwns reports whether the caller has a right on an object for no other reason
	// than that he made it. Default: nobody does.
	OnlyOwns func(ctx context.Context, permission auth.Permission, objectID string) (bool, error)

	// Own notes, in the transaction that makes an object, who made it. Default: it
	// is noted in the object alone.
	Own func(ctx context.Context, db bun.IDB, resource, objectID string) error

	// Pages signs the cursors of lists. Required.
	Pages *page.Signer

	// Publish sends an event of a kind to a topic: [EventState] to "datasource:<id>".
	// nil = nobody watches.
	Publish func(ctx context.Context, topic, kind string, data any)

	// Refused reports whether the caller is denied a right by name, and does not only
	// lack it: whoever may not see a datasource writes no queries on it. Default: he
	// never is.
	Refused func(ctx context.Context, permission auth.Permission, objectID string) (bool, error)

	// Revalidate proves again who began a stream, see auth.Service.Revalidate; nil =
	// only the rights are looked at again.
	Revalidate func(ctx context.Context, who *auth.Principal) (*auth.Principal, error)

	// Roles turns names of roles, ids and keys of default ones, into ids of the
	// caller's tenant, in a transaction. For a name that is none the id is "" and
	// the error Invalid. nil = whatever row rules name is taken for an id.
	Roles func(ctx context.Context, db bun.IDB, names []string) ([]string, error)

	// Scripts runs the scripts of transformations; nil = a query cannot have one.
	Scripts *sandbox.Pool

	// UsedBy names what would break without a saved query of the caller's tenant,
	// for a person; nil = nothing.
	UsedBy func(ctx context.Context, queryID string) ([]string, error)

	// Visible is asked before a list is read. Default: whoever may list sees all.
	Visible auth.Visible
}

// Hooks are functions of the host; each may be nil.
type Hooks struct {
	// BeforeRun may refuse a run of a saved query; its error is the caller's.
	BeforeRun func(ctx context.Context, q Query) error

	// AfterRun learns how a run of a saved query ended.
	AfterRun func(ctx context.Context, q Query, took time.Duration, err error)
}

func (c Config) withDefaults() Config {
	if c.Admit == nil {
		c.Admit = func(context.Context, bun.IDB, string, string) error { return nil }
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	if c.Gone == nil {
		c.Gone = func(string) bool { return false }
	}
	if c.HistoryRetention == 0 {
		c.HistoryRetention = 30 * 24 * time.Hour
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 5 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxOpen == 0 {
		c.MaxOpen = 256
	}
	if c.MaxRows == nil {
		c.MaxRows = func(context.Context, string) (int64, error) { return -1, nil }
	}
	if c.MaxStatements == 0 {
		c.MaxStatements = 32
	}
	if c.OnlyOwns == nil {
		c.OnlyOwns = func(context.Context, auth.Permission, string) (bool, error) { return false, nil }
	}
	if c.Own == nil {
		c.Own = func(context.Context, bun.IDB, string, string) error { return nil }
	}
	if c.Refused == nil {
		c.Refused = func(context.Context, auth.Permission, string) (bool, error) { return false, nil }
	}
	if c.Revalidate == nil {
		c.Revalidate = func(_ context.Context, who *auth.Principal) (*auth.Principal, error) { return who, nil }
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
		return errors.New("datasource: Audit is required")
	case c.Authorize == nil:
		return errors.New("datasource: Authorize is required")
	case len(c.Connectors) == 0:
		return errors.New("datasource: Connectors is empty")
	case c.DB == nil:
		return errors.New("datasource: DB is required")
	case c.IdleTimeout < 0:
		return errors.New("datasource: IdleTimeout is negative")
	case c.Keys == nil:
		return errors.New("datasource: Keys is required")
	case c.MaxOpen < 0:
		return errors.New("datasource: MaxOpen is negative")
	case c.MaxStatements < 0:
		return errors.New("datasource: MaxStatements is negative")
	case c.Pages == nil:
		return errors.New("datasource: Pages is required")
	}
	if err := c.Egress.Validate(); err != nil {
		return fmt.Errorf("datasource: Egress: %w", err)
	}
	return nil
}

// maxWaiting is the number of statements of a tenant that may wait for their turn.
const maxWaiting = 256

// Service holds the datasources and queries of all tenants, and runs them. It is
// safe for concurrent use.
type Service struct {
	cfg       Config
	authorize auth.Authorize
	db        *store.DB
	types     map[string]Connector
	pools     *pools
	probes    *throttle.Throttle
	exports   *throttle.Throttle
	refreshes *throttle.Throttle

	breakers *breakers
	tenants  tenantid.Cache
	epochs   epochs
	history  *history
	flights  *flights[Result]
	readings *flights[Schema]
	plans    *lru[*plan]
	results  *lru[*cached]
	schemas  *lru[*keptSchema]
	scripts  *lru[struct{}] // sources without faults
	rooms    *rooms         // by tenant
	streams  *rooms         // by datasource
}

// New makes a service. It does no I/O and starts nothing; [Service.Close] ends
// the connections that it opens later.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, authorize: cfg.Authorize, db: cfg.DB, types: map[string]Connector{}, pools: newPools(cfg.MaxOpen, cfg.IdleTimeout),
		flights: newFlights[Result](), readings: newFlights[Schema](), history: newHistory(cfg), plans: newLRU[*plan](maxPlans), results: newLRU[*cached](cfg.CacheBytes), schemas: newLRU[*keptSchema](schemaBytes),
		scripts:   newLRU[struct{}](4 << 20),
		rooms:     newRooms(cfg.MaxStatements, maxWaiting, "too_many_statements", "statements"),
		streams:   newRooms(maxStreams, 0, "too_many_streams", "streams of the datasource"),
		probes:    cfg.perMinute("test", probesPerMinute, "too_many_tests", "connection tests"),
		exports:   cfg.perMinute("stream", streamsPerMinute, "too_many_streams", "streams"),
		refreshes: cfg.perMinute("schema", refreshesPerMinute, "too_many_refreshes", "refreshes of schemas"),
	}
	s.breakers = newBreakers(s.publishState)
	for _, c := range cfg.Connectors {
		spec, err := CheckConnector(c)
		if err != nil {
			return nil, fmt.Errorf("datasource: Connectors: %w", err)
		}
		if s.types[spec.Type] != nil {
			return nil, fmt.Errorf("datasource: Connectors has the type %q twice", spec.Type)
		}
		s.types[spec.Type] = c
	}
	return s, nil
}

// Close ends all connections and the runs that use them, and waits until they
// are closed and what ran is taken down. Runs after it are Unavailable.
func (s *Service) Close() error {
	err := s.pools.close()
	s.history.close()
	return err
}

// Types lists the types of datasources in alphabetical order, see [Spec]. It is
// the same for everybody.
func (s *Service) Types() []Spec {
	specs := make([]Spec, 0, len(s.types))
	for _, name := range sortedKeys(s.types) {
		specs = append(specs, s.types[name].Spec())
	}
	return specs
}

// connector finds a type by its exact name (T82).
func (s *Service) connector(name string) (Connector, error) {
	if c := s.types[name]; c != nil {
		return c, nil
	}
	var faults problem.Faults
	faults.Add("type", "is not a type of datasource here; GET /datasource-types lists those that are")
	return nil, faults.Err("datasource_invalid", "the datasource is not valid")
}
