package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// issuer names the shop's users to the control plane: the pair of it and a
// user's id is the identity.
const issuer = "shop"

// mount makes the control plane: on the shop's database, with its sign-in and its
// step of workflows.
func (s *shop) mount(ctx context.Context, cfg jetadmin.Config) (err error) {
	cfg.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(s.staffOnly)}
	cfg.BasePath = "/admin"
	cfg.DB = s.db
	cfg.Nodes = []workflow.Node{s.reserve()}
	if s.app, err = jetadmin.New(cfg); err != nil {
		return err
	}
	if err := s.app.Migrate(ctx); err != nil {
		return err
	}
	return s.app.Start(ctx)
}

// staffOnly lets the staff in by the cookie of the shop. Other callers, such as
// API keys, are none of its business.
func (s *shop) staffOnly(r *http.Request) (*auth.Principal, error) {
	u, err := s.signedIn(r)
	switch {
	case err != nil:
		return nil, problem.New(problem.Unavailable, "sign_in_unavailable", "the sign-in does not work now").Because(err)
	case u == nil:
		return nil, nil
	case u.Job == "":
		return nil, problem.New(problem.Forbidden, "staff_only", "this is for the staff of the shop")
	}
	return &auth.Principal{Issuer: issuer, Subject: u.ID, Email: u.Email, Name: u.Name}, nil
}

// furnish makes the tenant, the workflow and the members that are not there yet.
func (s *shop) furnish(ctx context.Context) error {
	staff, err := s.staff(ctx)
	if err != nil {
		return err
	}
	s.tenantID, err = s.once(ctx, "tenant", func() (string, error) {
		owner, err := s.account(ctx, staff[0])
		if err != nil {
			return "", err
		}
		tenant, err := s.app.Tenants().CreateFor(ctx, owner.ID, tenancy.NewTenant{Name: "Shop"})
		return tenant.ID, err
	})
	if err != nil {
		return err
	}
	ctx = s.inTenant(ctx, auth.Grant{Permission: "*"})
	s.workflowID, err = s.once(ctx, "workflow", func() (string, error) {
		w, err := s.app.Workflows().Create(ctx, orderWorkflow())
		if err != nil {
			return "", err
		}
		_, err = s.app.Workflows().Publish(ctx, w.ID, w.Version)
		return w.ID, err
	})
	if err != nil {
		return err
	}
	for _, u := range staff {
		if err := s.admit(ctx, u); err != nil {
			return fmt.Errorf("admit %s: %w", u.Email, err)
		}
	}
	return nil
}

// inTenant is a context in which the shop itself acts in its tenant, with
// exactly the given rights.
func (s *shop) inTenant(ctx context.Context, grants ...auth.Grant) context.Context {
	return auth.NewContext(ctx, auth.ServicePrincipal(s.tenantID, "shop", grants...))
}

// admit makes somebody of the staff a member, with a role that suits the job. In
// later starts, and when the managers have given another role, it changes nothing.
func (s *shop) admit(ctx context.Context, u user) error {
	builtin := map[string]string{jobManager: rbac.Admin, jobClerk: rbac.Operator}[u.Job]
	role, err := s.app.Roles().Default(ctx, builtin)
	if err != nil {
		return err
	}
	account, err := s.account(ctx, u)
	if err != nil {
		return err
	}
	_, err = s.app.Tenants().AddMember(ctx, tenancy.NewMember{UserID: account.ID, RoleIDs: []string{role.ID}})
	if problem.Is(err, problem.Conflict) {
		return nil // a member already
	}
	return err
}

// account is the account that the control plane keeps of a user of the shop.
func (s *shop) account(ctx context.Context, u user) (auth.User, error) {
	return s.app.Auth().Provision(ctx, auth.Identity{Issuer: issuer, Subject: u.ID, Email: u.Email, Name: u.Name})
}

// once returns what was noted under a name, and makes and notes it at the first
// start.
func (s *shop) once(ctx context.Context, name string, make func() (string, error)) (string, error) {
	value, err := setting(ctx, s.db, name)
	if err != nil || value != "" {
		return value, err
	}
	if value, err = make(); err != nil {
		return "", fmt.Errorf("make the %s: %w", name, err)
	}
	return value, note(ctx, s.db, name, value)
}
