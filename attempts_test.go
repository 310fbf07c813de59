package jetadmin_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// T138: what a tenant has done in one process, and an address, counts in another one on
// the same Redis, and nothing of it in another tenant. Without Redis each process counts
// its own.
func TestT138_LimitsHoldAcrossProcesses(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) { limitsHold(t, cfg, cfg.Redis != nil) })
}

// T138: while Redis does not answer, each process counts its own.
func TestT138_LimitsHoldWithoutRedis(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	onPostgres(t, &cfg)
	up := onDownRedis(t, &cfg)
	limitsHold(t, cfg, false)
	up()
}

// limitsHold tries everything in two processes until they refuse it.
func limitsHold(t *testing.T, cfg jetadmin.Config, shared bool) {
	t.Helper()
	one := jetadmintest.Start(t, cfg)
	two := build(t, cfg)
	a := newAttempts(t, one, cfg)
	other, err := one.Tenants().Create(a.ctx, tenancy.NewTenant{Name: "Another"})
	must(t, err)
	stranger, err := one.Auth().Principal(t.Context(), other.ID, one.Owner.User.ID)
	must(t, err)
	for what, attempt := range a.ways {
		here := attempt.allowed(one.App)
		there := attempt.allowed(two)
		if here < attempt.burst || shared && there > attempt.burst/2 || !shared && there < attempt.burst {
			t.Errorf("%s: %d in the one and %d in the other process, of %d at once", what, here, there, attempt.burst)
		}
	}
	elsewhere := auth.NewContext(t.Context(), stranger)
	if _, err := two.Audit().Verify(elsewhere); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if err := two.ExportTenant(elsewhere, func(jetadmin.ExportLine) error { return nil }); err != nil {
		t.Errorf("another tenant: %v", err)
	}
}

// onDownRedis is a Redis that nobody reaches until the end of the test.
func onDownRedis(t testing.TB, cfg *jetadmin.Config) (up func()) {
	var reachable atomic.Bool
	options := testdb.Redis(t)
	options.MaxRetries, options.DialerRetries = -1, 1
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !reachable.Load() {
			return nil, errors.New("nobody there")
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	cfg.Redis, cfg.RedisPrefix = rdb, "test-"+id.New()
	return func() { reachable.Store(true) }
}

// attempt is something that is tried more often than it is allowed; burst is how often
// that is at once.
type attempt struct {
	burst int
	try   func(app *jetadmin.App) error
}

// attempts are all of them, by a tenant with what they need.
type attempts struct {
	ctx  context.Context
	ways map[string]attempt
}

func newAttempts(t *testing.T, app *jetadmintest.App, cfg jetadmin.Config) attempts {
	t.Helper()
	ctx := app.Owner.Context(t.Context())
	makeShop(t, cfg.DataDir, app.Tenant.ID)
	source, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Shop", Type: "sqlite", Settings: object{"file": "shop.db"}})
	must(t, err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{Name: "One", DatasourceID: source.ID, Operation: []byte(`{"text": "SELECT 1"}`)})
	must(t, err)
	flow := app.Publish(ctx, workflow.NewWorkflow{Name: "Flow", Draft: workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}}})
	hook, _, err := app.Workflows().CreateWebhook(ctx, workflow.NewWebhook{WorkflowID: flow, Name: "Hook", Mode: workflow.WebhookPublic, RatePerMinute: 30})
	must(t, err)
	roles, err := app.Roles().Roles(ctx, page.Request{})
	must(t, err)
	deliver := func(app *jetadmin.App, key string) error {
		from := auth.WithAddress(t.Context(), netip.MustParseAddr("192.0.2.1"))
		_, err := app.Workflows().Deliver(from, key, workflow.Delivery{Method: http.MethodPost, Header: http.Header{}})
		return err
	}
	return attempts{ctx: ctx, ways: map[string]attempt{
		"invitations": {60, func(app *jetadmin.App) error {
			_, err := app.Tenants().Invite(ctx, tenancy.NewInvitation{Email: id.New() + "@example.com", RoleIDs: []string{roles.Items[0].ID}})
			return err
		}},
		"exports": {10, func(app *jetadmin.App) error {
			return app.ExportTenant(ctx, func(jetadmin.ExportLine) error { return errors.New("enough") })
		}},
		"checks of the record": {20, func(app *jetadmin.App) error {
			_, err := app.Audit().Verify(ctx)
			return err
		}},
		"connection tests": {20, func(app *jetadmin.App) error {
			_, err := app.Datasources().TestSaved(ctx, source.ID)
			return err
		}},
		"refreshes": {20, func(app *jetadmin.App) error {
			_, err := app.Datasources().RefreshSchema(ctx, source.ID)
			return err
		}},
		"streams": {60, func(app *jetadmin.App) error {
			_, err := app.Datasources().StreamQuery(ctx, query.ID, nil, new(counter))
			return err
		}},
		"deliveries":     {3, func(app *jetadmin.App) error { return deliver(app, hook.Path[len("/hooks/"):]) }},
		"bad deliveries": {600, func(app *jetadmin.App) error { return deliver(app, id.New()) }},
	}}
}

// allowed counts how often something is allowed until it is not.
func (a attempt) allowed(app *jetadmin.App) int {
	for n := range 2 * a.burst {
		if problem.Is(a.try(app), problem.RateLimited) {
			return n
		}
	}
	return 2 * a.burst
}
