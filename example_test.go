package jetadmin_test

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// open is where most examples begin: an App on a folder of its own, and a context
// in which every call is made by the owner of a tenant. end puts it all away.
func open(cfg jetadmin.Config) (ctx context.Context, app *jetadmin.App, end func()) {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	cfg.DataDir = dir
	app, err = jetadmin.New(cfg)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	check(app.Start(ctx))
	ctx, err = enter(ctx, app)
	check(err)
	return ctx, app, func() {
		check(app.Stop(context.Background()))
		cancel()
		check(os.RemoveAll(dir))
	}
}

// enter makes an account and its tenant, and returns a context in which every call
// is made by the owner of that tenant.
func enter(ctx context.Context, app *jetadmin.App) (context.Context, error) {
	user, err := app.Auth().CreateUser(ctx, auth.NewUser{Email: "ada@example.com", Name: "Ada", Password: rand.Text()})
	if err != nil {
		return nil, err
	}
	tenant, err := app.Tenants().CreateFor(ctx, user.ID, tenancy.NewTenant{Name: "Shop"})
	if err != nil {
		return nil, err
	}
	owner, err := app.Auth().Principal(ctx, tenant.ID, user.ID)
	if err != nil {
		return nil, err
	}
	return auth.NewContext(ctx, owner), nil
}

// publish saves a graph as a workflow that can be started, and returns its id.
func publish(ctx context.Context, app *jetadmin.App, name string, graph workflow.Graph) (string, error) {
	w, err := app.Workflows().Create(ctx, workflow.NewWorkflow{Name: name, Draft: graph})
	if err != nil {
		return "", err
	}
	_, err = app.Workflows().Publish(ctx, w.ID, w.Version)
	return w.ID, err
}

// asked waits until a run asks whoever is in the context.
func asked(ctx context.Context, app *jetadmin.App) (workflow.Waiting, error) {
	for {
		mine, err := app.Workflows().Waits(ctx, workflow.WaitFilter{Mine: true}, jetadmin.PageRequest{Limit: 1})
		if err != nil || len(mine.Items) > 0 {
			return append(mine.Items, workflow.Waiting{})[0], err
		}
		select {
		case <-time.After(10 * time.Millisecond): // or watch the topic of the tenant
		case <-ctx.Done():
			return workflow.Waiting{}, ctx.Err()
		}
	}
}

// check ends an example that went wrong, after its deferred calls.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
