package rbac_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

func ptr[T any](v T) *T { return &v }

func TestDefaultRolesAreFoundByTheirName(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner := b.as(b.tenant, rbac.Owner)
		if _, err := b.CreateRole(owner, rbac.NewRole{Name: "editor", Permissions: []auth.Permission{"run.read"}}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{rbac.Owner, rbac.Admin, rbac.Editor, rbac.Operator, rbac.Viewer} {
			if r, err := b.Default(owner, name); err != nil || r.Builtin != name {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		for _, name := range []string{"", "nobody", "%"} {
			if _, err := b.Default(owner, name); problem.KindOf(err) != problem.NotFound {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

func TestRoleLivesAndIsAudited(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner := b.as(b.tenant, rbac.Owner)
		made, err := b.CreateRole(owner, rbac.NewRole{Name: "Réviseur", Description: "reads", Permissions: []auth.Permission{"run.read", "query.*", "run.read"}})
		if err != nil {
			t.Fatal(err)
		}
		read, err := b.Role(owner, made.ID)
		if err != nil || fmt.Sprint(read) != fmt.Sprint(made) || !slices.Equal(read.Permissions, []auth.Permission{"query.*", "run.read"}) {
			t.Errorf("made %+v, read %+v (%v)", made, read, err)
		}
		changed, err := b.UpdateRole(owner, made.ID, rbac.RoleUpdate{Name: ptr("Reviewer"), Version: 1})
		if err != nil || changed.Name != "Reviewer" || changed.Description != "reads" || changed.Version != 2 || len(changed.Permissions) != 2 {
			t.Errorf("changed %+v (%v)", changed, err)
		}
		if _, err := b.UpdateRole(owner, made.ID, rbac.RoleUpdate{Name: ptr("Late"), Version: 1}); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale change: %v", err)
		}
		if err := b.DeleteRole(owner, made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Role(owner, made.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("after deletion: %v", err)
		}
		events, err := b.audit.List(owner, audit.Filter{ObjectType: "role", ObjectID: made.ID}, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		var actions []string
		for _, e := range events.Items {
			actions = append(actions, e.Action)
		}
		if fmt.Sprint(actions) != "[role.delete role.update role.create]" {
			t.Errorf("audited %v", actions)
		}
	})
}

// T30: a change holds for the next decision, cached or not.
func TestT30_ChangeOfARoleHoldsAtOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Custom", auth.QueryRead, auth.QueryExecute)
		owner, holder, object := b.as(b.tenant, rbac.Owner), b.as(b.tenant, role.ID), id.New()
		for range 20 {
			for _, set := range [][]auth.Permission{{auth.QueryRead}, {auth.QueryRead, auth.QueryExecute}, {}} {
				if _, err := b.UpdateRole(owner, role.ID, rbac.RoleUpdate{Permissions: set}); err != nil {
					t.Fatal(err)
				}
				for _, p := range []auth.Permission{auth.QueryRead, auth.QueryExecute} {
					if got := b.may(t, holder, p, object); got != slices.Contains(set, p) {
						t.Fatalf("with %v: %s is %v", set, p, got)
					}
				}
			}
		}
	})
}

// T30 across processes: another service on the same database follows within a second.
func TestT30_OtherProcessesFollowWithinASecond(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Custom", auth.QueryRead)
		there := newService(t, db, b.audit)
		holder := b.as(b.tenant, role.ID)
		if allowed, err := there.Allowed(holder, auth.QueryRead, ""); !allowed || err != nil {
			t.Fatal(allowed, err)
		}
		if _, err := b.UpdateRole(b.as(b.tenant, rbac.Owner), role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{}}); err != nil {
			t.Fatal(err)
		}
		for changed := time.Now(); ; {
			allowed, err := there.Allowed(holder, auth.QueryRead, "")
			if err != nil {
				t.Fatal(err)
			}
			if !allowed {
				return
			}
			if time.Since(changed) > time.Second {
				t.Fatal("still allowed after a second")
			}
		}
	})
}

func TestRoleIsValidatedWhenMadeAndWhenChanged(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner := b.as(b.tenant, rbac.Owner)
	role := b.newRole(t, "Custom")
	cases := []struct {
		in    rbac.NewRole
		paths []string
	}{
		{rbac.NewRole{Name: ""}, []string{"name"}},
		{rbac.NewRole{Name: " x"}, []string{"name"}},
		{rbac.NewRole{Name: "a\nb"}, []string{"name"}},
		{rbac.NewRole{Name: "nul\x00"}, []string{"name"}},
		{rbac.NewRole{Name: "\xff"}, []string{"name"}},
		{rbac.NewRole{Name: strings.Repeat("ü", 101), Description: strings.Repeat("x", 501)}, []string{"name", "description"}},
		{rbac.NewRole{Name: "x", Permissions: []auth.Permission{"query.read", "query.fly", "ship.*", "*.read", "*.*", "", ".*", "query.*.x"}},
			[]string{"permissions.1", "permissions.2", "permissions.3", "permissions.4", "permissions.5", "permissions.6", "permissions.7"}},
	}
	for _, c := range cases {
		_, made := b.CreateRole(owner, c.in)
		in := rbac.RoleUpdate{Name: &c.in.Name, Description: &c.in.Description, Permissions: c.in.Permissions}
		_, changed := b.UpdateRole(owner, role.ID, in)
		for _, err := range []error{made, changed} {
			var paths []string
			for _, fault := range problem.Of(err).Faults {
				paths = append(paths, fault.Path)
			}
			if problem.KindOf(err) != problem.Invalid || !equalSets(paths, c.paths) {
				t.Errorf("%.60q: %v %v, want %v", fmt.Sprint(c.in), problem.KindOf(err), paths, c.paths)
			}
		}
	}
}

func equalSets(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestRoleNamesAreUniqueInATenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner := b.as(b.tenant, rbac.Owner)
		role := b.newRole(t, "Custom")
		if _, err := b.CreateRole(owner, rbac.NewRole{Name: "Custom"}); problem.Of(err).Code != "role_name_taken" {
			t.Error(err)
		}
		if _, err := b.UpdateRole(owner, role.ID, rbac.RoleUpdate{Name: ptr("Viewer")}); problem.Of(err).Code != "role_name_taken" {
			t.Error(err)
		}
		other := b.newTenant(t)
		if _, err := b.CreateRole(b.as(other, rbac.Owner), rbac.NewRole{Name: "Custom"}); err != nil {
			t.Error(err)
		}
	})
}

func TestDefaultRolesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner := b.as(b.tenant, rbac.Owner)
	for key, roleID := range b.tenant.roles {
		if _, err := b.UpdateRole(owner, roleID, rbac.RoleUpdate{Permissions: []auth.Permission{"*"}}); problem.Of(err).Code != "role_builtin" {
			t.Errorf("change %s: %v", key, err)
		}
		if err := b.DeleteRole(owner, roleID); problem.Of(err).Code != "role_builtin" {
			t.Errorf("delete %s: %v", key, err)
		}
	}
}

func TestRoleInUseStays(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Custom", auth.QueryRead)
		b.exec(t, "INSERT INTO ?schema.jet_member_role (tenant_id, user_id, role_id) SELECT tenant_id, user_id, ? FROM ?schema.jet_member WHERE tenant_id = ?",
			role.ID, b.tenant.id)
		if err := b.DeleteRole(b.as(b.tenant, rbac.Owner), role.ID); problem.Of(err).Code != "role_in_use" {
			t.Error(err)
		}
		if !b.may(t, b.as(b.tenant, role.ID), auth.QueryRead, "") {
			t.Error("the role is gone")
		}
	})
}

// T1, T8: another tenant's role is as missing as one that never was.
func TestT1_RolesOfAnotherTenantAreMissing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Custom", auth.QueryRead)
		other := b.newTenant(t)
		intruder := b.as(other, rbac.Owner)
		for _, roleID := range []string{role.ID, id.New(), "", "*", "..", "%", strings.ToUpper(role.ID), strings.ReplaceAll(role.ID, "-", "")} {
			_, read := b.Role(intruder, roleID)
			_, changed := b.UpdateRole(intruder, roleID, rbac.RoleUpdate{Name: ptr("Mine")})
			for _, err := range []error{read, changed, b.DeleteRole(intruder, roleID)} {
				if problem.KindOf(err) != problem.NotFound || err.Error() != problem.Missing("role").Error() {
					t.Errorf("%q: %v", roleID, err)
				}
			}
		}
		list, err := b.Roles(intruder, page.Request{})
		if err != nil || len(list.Items) != 5 {
			t.Errorf("lists %d roles (%v)", len(list.Items), err)
		}
		if slices.ContainsFunc(list.Items, func(r rbac.Role) bool { return r.ID == role.ID }) {
			t.Error("lists a role of another tenant")
		}
		if kept, err := b.Role(b.as(b.tenant, rbac.Owner), role.ID); err != nil || kept.Name != "Custom" {
			t.Errorf("kept %+v (%v)", kept, err)
		}
	})
}

func TestRolesAreListedInPages(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.newRole(t, "Custom")
		viewer := b.as(b.tenant, rbac.Editor)
		var names []string
		for request := (page.Request{Limit: 4}); ; {
			p, err := b.Roles(viewer, request)
			if err != nil {
				t.Fatal(err)
			}
			for _, role := range p.Items {
				names = append(names, role.Name)
			}
			if request.Cursor = p.NextCursor; request.Cursor == "" {
				break
			}
		}
		if fmt.Sprint(names) != "[Owner Admin Editor Operator Viewer Custom]" {
			t.Error(names)
		}
	})
}

func TestRolesAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner := b.as(b.tenant, rbac.Owner)
	var made, refused int
	var mu sync.Mutex
	var done sync.WaitGroup
	for worker := range 4 {
		done.Go(func() {
			for i := range 63 {
				_, err := b.CreateRole(owner, rbac.NewRole{Name: fmt.Sprint(worker, "/", i)})
				mu.Lock()
				switch {
				case err == nil:
					made++
				case problem.Of(err).Code == "role_limit":
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	done.Wait()
	if made != 245 || refused != 7 {
		t.Errorf("made %d, refused %d", made, refused)
	}
}

// T21, T32: nobody gives what he does not hold, by no way round.
func TestT32_NobodyGivesWhatHeDoesNotHold(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		keeper := b.newRole(t, "Keeper of roles", "role.*", auth.QueryRead, auth.QueryList, auth.QueryCreate,
			auth.QueryUpdate, auth.QueryDelete, auth.QueryTest, auth.QueryExecute)
		keeping := b.as(b.tenant, keeper.ID)
		strong := b.newRole(t, "Strong", auth.RunCancel)
		weak := b.newRole(t, "Weak", auth.QueryRead)

		cases := []struct {
			name string
			ctx  context.Context
			give []auth.Permission
			want problem.Kind
		}{
			{"what he holds", keeping, []auth.Permission{auth.QueryRead, auth.RoleCreate}, ""},
			{"the wildcard he holds", keeping, []auth.Permission{"role.*"}, ""},
			{"one more", keeping, []auth.Permission{auth.QueryRead, auth.RunCancel}, problem.Forbidden},
			{"the wildcard over all that there is now", keeping, []auth.Permission{"query.*"}, problem.Forbidden},
			{"everything", keeping, []auth.Permission{"*"}, problem.Forbidden},
			{"an Admin: everything", b.as(b.tenant, rbac.Admin), []auth.Permission{"*"}, problem.Forbidden},
			{"an Admin: what only an Owner may", b.as(b.tenant, rbac.Admin), []auth.Permission{auth.TenantUpdate}, problem.Forbidden},
			{"an Admin: a wildcard that holds more", b.as(b.tenant, rbac.Admin), []auth.Permission{"tenant.*"}, problem.Forbidden},
			{"an Owner: everything", b.as(b.tenant, rbac.Owner), []auth.Permission{"*", "query.*"}, ""},
			{"a key: beyond its scope", auth.NewContext(t.Context(), key(b.tenant.id, []string{b.tenant.roles[rbac.Owner]}, "role.*")), []auth.Permission{auth.QueryRead}, problem.Forbidden},
			{"a key: a wildcard of which it has a part", auth.NewContext(t.Context(), key(b.tenant.id, []string{b.tenant.roles[rbac.Owner]}, "role.*", "query.read")), []auth.Permission{"query.*"}, problem.Forbidden},
			{"a key: within its scope", auth.NewContext(t.Context(), key(b.tenant.id, []string{b.tenant.roles[rbac.Owner]}, "role.*", "query.*")), []auth.Permission{"query.read", "query.*"}, ""},
			{"a service: beyond its grants", auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: "role.*"}, auth.Grant{Permission: "query.*", ObjectID: "1"})), []auth.Permission{auth.QueryRead}, problem.Forbidden},
			{"a service: within its grants", auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: "role.*"}, auth.Grant{Permission: "query.*"})), []auth.Permission{auth.QueryRead}, ""},
		}
		for i, c := range cases {
			_, made := b.CreateRole(c.ctx, rbac.NewRole{Name: fmt.Sprint("New ", i), Permissions: c.give})
			_, changed := b.UpdateRole(c.ctx, weak.ID, rbac.RoleUpdate{Permissions: c.give})
			if problem.KindOf(made) != c.want || (changed != nil) != (c.want != "") {
				t.Errorf("%s: made %v, changed %v, want %q", c.name, made, changed, c.want)
			}
			if _, err := b.UpdateRole(b.as(b.tenant, rbac.Owner), weak.ID, rbac.RoleUpdate{Permissions: []auth.Permission{auth.QueryRead}}); err != nil {
				t.Fatal(err)
			}
		}

		if _, err := b.UpdateRole(keeping, keeper.ID, rbac.RoleUpdate{Permissions: []auth.Permission{"role.*", "run.*"}}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he widens his own role: %v", err)
		}
		if _, err := b.UpdateRole(keeping, strong.ID, rbac.RoleUpdate{Permissions: []auth.Permission{}}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he changes a role above his own: %v", err)
		}
		if err := b.DeleteRole(keeping, strong.ID); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he deletes a role above his own: %v", err)
		}
	})
}

func TestGrantable(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		other := b.newTenant(t)
		empty := b.newRole(t, "Empty")
		all := func(keys ...string) (ids []string) {
			for _, k := range keys {
				ids = append(ids, b.tenant.roles[k])
			}
			return ids
		}
		for _, c := range []struct {
			name string
			ctx  context.Context
			give []string
			want problem.Kind
		}{
			{"Owner gives all", b.as(b.tenant, rbac.Owner), all(rbac.Owner, rbac.Admin, rbac.Editor, rbac.Operator, rbac.Viewer), ""},
			{"Admin gives his own", b.as(b.tenant, rbac.Admin), all(rbac.Admin, rbac.Viewer), ""},
			{"Admin gives Owner", b.as(b.tenant, rbac.Admin), all(rbac.Viewer, rbac.Owner), problem.Forbidden},
			{"Editor gives Admin", b.as(b.tenant, rbac.Editor), all(rbac.Admin), problem.Forbidden},
			{"anybody gives nothing", b.as(b.tenant), nil, ""},
			{"anybody gives a role that gives nothing", b.as(b.tenant), []string{empty.ID}, ""},
			{"role of another tenant", b.as(b.tenant, rbac.Owner), []string{other.roles[rbac.Viewer]}, problem.Invalid},
			{"no role at all", b.as(b.tenant, rbac.Owner), []string{id.New()}, problem.Invalid},
			{"hostile id", b.as(b.tenant, rbac.Owner), []string{"*", "", "%"}, problem.Invalid},
			{"nobody", t.Context(), nil, problem.Unauthenticated},
		} {
			if err := b.Grantable(c.ctx, db.DB, c.give); problem.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		}
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := rbac.New(rbac.Config{}); err == nil {
		t.Error("an empty Config is accepted")
	}
}
