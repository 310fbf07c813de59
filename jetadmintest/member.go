package jetadmintest

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/tenancy"
)

// Member is a person of the App's tenant.
type Member struct {
	Password  string
	Principal *auth.Principal
	User      auth.User
}

// Context returns a context in which every call is made by the member, in the
// tenant.
func (m Member) Context(ctx context.Context) context.Context {
	return auth.NewContext(ctx, m.Principal)
}

// Member makes an account and lets it into the tenant with a role: one of the
// defaults, like [rbac.Viewer], or the name of a role made in the test.
//
// [rbac.Viewer]: https://pkg.go.dev/github.com/jetadmin/jetadmin/rbac#Viewer
func (a *App) Member(role string) Member {
	a.t.Helper()
	ctx := a.Owner.Context(a.t.Context())
	m := a.account(role)
	_, err := a.Tenants().AddMember(ctx, tenancy.NewMember{UserID: m.User.ID, RoleIDs: []string{a.role(ctx, role)}})
	must(a.t, "add a member", err)
	return a.enter(m)
}

// account makes a user with a random address and password.
func (a *App) account(name string) Member {
	a.t.Helper()
	m := Member{Password: rand.Text()}
	user, err := a.Auth().CreateUser(a.t.Context(), auth.NewUser{
		Email: strings.ToLower(rand.Text()) + "@example.com", Name: name, Password: m.Password,
	})
	must(a.t, "make an account", err)
	m.User = user
	return m
}

func (a *App) enter(m Member) Member {
	a.t.Helper()
	principal, err := a.Auth().Principal(a.t.Context(), a.Tenant.ID, m.User.ID)
	must(a.t, "enter the tenant", err)
	m.Principal = principal
	return m
}

// role is the id of a role by its key or name.
func (a *App) role(ctx context.Context, role string) string {
	a.t.Helper()
	roles, err := a.Roles().Roles(ctx, page.Request{Limit: page.MaxLimit})
	must(a.t, "list the roles", err)
	for _, r := range roles.Items {
		if r.Builtin == role || r.Name == role {
			return r.ID
		}
	}
	a.t.Fatalf("jetadmintest: the tenant has no role %q", role)
	return ""
}
