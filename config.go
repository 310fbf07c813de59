package jetadmin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/safelog"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

// Config is what a host hands in. The zero value works: everything is kept below
// ./jetadmin-data and runs in this process.
type Config struct {
	// AllowedOrigins are the origins of pages, other than the server's own, that
	// may send changes with a cookie and open the WebSocket, each like
	// "https://tools.example.com". Default: none.
	AllowedOrigins []string

	// AuditRetention is for how long events of the audit record are kept. The record
	// stays verifiable, see docs/audit.md. Default: for ever.
	AuditRetention time.Duration

	// AuditSinks get every event of the audit record after its change was committed,
	// e.g. audit.SlogSink. They hold up nothing, and may miss events. Default: none.
	AuditSinks []audit.Sink

	// Authenticators recognise the host's own sign-in. They are asked in order,
	// after API keys and the library's own sessions. Default: none.
	Authenticators []auth.Authenticator

	// BasePath is the path at which the App is mounted, like "/admin": the App
	// strips it from requests and puts it before every URL it generates. Default:
	// "", the root.
	BasePath string

	// Blobs keep the content of uploaded files. Default: pieces in the database.
	Blobs upload.BlobStore

	// Connectors are datasource types besides the built-in ones, which
	// datasource.Service.Types lists. Default: none.
	Connectors []datasource.Connector

	// DB holds the platform's own data. It stays the host's, who closes it after
	// Stop. Open it with [OpenPostgres], or with pgx's stdlib and
	// default_query_exec_mode=exec, or with [OpenSQLite] for a host that keeps its
	// own tables in such a file; Start refuses a SQLite pool with other settings. Default: a SQLite file in DataDir, which the App
	// migrates by itself.
	DB *sql.DB

	// DataDir is the folder of the SQLite file, the key file and the files of
	// sqlite datasources ("files" in it). It is made when needed, readable by its
	// owner only. Without DB, one App at a time works in it: Start refuses a second
	// one, of this process or another. Default: "jetadmin-data".
	DataDir string

	// Dialect is the database behind DB. Default: found by its driver; set it when
	// the driver is wrapped, by a tracer say.
	Dialect Dialect

	// Egress widens what datasources and http nodes may connect to. Default:
	// public addresses only.
	Egress Egress

	// Hooks are called around what happens. Default: none.
	Hooks Hooks

	// Keys encrypt secrets at rest, 32 random bytes each: the first encrypts, all
	// decrypt. Nothing is encrypted again by itself, so an old key stays behind the
	// new one until [App.RotateKeys]. Who loses them loses the stored secrets. Default: one key in the
	// file "key" in DataDir, made for a database that never had one.
	Keys [][]byte

	// Limits bound what each tenant may have, but for those that
	// tenancy.Service.SetLimits gives it. Default: see the fields.
	Limits tenancy.Limits

	// Logger gets what operators must know, with request ids. Default: slog.Default().
	Logger *slog.Logger

	// MaxFile and MaxFiles are how many bytes an uploaded file may have, and the files
	// of a tenant together; MaxFiles is another name for Limits.FileBytes. Default: 50
	// MiB and 1 GiB.
	MaxFile, MaxFiles int64

	// MeterProvider gets the metrics of OpenTelemetry named in docs/observability.md.
	// Default: none, which costs nothing.
	MeterProvider metric.MeterProvider

	// Nodes are workflow node types besides the built-in ones. Default: none.
	Nodes []workflow.Node

	// PublicURL is the origin at which browsers reach the server, like
	// "https://tools.example.com", without BasePath. Links to the App are made of it,
	// never of a request's headers. Required with a log-in by the browser, see
	// [auth.OIDC]. Default: none.
	PublicURL string

	// Queries bounds what running queries takes in this process. Default: see the
	// fields.
	Queries Queries

	// Redis connects processes: workflow dispatch, live events, and the limits on how
	// often something is tried: log-ins, deliveries to webhooks, exports. It stays the host's, who closes it after Stop. Losing what is in it loses no run. Default:
	// none, the process runs alone.
	Redis redis.UniversalClient

	// RedisPrefix keeps Apps on one Redis apart: it names the workflow queue and
	// begins the keys of events. Processes with the same DB need the same, those
	// with another DB another. Letters, digits, "-" and "_". Default: "jetadmin".
	RedisPrefix string

	// ResetURL is the page of the host's that asks for a new password, with the token
	// of the link behind it, "#token=…". Required with Hooks.Auth.SendPasswordReset.
	// Default: none.
	ResetURL string

	// RunRetention is for how long a run is kept after its end, in tenants that have
	// not said otherwise; negative = for ever. Default: 30 days.
	RunRetention time.Duration

	// Schema is the PostgreSQL schema of the tables. Default: "public".
	Schema string

	// SessionIdle and SessionMax end a session that was not used for so long, and
	// one that is so old. Default: see [auth.Config].
	SessionIdle, SessionMax time.Duration

	// TracerProvider gets a trace of OpenTelemetry for each run of a workflow, with a
	// span for each attempt at a node. Processes with the same DB should all have
	// one, or none. Default: none, which costs nothing.
	TracerProvider trace.TracerProvider

	// TrustedProxies are the addresses of proxies in front of the server, whose
	// X-Forwarded-For is believed: limits on attempts to sign in, the addresses of API
	// keys and the audit record then go by the client's address, not by the proxy's.
	// Default: none.
	TrustedProxies []netip.Prefix

	// Workers is how many workflow nodes run at a time in this process; negative =
	// none, others do the work. Default: 64 for each processor, for nodes that wait
	// for others most of the time.
	Workers int
}

// Dialect names a database.
type Dialect = store.Dialect

// The databases that can hold the platform's data.
const (
	PostgreSQL = store.PostgreSQL
	SQLite     = store.SQLite
)

// Egress is what may be reached besides public addresses. Loopback, private,
// link-local and metadata addresses are refused unless named here; the check is
// made on the address that is connected to, after DNS, at every redirect.
type Egress struct {
	// Allow names address ranges, e.g. 10.20.0.0/16.
	Allow []netip.Prefix

	// AllowHosts names destinations as "host:port", whatever they resolve to.
	AllowHosts []string
}

func (e Egress) policy() egress.Policy {
	return egress.Policy{Allow: e.Allow, AllowHosts: e.AllowHosts}
}

// Queries are bounds on running queries. The zero value of a field is its default.
type Queries struct {
	// CacheBytes is about the memory that results of queries with a cache may take;
	// negative = no result is kept. Default: 64 MB.
	CacheBytes int64

	// HistoryRetention is for how long executions are listed; negative = as long as
	// they are among the last 100,000 of their tenant. Default: 30 days.
	HistoryRetention time.Duration

	// MaxOpen is the number of datasources that are open at once. Default: 256.
	MaxOpen int

	// MaxStatements is the number of statements of a tenant that run at once.
	// Default: 32.
	MaxStatements int
}

// Hooks are functions of the host, by package. "Before" hooks may refuse by an
// error, which the caller gets; "After" hooks hear of what is done and must not
// panic.
type Hooks struct {
	Auth       auth.Hooks
	Datasource datasource.Hooks
	Realtime   realtime.Hooks
	Tenancy    tenancy.Hooks
	Workflow   workflow.Hooks
}

const (
	defaultDataDir     = "jetadmin-data"
	defaultRedisPrefix = "jetadmin"
)

func (c Config) withDefaults() Config {
	if c.DataDir == "" {
		c.DataDir = defaultDataDir
	}
	if c.Dialect == "" && c.DB != nil {
		c.Dialect = store.Detect(c.DB)
	}
	if c.DB == nil {
		c.Dialect = SQLite
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = safelog.New(c.Logger)
	if c.RedisPrefix == "" {
		c.RedisPrefix = defaultRedisPrefix
	}
	return c
}

// limits are those of all tenants.
func (c Config) limits() tenancy.Limits {
	l := c.Limits
	if c.MaxFiles > 0 {
		l.FileBytes = c.MaxFiles
	}
	return l
}

var (
	basePathPattern = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
	prefixPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

func (c Config) validate() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("jetadmin.Config."+field+": "+format, args...))
		}
	}
	check(basePathPattern.MatchString(c.BasePath) && !strings.Contains(c.BasePath, "/."), "BasePath",
		`%q must be empty or like "/admin", without a slash at the end`, c.BasePath)
	check(c.Dialect == PostgreSQL || c.Dialect == SQLite, "Dialect",
		"the driver of DB is not known, set Dialect to jetadmin.PostgreSQL or jetadmin.SQLite")
	check(c.PublicURL == "" || isOrigin(c.PublicURL), "PublicURL", `%q must be like "https://tools.example.com", without a path`, c.PublicURL)
	check(prefixPattern.MatchString(c.RedisPrefix), "RedisPrefix", "must be of letters, digits, - and _")
	check(c.Queries.MaxOpen >= 0 && c.Queries.MaxStatements >= 0, "Queries", "MaxOpen and MaxStatements must not be negative")
	check(c.Redis == nil || c.DB != nil, "Redis", "needs a DB that the processes share, not the file of one")
	if err := c.Egress.policy().Validate(); err != nil {
		check(false, "Egress", "%w", err)
	}
	check(c.MaxFile >= 0, "MaxFile", "must not be negative")
	check(c.MaxFiles >= 0, "MaxFiles", "must not be negative")
	check(c.MaxFiles == 0 || c.Limits.FileBytes == 0, "Limits", "FileBytes and Config.MaxFiles are the same: set one of them")
	check(c.AuditRetention >= 0, "AuditRetention", "must not be negative")
	for i, sink := range c.AuditSinks {
		check(sink != nil, "AuditSinks", "number %d is nil", i+1)
	}
	for i, a := range c.Authenticators {
		check(a != nil, "Authenticators", "number %d is nil", i+1)
	}
	for i, connector := range c.Connectors {
		check(connector != nil, "Connectors", "number %d is nil", i+1)
	}
	for i, p := range c.TrustedProxies {
		check(p.IsValid(), "TrustedProxies", "number %d is not valid", i+1)
	}
	for i, n := range c.Nodes {
		check(n != nil, "Nodes", "number %d is nil", i+1)
	}
	return errors.Join(errs...)
}

// isOrigin reports whether s is a scheme, a host and perhaps a port.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && s == u.Scheme+"://"+u.Host
}

// OpenPostgres opens a pool for [Config.DB] with the settings that suit the
// library: statements are not prepared by name unless that pays. It makes no
// connection yet.
func OpenPostgres(dsn string) (*sql.DB, error) { return store.OpenPostgres(dsn) }

// OpenSQLite opens a pool for [Config.DB] on a database file, made with its
// folder when it is not there, with the settings that suit the library: a
// committed transaction survives a kill and a power loss (WAL, synchronous=FULL),
// foreign keys are checked, and a transaction takes the lock for writing when it
// begins, so keep transactions short. The driver is modernc.org/sqlite.
func OpenSQLite(ctx context.Context, path string) (*sql.DB, error) {
	return store.OpenSQLite(ctx, path)
}
