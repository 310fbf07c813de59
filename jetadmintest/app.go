package jetadmintest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// App is a started App with a tenant. Its methods are for the goroutine of the
// test; the App inside is safe for concurrent use.
type App struct {
	*jetadmin.App

	Tenant tenancy.Tenant
	Owner  Member // of Tenant
	URL    string // where the App listens, with its BasePath and without a slash at the end

	t      testing.TB
	client *http.Client
}

// stopLimit is how long the end of a test waits for the work of its App.
const stopLimit = 10 * time.Second

// Start runs an App until the test ends, and makes a tenant with an owner in it.
//
// cfg needs nothing. Other than in [jetadmin.Config], DataDir is a folder of the
// test's own, Keys is a random key, and Logger writes to the test's log; a DB
// that is given is migrated.
func Start(t testing.TB, cfg jetadmin.Config) *App {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	if cfg.Keys == nil {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails, see crypto/rand
		cfg.Keys = [][]byte{key}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	inner, err := jetadmin.New(cfg)
	must(t, "make the App", err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if err := inner.Stop(ctx); err != nil {
			t.Errorf("jetadmintest: stop the App: %v", err)
		}
	})
	must(t, "migrate", inner.Migrate(t.Context()))
	must(t, "start the App", inner.Start(t.Context()))

	server := httptest.NewServer(inner)
	t.Cleanup(server.Close)
	app := &App{App: inner, URL: server.URL + cfg.BasePath, t: t, client: server.Client()}
	app.makeTenant()
	return app
}

func (a *App) makeTenant() {
	a.t.Helper()
	ctx := a.t.Context()
	owner := a.account(rbac.Owner)
	tenant, err := a.Tenants().CreateFor(ctx, owner.User.ID, tenancy.NewTenant{Name: "Test"})
	must(a.t, "make a tenant", err)
	a.Tenant = tenant
	a.Owner = a.enter(owner)
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("jetadmintest: %s: %v", what, err)
	}
}

// address is the URL of a path of the API, in which a leading "T" stands for the
// tenant.
func (a *App) address(path string) string {
	if rest, ok := strings.CutPrefix(path, "T"); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		path = "/tenants/" + a.Tenant.ID + rest
	}
	return a.URL + "/api/v1" + path
}
