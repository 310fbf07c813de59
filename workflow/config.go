package workflow

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/uptrace/bun"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/safelog"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/tenantid"
	"github.com/jetadmin/jetadmin/problem"
)

// Config is what a [Service] works with. Fields without a default are required.
type Config struct {
	// Admit is asked in the transaction that adds one to the tenant's "workflows",
	// "schedules" or "webhooks", and may refuse. Default: nobody does.
	Admit func(ctx context.Context, tx bun.IDB, tenantID, resource string) error

	// Assignees looks up, in the tenant of the context's principal, people whom a
	// node names: the result has ids alone. Whoever is not there is a fault of an
	// Invalid error, at "roles.0" or "users.0". Default: names are ids, unchecked.
	Assignees func(ctx context.Context, a Assignees) (Assignees, error)

	// Audit records changes to workflows, cancels and answers.
	Audit audit.Record

	// Authorize decides every call.
	Authorize auth.Authorize

	// BasePath is the path below which the host has mounted the API: that of a webhook
	// begins with it. Default: none.
	BasePath string

	// CheckReference says whether the object of a grant is there, in the tenant of
	// the context's principal; NotFound when it is not.
	CheckReference func(ctx context.Context, grant auth.Grant) error

	// Clock is the time in records; leases and timers follow the database's clock.
	// Default: the machine's.
	Clock clock.Clock

	// DB holds definitions and runs.
	DB *store.DB

	// Denied takes down what somebody was refused. Default: it is not recorded.
	Denied func(context.Context, audit.Denial)

	// Gone reports of a tenant that it was deleted: nothing is logged in it any more.
	// Default: none ever is.
	Gone func(tenantID string) bool

	// Hooks are called around starts and ends of runs. Default: none.
	Hooks Hooks

	// Keys seal the secrets of webhooks. Default: none, and then a webhook can only
	// be public.
	Keys *secret.Keyring

	// Lease is how long a process that is no longer heard of keeps its nodes; it
	// is renewed three times in that time. Shorter finds a dead process sooner and
	// survives shorter pauses. Default 15s; at least 1s.
	Lease time.Duration

	// Limiter counts deliveries to webhooks for all processes together. Default: each
	// process counts its own.
	Limiter auth.Limiter

	// Logger gets what operators must know. Default: slog.Default().
	Logger *slog.Logger

	// MeterProvider gets the engine's metrics, see docs/observability.md. Default:
	// none, which costs nothing.
	MeterProvider metric.MeterProvider

	// Nodes are the node types, one of them a [Starter] named "start".
	Nodes []Node

	// Own notes, in the transaction that makes an object, who made it. Default: it
	// is noted in the object alone.
	Own func(ctx context.Context, db bun.IDB, resource, objectID string) error

	// Pages signs the cursors of lists.
	Pages *page.Signer

	// Past reads the events that were published to a topic. Default: none were kept.
	Past Past

	// Publish sends an event to whoever watches a topic. It must not block for
	// long. Default: nobody watches.
	Publish Publish

	// Queue lets processes tell each other of work. Default: none, for a process
	// that is alone; of others it sees the work within a second.
	Queue Queue

	// Retention is for how long a run is kept after its end, in tenants that have
	// not said otherwise; then it is deleted with its nodes, outputs and logs, and
	// its idempotency key is forgotten. Negative = for ever. Default 30 days.
	Retention time.Duration

	// RoomForRuns is how many more runs may be in flight in a tenant, and what the limit
	// is. It is asked about once a second. Default: as many as anybody starts.
	RoomForRuns func(ctx context.Context, db bun.IDB, tenantID string) (room, limit int64, err error)

	// Slots is how many nodes run at a time in this process; negative = none, the
	// process only defines and starts. Default: 64 for each processor.
	Slots int

	// TracerProvider gets a trace for each run, with a span for each attempt at a
	// node, see docs/observability.md. Processes that share a DB should all have one
	// or none. Default: none, which costs nothing.
	TracerProvider trace.TracerProvider

	// Refused reports whether the caller is denied a right by name, and does not only
	// lack it: who is denied to read a run is not asked by its waits. Default: he
	// never is.
	Refused func(ctx context.Context, permission auth.Permission, objectID string) (bool, error)

	// Visible is asked before a list is read. Default: whoever may list sees all.
	Visible auth.Visible

	// Watched says of topics whether anybody may want their events: the others are
	// not published. It is asked after what an event tells was stored, and while it
	// answers, or fails to, true, the events of a topic are complete. Default: all are.
	Watched func(ctx context.Context, topics []string) []bool

	// WorkerName names the process to operators. Default "jetadmin".
	WorkerName string

	// Zone is the time zone, an IANA name, of a schedule of a tenant that names none.
	// Default: UTC.
	Zone func(ctx context.Context, tenantID string) (string, error)
}

// Publish sends an event of a kind to a topic: "run.updated" to "run:<id>".
// Events of a topic arrive in the order of the calls.
type Publish func(ctx context.Context, topic, kind string, data any)

// Hooks let a host look at, or refuse, what happens to runs.
type Hooks struct {
	// BeforeStart may refuse a start by an error, which the caller gets.
	BeforeStart func(ctx context.Context, p StartParams) error
	// AfterEnd hears of every run that this process brought to its end, after the
	// end is stored. After a crash between the two it is not called.
	AfterEnd func(ctx context.Context, r Run)
}

// slotsPerProcessor is made for nodes that wait for others most of the time. Those
// that wait for a commit hold a slot too, and the more of them there are, the
// fewer commits each of them costs.
const slotsPerProcessor = 64

func (c Config) withDefaults() Config {
	if c.Admit == nil {
		c.Admit = func(context.Context, bun.IDB, string, string) error { return nil }
	}
	if c.RoomForRuns == nil {
		c.RoomForRuns = func(context.Context, bun.IDB, string) (room, limit int64, err error) { return math.MaxInt64, -1, nil }
	}
	if c.Denied == nil {
		c.Denied = func(context.Context, audit.Denial) {}
	}
	if c.Assignees == nil {
		c.Assignees = func(_ context.Context, a Assignees) (Assignees, error) { return a, nil }
	}
	if c.Gone == nil {
		c.Gone = func(string) bool { return false }
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = safelog.New(c.Logger)
	if c.Own == nil {
		c.Own = func(context.Context, bun.IDB, string, string) error { return nil }
	}
	if c.Past == nil {
		c.Past = func(context.Context, string, int64) (RunEvents, error) {
			return RunEvents{}, problem.New(problem.Unavailable, "events_not_kept", "events are not kept here")
		}
	}
	if c.Publish == nil {
		c.Publish = func(context.Context, string, string, any) {}
	}
	if c.Queue == nil {
		c.Queue = alone{}
	}
	if c.Retention == 0 {
		c.Retention = days(30)
	}
	if c.Slots == 0 {
		c.Slots = slotsPerProcessor * runtime.GOMAXPROCS(0)
	}
	if c.Refused == nil {
		c.Refused = func(context.Context, auth.Permission, string) (bool, error) { return false, nil }
	}
	if c.Visible == nil {
		c.Visible = c.Authorize.Sees
	}
	if c.WorkerName == "" {
		c.WorkerName = "jetadmin"
	}
	if c.Zone == nil {
		c.Zone = func(context.Context, string) (string, error) { return "UTC", nil }
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	need := func(field string, ok bool) {
		if !ok {
			errs = append(errs, errors.New("workflow.Config."+field+" is required"))
		}
	}
	need("Audit", c.Audit != nil)
	need("Authorize", c.Authorize != nil)
	need("CheckReference", c.CheckReference != nil)
	need("DB", c.DB != nil)
	need("Pages", c.Pages != nil)
	if c.Lease < time.Second {
		errs = append(errs, errors.New("workflow.Config.Lease must be at least 1s"))
	}
	return errors.Join(errs...)
}

// Service defines workflows and runs them. It is safe for concurrent use.
//
// Definitions, starts and reads work from [New] on; nodes run between
// [Service.StartEngine] and [Service.StopEngine].
type Service struct {
	cfg       Config
	types     catalogue
	plans     planCache
	events    *outlet
	byHand    *rate.Limiter // of runs whose events are kept from the first on
	telemetry *telemetry
	logs      *logWriter
	tenants   tenantid.Cache // of runs
	homes     tenantid.Cache // of workflows
	hooks     hookLimits
	rooms     rooms
	engine    *engine
}

// New checks the configuration. It does no I/O and starts no goroutine.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	types, err := newCatalogue(cfg.Nodes)
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, types: types, events: newOutlet(cfg.Publish, cfg.Watched, cfg.Logger), byHand: rate.NewLimiter(startsByHand, startsByHand),
		logs: newLogWriter(cfg.DB, cfg.Gone, cfg.Logger), hooks: newHookLimits(cfg.Limiter),
	}
	if s.telemetry, err = newTelemetry(cfg.TracerProvider, cfg.MeterProvider, cfg.Logger); err != nil {
		return nil, err
	}
	s.engine = newEngine(s)
	return s, nil
}
