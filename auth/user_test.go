package auth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestCreateUser(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		_, err := b.CreateUser(t.Context(), auth.NewUser{Email: " ADA@EXAMPLE.COM", Name: "x", Password: password})
		wantKind(t, err, problem.Conflict)
		// The Kelvin sign folds to k in Unicode: another mailbox all the same.
		b.user("k@example.com")
		b.user("\u212a@example.com")
	})
}

func TestCreateUserFaults(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	for _, email := range []string{
		"", "ada", "@example.com", "Ada <ada@example.com>", "a@b@c", "ada@example.com, bob@example.com",
		"a\x00@example.com", "\xff@example.com", strings.Repeat("a", 250) + "@example.com",
	} {
		t.Run(email, func(t *testing.T) {
			_, err := b.CreateUser(t.Context(), auth.NewUser{Email: email, Name: "x", Password: password})
			wantFaults(t, err, "email")
		})
	}
	for _, wrong := range []string{"", "eleven char", strings.Repeat("é", 11), strings.Repeat("x", auth.MaxPassword+1), password + "\xff"} {
		_, err := b.CreateUser(t.Context(), auth.NewUser{Email: ada, Name: "x", Password: wrong})
		wantFaults(t, err, "password")
	}
	_, err := b.CreateUser(t.Context(), auth.NewUser{Name: "\x1b[2J"})
	wantFaults(t, err, "email", "name", "password")
	for _, fine := range []string{strings.Repeat("é", auth.MinPassword), strings.Repeat("é", auth.MaxPassword)} {
		if _, err := b.CreateUser(t.Context(), auth.NewUser{Email: id.New() + "@example.com", Name: "x", Password: fine}); err != nil {
			t.Error(err)
		}
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		_, ctx := b.login(ada)
		if got, err := b.Me(ctx); err != nil || got != u {
			t.Errorf("got %+v, %v, want %+v", got, err, u)
		}
		_, err := b.Me(t.Context())
		wantKind(t, err, problem.Unauthenticated)

		name := " Countess of Lovelace "
		changed, err := b.UpdateMe(ctx, auth.MeUpdate{Name: &name, Version: u.Version})
		if err != nil || changed.Name != "Countess of Lovelace" || changed.Version != u.Version+1 {
			t.Fatalf("got %+v, %v", changed, err)
		}
		_, err = b.UpdateMe(ctx, auth.MeUpdate{Name: &name, Version: u.Version})
		wantKind(t, err, problem.Stale)
		empty := ""
		_, err = b.UpdateMe(ctx, auth.MeUpdate{Name: &empty})
		wantFaults(t, err, "name")
		if again, err := b.UpdateMe(ctx, auth.MeUpdate{Name: &name}); err != nil || again != changed {
			t.Errorf("the same name again gave %+v, %v, want %+v", again, err, changed)
		}
		if got := b.actions(""); !slices.Equal(got, []string{"user.create", "session.login", "user.update"}) {
			t.Errorf("recorded %v", got)
		}
	})
}

func TestEnter(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		mine, other := b.tenant(u), b.tenant(b.user("grace@example.com"))
		token, _ := b.login(ada)

		p, err := b.Enter(t.Context(), b.known(token), mine)
		if err != nil || p.TenantID != mine || !slices.Equal(p.Roles, []string{"*"}) || p.SessionID == "" {
			t.Fatalf("got %+v, %v", p, err)
		}
		for _, foreign := range []string{other, id.New(), "", "*", strings.ToUpper(mine), strings.ReplaceAll(mine, "-", "")} {
			_, err := b.Enter(t.Context(), b.known(token), foreign)
			wantKind(t, err, problem.NotFound)
		}
		_, err = b.Enter(t.Context(), nil, mine)
		wantKind(t, err, problem.Unauthenticated)

		service := auth.ServicePrincipal(mine, "billing", auth.Grant{Permission: auth.RunRead})
		if got, err := b.Enter(t.Context(), service, mine); err != nil || len(got.Grants) != 1 {
			t.Errorf("a service into its tenant: %+v, %v", got, err)
		}
		for _, s := range []*auth.Principal{service, auth.ServicePrincipal("", "billing")} {
			_, err = b.Enter(t.Context(), s, other)
			wantKind(t, err, problem.NotFound)
		}
	})
}

func TestRevalidate(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		tenantID := b.tenant(u)
		_, ctx := b.login(ada)
		p, err := b.Enter(t.Context(), auth.FromContext(ctx), tenantID)
		if err != nil {
			t.Fatal(err)
		}
		b.world.join(tenantID, u.ID, "run.read")
		fresh, err := b.Revalidate(t.Context(), p)
		if err != nil || !slices.Equal(fresh.Roles, []string{"run.read"}) || fresh.SessionID != p.SessionID {
			t.Errorf("got %+v, %v, want the roles of now", fresh, err)
		}
		b.world.leave(tenantID, u.ID)
		_, err = b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.NotFound)
		if err := b.Logout(ctx); err != nil {
			t.Fatal(err)
		}
		_, err = b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)
		_, err = b.Revalidate(t.Context(), nil)
		wantKind(t, err, problem.Unauthenticated)

		byHost := &auth.Principal{Kind: auth.KindUser, UserID: u.ID, Claims: map[string]any{"a": 1}}
		if fresh, err := b.Revalidate(t.Context(), byHost); err != nil || fresh.Claims["a"] != 1 {
			t.Errorf("of a host's sign-in: %+v, %v", fresh, err)
		}
		if err := b.SetDisabled(t.Context(), u.ID, true); err != nil {
			t.Fatal(err)
		}
		for _, gone := range []string{u.ID, id.New(), ""} {
			_, err = b.Revalidate(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: gone})
			wantKind(t, err, problem.Unauthenticated)
		}
	})
}

func TestPrincipalForTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	u := b.user(ada)
	tenantID := b.tenant(u)
	p, err := b.Principal(t.Context(), tenantID, u.ID)
	if err != nil || p.TenantID != tenantID || p.Actor() != "user:"+u.ID || p.Email != ada {
		t.Errorf("got %+v, %v", p, err)
	}
	_, err = b.Principal(t.Context(), id.New(), u.ID)
	wantKind(t, err, problem.NotFound)
	_, err = b.Principal(t.Context(), tenantID, id.New())
	wantKind(t, err, problem.NotFound)
	if err := b.SetDisabled(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	_, err = b.Principal(t.Context(), tenantID, u.ID)
	wantKind(t, err, problem.Forbidden)
}
