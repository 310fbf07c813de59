package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/examples/server/shop"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
)

const demoEmail = "demo@example.com"

// demo is what there is to look around in.
type demo struct {
	Email      string `json:"email"`
	Password   string `json:"password"` // "" = nobody here knows it
	Token      string `json:"token"`    // of a session that begins with the server
	TenantID   string `json:"tenantId"`
	QueryID    string `json:"queryId"`
	WorkflowID string `json:"workflowId"`
}

// prepareDemo makes the demo at the first start, and signs in to it at every
// one. It has no password when the one of the account is another: it was
// changed, or the account was made with another folder.
//
// A first start that was interrupted leaves a file without a workflow; the next
// one makes another tenant and does all of it again.
func prepareDemo(ctx context.Context, app *jetadmin.App, folder string) (demo, error) {
	d, err := loadDemo(folder)
	if err != nil {
		return demo{}, err
	}
	if d.Password == "" {
		d = demo{Email: demoEmail, Password: rand.Text()}
		if err := d.save(folder); err != nil {
			return demo{}, err
		}
	}
	user, err := d.signIn(ctx, app)
	switch {
	case err != nil:
		return demo{}, err
	case user == nil && d.WorkflowID == "":
		return demo{Email: d.Email}, nil
	case user == nil:
		d.Password = ""
	case d.WorkflowID == "":
		if err := d.fill(ctx, app, folder, user.ID); err != nil {
			return demo{}, fmt.Errorf("make the demo: %w", err)
		}
		if err := d.save(folder); err != nil {
			return demo{}, err
		}
	}
	return d, nil
}

// signIn begins a session, for which a first start makes the account. It returns
// nil when the password is not the one of the account.
func (d *demo) signIn(ctx context.Context, app *jetadmin.App) (*auth.User, error) {
	if d.WorkflowID == "" {
		_, err := app.Auth().CreateUser(ctx, auth.NewUser{Email: d.Email, Name: "Demo", Password: d.Password})
		if err != nil && !problem.Is(err, problem.Conflict) {
			return nil, err
		}
	}
	login, err := app.Auth().Login(ctx, auth.Credentials{Email: d.Email, Password: d.Password, UserAgent: "server example"})
	switch {
	case problem.Is(err, problem.Unauthenticated):
		return nil, nil
	case err != nil:
		return nil, err
	}
	d.Token = login.Token
	return &login.User, nil
}

// fill makes a tenant with the shop, its datasource, queries and workflow.
func (d *demo) fill(ctx context.Context, app *jetadmin.App, folder, userID string) error {
	tenant, err := app.Tenants().CreateFor(ctx, userID, tenancy.NewTenant{Name: "Demo shop"})
	if err != nil {
		return err
	}
	if err := createShop(ctx, filepath.Join(folder, "files", tenant.ID)); err != nil {
		return err
	}
	who, err := app.Auth().Principal(ctx, tenant.ID, userID)
	if err != nil {
		return err
	}
	ctx = auth.NewContext(ctx, who)
	queryID, err := addQueries(ctx, app.Datasources())
	if err != nil {
		return err
	}
	workflowID, err := addWorkflow(ctx, app, queryID)
	if err != nil {
		return err
	}
	d.TenantID, d.QueryID, d.WorkflowID = tenant.ID, queryID, workflowID
	return nil
}

// shopFile is the database in the folder of its tenant.
const shopFile = "shop.db"

func createShop(ctx context.Context, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return shop.Create(ctx, filepath.Join(folder, shopFile))
}

// addQueries makes the datasource and its queries; the first is the one to show.
func addQueries(ctx context.Context, s *datasource.Service) (queryID string, err error) {
	ds, err := s.Create(ctx, datasource.NewDatasource{
		Name: "Shop", Description: "The sample shop.", Type: "sqlite", Settings: map[string]any{"file": shopFile}, ReadOnly: true,
	})
	if err != nil {
		return "", err
	}
	for _, in := range shop.Queries(ds.ID) {
		q, err := s.CreateQuery(ctx, in)
		if err != nil {
			return "", fmt.Errorf("query %q: %w", in.Name, err)
		}
		if in.Name == shop.OpenOrders {
			queryID = q.ID
		}
	}
	return queryID, nil
}

func addWorkflow(ctx context.Context, app *jetadmin.App, queryID string) (string, error) {
	w, err := app.Workflows().Create(ctx, shop.Workflow(queryID))
	if err != nil {
		return "", err
	}
	_, err = app.Workflows().Publish(ctx, w.ID, w.Version)
	return w.ID, err
}
