package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

// Config is what the HTTP layer needs. The services are required.
type Config struct {
	// AllowedOrigins are the origins ("https://admin.example.com"), besides the
	// App's own, whose pages may make requests and read the replies. Default: none.
	AllowedOrigins []string

	// Audit lists and verifies the record of changes.
	Audit *audit.Log

	// Auth proves who makes a request, and keeps sessions and API keys.
	Auth *auth.Service

	// BasePath is where the App is mounted, e.g. "/admin"; requests come with it
	// and generated URLs carry it. Default: "", the root.
	BasePath string

	// Clock is the time of day for the age of idempotency keys. Default: the
	// machine's.
	Clock clock.Clock

	// Datasources keeps and runs datasources and saved queries.
	Datasources *datasource.Service

	// DB keeps the idempotency keys.
	DB *store.DB

	// ExportTenant hands everything in the caller's tenant to a function, piece by piece.
	// Default: there is no route that does so.
	ExportTenant func(ctx context.Context, each func(line any) error) error

	// Files keeps uploaded files.
	Files *upload.Service

	// Hub answers GET /ws.
	Hub http.Handler

	// Keys seal the kept replies of idempotency keys.
	Keys *secret.Keyring

	// Logger takes the causes of failed requests, with their request ids.
	// Default: slog.Default().
	Logger *slog.Logger

	// MaxBody is the number of bytes that a request body may have, unless its
	// operation says otherwise. More is refused with 413. Default: 1 MiB.
	MaxBody int64

	// PublicURL is the origin at which browsers reach the App. With https cookies are
	// Secure, whatever the proxies on the way say. Default: not known.
	PublicURL string

	// RBAC keeps the roles.
	RBAC *rbac.Service

	// Ready tells whether requests can be served; its error is logged and not
	// shown. Default: always.
	Ready func(ctx context.Context) error

	// SocketIO answers GET /socket.io/.
	SocketIO http.Handler

	// Tenancy keeps tenants and members.
	Tenancy *tenancy.Service

	// TrustedProxies are the addresses of proxies whose X-Forwarded-For tells where a
	// request comes from. Default: none.
	TrustedProxies []netip.Prefix

	// Version of the product, for the OpenAPI document. Default: "dev".
	Version string

	// Workflows keeps and runs workflows.
	Workflows *workflow.Service
}

const defaultMaxBody = 1 << 20

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	need := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New("api.Config."+message))
		}
	}
	need(c.Audit != nil, "Audit is required")
	need(c.Auth != nil, "Auth is required")
	need(c.RBAC != nil, "RBAC is required")
	need(c.Tenancy != nil, "Tenancy is required")
	need(c.Datasources != nil, "Datasources is required")
	need(c.Workflows != nil, "Workflows is required")
	need(c.DB != nil, "DB is required")
	need(c.Files != nil, "Files is required")
	need(c.Hub != nil, "Hub is required")
	need(c.SocketIO != nil, "SocketIO is required")
	need(c.Keys != nil, "Keys is required")
	need(c.BasePath == "" || plainPath(c.BasePath), "BasePath must be empty, or begin with a slash and end without, in canonical form")
	need(c.MaxBody > 0, "MaxBody must be positive")
	return errors.Join(errs...)
}

// API is the handler of everything below the base path. It is immutable after
// [New] and safe for concurrent use.
type API struct {
	cfg     Config
	origins *http.CrossOriginProtection
	keys    *idempotency

	mux        *http.ServeMux
	huma       huma.API
	document   *huma.OpenAPI
	operations []Operation
	streams    map[string]http.Handler // the other way to answer, by the id of the operation
	faults     []error
	text       []byte // the finished document
}

// New returns the handler with every operation. It does no I/O and starts no
// goroutine. Its errors name the field of Config.
func New(cfg Config) (*API, error) {
	a, err := newAPI(cfg)
	if err != nil {
		return nil, err
	}
	a.healthRoutes()
	a.authRoutes()
	a.signInRoutes()
	a.tenantRoutes()
	a.settingsRoutes()
	a.memberRoutes()
	a.invitationRoutes()
	a.roleRoutes()
	a.grantRoutes()
	a.keyRoutes()
	a.auditRoutes()
	a.datasourceRoutes()
	a.fileRoutes()
	a.queryRoutes()
	a.queryVersionRoutes()
	a.executionRoutes()
	a.workflowRoutes()
	a.runRoutes()
	a.rerunRoutes()
	a.scheduleRoutes()
	a.waitRoutes()
	a.widgetRoutes()
	a.webhookRoutes()
	a.hookRoutes()
	a.liveRoutes()
	a.docsRoutes()
	return a, a.finish()
}

// newAPI makes an API without operations.
func newAPI(cfg Config) (*API, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &API{cfg: cfg, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(), streams: map[string]http.Handler{}}
	for _, origin := range cfg.AllowedOrigins {
		if err := a.origins.AddTrustedOrigin(origin); err != nil {
			return nil, errors.Join(errors.New("api.Config.AllowedOrigins"), err)
		}
	}
	a.keys = newIdempotency(cfg)
	a.openSurface()
	return a, nil
}

// Operations lists every route, in the order of registration.
func (a *API) Operations() []Operation { return slices.Clone(a.operations) }

// ServeHTTP answers one request. Its path has the base path in front.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = a.preferHostCookie(r.WithContext(a.withRequest(r)))
	a.setHeaders(w, r)
	defer func() {
		if cause := recover(); cause != nil {
			a.panicked(w, r, cause)
		}
	}()
	if err := a.admit(r); err != nil {
		a.fail(w, r, err)
		return
	}
	if a.shareWithOrigin(w, r) {
		return
	}
	handler, pattern := a.mux.Handler(r)
	if pattern == "" {
		a.fail(w, r, unrouted(handler, r))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Authenticate names who makes a request to a route that is not ours, by what holds for
// ours: proxies that are believed, the names of the cookie, and the origin of a change.
// nil, nil is nobody.
func (a *API) Authenticate(r *http.Request) (*auth.Principal, error) {
	r = a.preferHostCookie(r.WithContext(a.withRequest(r)))
	if err := a.checkOrigin(r); err != nil {
		return nil, err
	}
	return a.cfg.Auth.Authenticate(r)
}

// unrouted tells a path that is not there from a method that it does not have.
// Only ServeMux knows which, and it tells only in the reply it would give.
func unrouted(mux http.Handler, r *http.Request) *Problem {
	answer := newReply()
	mux.ServeHTTP(answer, r)
	if answer.status != http.StatusMethodNotAllowed {
		return refuse(http.StatusNotFound, "not_found", "there is nothing at this path")
	}
	p := refuse(http.StatusMethodNotAllowed, "method_not_allowed", "this path does not have this method")
	p.header = http.Header{"Allow": {strings.Join(answer.header.Values("Allow"), ", ")}}
	return p
}
