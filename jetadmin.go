package jetadmin

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/throttle"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

// App is the whole control plane. It is safe for concurrent use.
//
// [New] builds it, [App.Start] sets its background work going, [App.Stop] ends
// it. Requests and Go calls work from a successful Start on.
type App struct {
	cfg   Config
	db    *store.DB
	owned *sql.DB // the pool that New opened itself; nil = the host's
	keys  *secret.Keyring
	leave func() error // lets another App have the folder of the embedded mode

	audit       *audit.Log
	auth        *auth.Service
	datasources *datasource.Service
	events      *realtime.Hub
	roles       *rbac.Service
	tenants     *tenancy.Service
	exports     *throttle.Throttle
	files       *upload.Service
	scripts     *sandbox.Pool
	workflows   *workflow.Service
	handler     *api.API

	lifecycle sync.Mutex
	state     state
	started   atomic.Bool // for readers that must not wait for a Start or Stop under way
}

type state int

const (
	stateNew state = iota
	stateStarted
	stateStopped
)

// New builds an App. Its errors name the field of [Config] that is at fault.
//
// It opens no listener and starts no background work. With both DB and Keys set
// it does no I/O at all; without, it makes the folder, the key file and the
// database file of the embedded mode, after a look into the database whether a
// key file was there before: its loss is a Conflict.
func New(cfg Config) (*App, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg}
	if err := a.build(); err != nil {
		if a.owned != nil {
			_ = a.owned.Close()
		}
		return nil, err
	}
	return a, nil
}

// Start makes the App ready: it checks the schema and the keys, and begins to
// run workflows and to carry events, until [App.Stop]. The context limits the
// start, not what it started.
//
// While there is no account, it logs a command that makes the first one with a
// one-time token. Starting twice is starting once. Errors: Unavailable with the
// remedy for a schema that is not current, Conflict for one that is newer than
// this build, for keys that are not those of the data and for a DataDir that
// another App works in, Invalid for a SQLite pool with settings that do not suit.
func (a *App) Start(ctx context.Context) error {
	a.lifecycle.Lock()
	defer a.lifecycle.Unlock()
	switch a.state {
	case stateStarted:
		return nil
	case stateStopped:
		return errors.New("jetadmin: an App that was stopped cannot be started again, make a new one")
	}
	if err := a.prepare(ctx); err != nil {
		return errors.Join(err, a.leaveFolder())
	}
	if err := a.events.Start(ctx); err != nil {
		return errors.Join(err, a.leaveFolder())
	}
	if err := a.workflows.StartEngine(ctx); err != nil {
		return errors.Join(err, a.events.Stop(ctx), a.leaveFolder())
	}
	a.audit.Start()
	a.tenants.Start()
	a.state = stateStarted
	a.started.Store(true)
	return nil
}

// prepare brings the database into a state to work with.
func (a *App) prepare(ctx context.Context) error {
	if a.owned != nil {
		if err := a.enterFolder(); err != nil {
			return err
		}
		if err := a.db.Migrate(ctx); err != nil {
			return err
		}
	}
	if err := a.db.RequireSettings(ctx); err != nil {
		return err
	}
	if err := a.db.RequireCurrent(ctx); err != nil {
		return err
	}
	if err := a.checkKeys(ctx); err != nil {
		return err
	}
	token, err := a.auth.PrepareSetup(ctx)
	if err != nil {
		return err
	}
	if token != "" {
		path := a.cfg.BasePath + "/api/v1/auth/setup"
		// In the message, where the default logger leaves the quotes as they are.
		a.cfg.Logger.Info("jetadmin: there is no account yet, make the first one: "+setupCommand(path, token), "token", token, "path", path)
	}
	return nil
}

// setupCommand makes the first account when it is pasted into a shell, with the
// address of the server in URL and with a password: the one in it is refused,
// and the token stays good.
func setupCommand(path, token string) string {
	return `curl "$URL` + path + `" -H 'Content-Type: application/json' -d '{"token":"` + token +
		`","email":"you@example.com","password":"…","name":"You"}'`
}

// lastWords is how long watchers, Redis and sinks have to take what is left for them.
const lastWords = 10 * time.Second

// Stop ends the background work: it takes no new workflow nodes, waits for those
// that run until ctx ends, hands the rest to other processes, tells watchers to
// come back, writes the last of the audit record, and closes what the App opened
// itself. What others do not take then, in ten seconds more, is lost to them.
// Stopping twice is stopping once.
func (a *App) Stop(ctx context.Context) error {
	a.lifecycle.Lock()
	defer a.lifecycle.Unlock()
	if a.state == stateStopped {
		return nil
	}
	a.started.Store(false)
	var errs []error
	if a.state == stateStarted {
		a.tenants.Stop()
		errs = append(errs, a.workflows.StopEngine(ctx))
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		errs = append(errs, a.events.Stop(last), a.audit.Stop(last))
	}
	errs = append(errs, a.auth.Stop(ctx), a.scripts.Close(ctx), a.datasources.Close())
	if a.owned != nil {
		errs = append(errs, a.owned.Close())
	}
	errs = append(errs, a.leaveFolder())
	a.state = stateStopped
	return errors.Join(errs...)
}

// ServeHTTP answers everything below [Config.BasePath].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Authenticate names who makes a request to a route of the host's own, by what holds for
// the routes of the App: [Config.TrustedProxies], the session cookie, whose path is
// [Config.BasePath], and the origin of a change that a cookie alone proves. nil, nil is
// nobody. The principal is in no tenant yet, see auth.Service.Enter.
//
// Errors: Unauthenticated, Forbidden for a change from another site, RateLimited.
func (a *App) Authenticate(r *http.Request) (*auth.Principal, error) {
	return a.handler.Authenticate(r)
}

// Audit is the record of changes.
func (a *App) Audit() *audit.Log { return a.audit }

// Auth keeps accounts, sessions and API keys.
func (a *App) Auth() *auth.Service { return a.auth }

// Datasources keeps connections and saved queries, and runs them.
func (a *App) Datasources() *datasource.Service { return a.datasources }

// Events is the hub of live events.
func (a *App) Events() *realtime.Hub { return a.events }

// Files keeps uploaded files.
func (a *App) Files() *upload.Service { return a.files }

// Roles keeps roles and decides who may do what.
func (a *App) Roles() *rbac.Service { return a.roles }

// Tenants keeps tenants and their members.
func (a *App) Tenants() *tenancy.Service { return a.tenants }

// Workflows keeps workflows and runs them.
func (a *App) Workflows() *workflow.Service { return a.workflows }
