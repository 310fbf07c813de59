package tenancy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

func ptr[T any](v T) *T { return &v }

func TestCreateMakesTheCallerOwner(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		if got, err := b.Get(owner); err != nil || fmt.Sprint(got) != fmt.Sprint(w.Tenant) {
			t.Errorf("made %+v, read %+v (%v)", w.Tenant, got, err)
		}
		if len(w.roles) != 5 {
			t.Errorf("default roles: %v", w.roles)
		}
		m, err := b.Member(owner, w.owner)
		if err != nil || m.Email != "owner@example.test" || fmt.Sprint(m.Roles) != fmt.Sprint([]tenancy.MemberRole{{ID: w.roles[rbac.Owner], Name: "Owner"}}) {
			t.Errorf("%+v (%v)", m, err)
		}
		if effective, err := b.rbac.Effective(owner); err != nil || len(effective) != len(b.rbac.Catalogue()) {
			t.Errorf("holds %d permissions (%v)", len(effective), err)
		}
		events, err := b.audit.List(owner, audit.Filter{}, page.Request{})
		if err != nil || len(events.Items) != 1 || events.Items[0].Action != "tenant.create" || events.Items[0].Actor != "user:"+w.owner {
			t.Errorf("%+v (%v)", events.Items, err)
		}
	})
}

func TestOnlyAUserMakesTenants(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	user := b.newUser(t, "u")
	for _, c := range []struct {
		who  *auth.Principal
		want problem.Kind
	}{
		{nil, problem.Unauthenticated},
		{&auth.Principal{Kind: auth.KindUser}, problem.Forbidden},
		{&auth.Principal{UserID: user}, problem.Forbidden},
		{&auth.Principal{Kind: auth.KindAPIKey, UserID: user, Scopes: []auth.Permission{"*"}}, problem.Forbidden},
		{auth.ServicePrincipal(id.New(), "s", auth.Grant{Permission: "*"}), problem.Forbidden},
	} {
		ctx := auth.NewContext(t.Context(), c.who)
		if _, err := b.Create(ctx, tenancy.NewTenant{Name: "T"}); problem.KindOf(err) != c.want {
			t.Errorf("create as %+v: %v", c.who, err)
		}
		if _, err := b.Mine(ctx); problem.KindOf(err) != c.want && (c.who == nil || c.who.Kind != auth.KindAPIKey) {
			t.Errorf("list as %+v: %v", c.who, err)
		}
	}
}

func TestCreateForAHost(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		user, disabled := b.newUser(t, "u"), b.newUser(t, "d")
		if _, err := db.NewRaw("UPDATE ?schema.jet_user SET disabled = ? WHERE id = ?", true, disabled).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		made, err := b.CreateFor(t.Context(), user, tenancy.NewTenant{Name: "T"})
		if err != nil || made.CreatedBy != user {
			t.Fatalf("%+v (%v)", made, err)
		}
		for _, unknown := range []string{id.New(), "", "x", disabled} {
			if _, err := b.CreateFor(t.Context(), unknown, tenancy.NewTenant{Name: "T"}); problem.Of(err).Code != "user_unknown" {
				t.Errorf("for %q: %v", unknown, err)
			}
		}
		// Called from within another tenant, the new one is made in its own.
		inside := b.in(t, made.ID, user)
		if _, err := b.Create(inside, tenancy.NewTenant{Name: "Second"}); err != nil {
			t.Error(err)
		}
		mine, err := b.Mine(inside)
		if err != nil || len(mine) != 2 || mine[0].Tenant.Name != "T" || mine[1].Tenant.Name != "Second" || mine[1].Roles[0].Name != "Owner" {
			t.Errorf("%+v (%v)", mine, err)
		}
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	refused := problem.New(problem.Conflict, "quota", "no more tenants")
	var told []string
	b := setup(t, testdb.SQLite(t), func(cfg *tenancy.Config) {
		cfg.Hooks.BeforeCreate = func(_ context.Context, in tenancy.NewTenant) error {
			if in.Name == "no" {
				return refused
			}
			return nil
		}
		cfg.Hooks.AfterCreate = func(_ context.Context, t tenancy.Tenant) { told = append(told, t.Name) }
	})
	user := b.newUser(t, "u")
	for _, name := range []string{"yes", "no", ""} {
		_, err := b.Create(signedIn(user), tenancy.NewTenant{Name: name})
		if want := map[string]string{"no": "quota", "": "tenant_invalid"}[name]; want != "" && problem.Of(err).Code != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := b.CreateFor(t.Context(), id.New(), tenancy.NewTenant{Name: "nobody's"}); err == nil {
		t.Error("made for nobody")
	}
	if mine, err := b.Mine(signedIn(user)); err != nil || len(mine) != 1 || !slices.Equal(told, []string{"yes"}) {
		t.Errorf("%d tenants, told of %v (%v)", len(mine), told, err)
	}
}

func TestUpdateTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		got, err := b.Update(owner, tenancy.TenantUpdate{Name: ptr("Atelier"), Version: 1})
		if err != nil || got.Name != "Atelier" || got.Version != 2 || !got.UpdatedAt.After(w.UpdatedAt) {
			t.Errorf("%+v (%v)", got, err)
		}
		if read, err := b.Get(owner); err != nil || fmt.Sprint(read) != fmt.Sprint(got) {
			t.Errorf("%+v (%v)", read, err)
		}
		if _, err := b.Update(owner, tenancy.TenantUpdate{Name: ptr("Late"), Version: 1}); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale change: %v", err)
		}
		for _, name := range []string{"", " x", "x\n", "\x00", "\xff", strings.Repeat("x", 101)} {
			if _, err := b.Update(owner, tenancy.TenantUpdate{Name: &name}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%q: %v", name, err)
			}
			if _, err := b.Create(owner, tenancy.NewTenant{Name: name}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%q: %v", name, err)
			}
		}
		admin := b.in(t, w.ID, b.join(t, w, rbac.Admin))
		if _, err := b.Update(admin, tenancy.TenantUpdate{Name: ptr("Mine")}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("an Admin: %v", err)
		}
	})
}

func TestMineOfAKeyIsItsTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		if _, err := b.Create(signedIn(w.owner), tenancy.NewTenant{Name: "Other"}); err != nil {
			t.Fatal(err)
		}
		key := &auth.Principal{Kind: auth.KindAPIKey, UserID: w.owner, TenantID: w.ID}
		mine, err := b.Mine(auth.NewContext(t.Context(), key))
		if err != nil || len(mine) != 1 || mine[0].Tenant.ID != w.ID {
			t.Errorf("%+v (%v)", mine, err)
		}
	})
}

// Nobody makes tenants without end; the host may for him.
func TestTenantsOfOneUserAreLimited(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		ada, bob := b.newUser(t, "ada"), b.newUser(t, "bob")
		for range 100 {
			if _, err := b.Create(signedIn(ada), tenancy.NewTenant{Name: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := b.Create(signedIn(ada), tenancy.NewTenant{Name: "x"})
		if e := problem.Of(err); e.Kind != problem.Conflict || e.Code != "too_many_tenants" || e.Remedy == "" {
			t.Errorf("one more: %v", err)
		}
		if _, err := b.CreateFor(t.Context(), ada, tenancy.NewTenant{Name: "x"}); err != nil {
			t.Errorf("by the host: %v", err)
		}
		if _, err := b.Create(signedIn(bob), tenancy.NewTenant{Name: "x"}); err != nil {
			t.Errorf("another user: %v", err)
		}
	})
}

func TestRolesOf(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		both := b.join(t, w, rbac.Viewer, rbac.Operator)
		want := w.ids(rbac.Operator, rbac.Viewer)
		slices.Sort(want)
		if roles, err := b.RolesOf(t.Context(), w.ID, both); err != nil || !slices.Equal(roles, want) {
			t.Errorf("%v (%v), want %v", roles, err, want)
		}
		// T3, T8: every wrong spelling, a foreign tenant and a missing one are the same.
		for _, c := range [][2]string{
			{w.ID, other.owner}, {other.ID, w.owner}, {id.New(), w.owner}, {w.ID, id.New()},
			{strings.ToUpper(w.ID), w.owner}, {strings.ReplaceAll(w.ID, "-", ""), w.owner}, {"{" + w.ID + "}", w.owner},
			{"", ""}, {"*", w.owner}, {w.ID, "%"}, {w.ID + "\x00", w.owner}, {w.ID, strings.Repeat("x", 1<<20)},
		} {
			roles, err := b.RolesOf(t.Context(), c[0], c[1])
			if roles != nil || problem.KindOf(err) != problem.NotFound || err.Error() != problem.Missing("tenant").Error() {
				t.Errorf("%.40q: %v (%v)", c, roles, err)
			}
		}
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := tenancy.New(tenancy.Config{}); err == nil {
		t.Error("an empty Config is accepted")
	}
}
