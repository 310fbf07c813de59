package rbac_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

func asUser(userID string) rbac.Subject { return rbac.Subject{Kind: rbac.SubjectUser, ID: userID} }
func asRole(roleID string) rbac.Subject { return rbac.Subject{Kind: rbac.SubjectRole, ID: roleID} }

// view is the context in which somebody views.
func (b bundle) view(t testing.TB, ctx context.Context, as rbac.Subject) context.Context {
	t.Helper()
	viewing, err := b.ViewAs(ctx, as)
	if err != nil {
		t.Fatal(err)
	}
	return viewing
}

// What an administrator may do in a view, to all and to single objects.
func TestViewAsNarrows(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		shown, hidden := id.New(), id.New()
		role := b.newRole(t, "Clerk", auth.QueryList)
		b.grant(t, role.ID, allow(auth.QueryExecute, shown), deny(auth.QueryRead, hidden), allow(auth.QueryUpdate, shown))
		_, clerk := b.member(t, role.ID)
		admin, _ := b.member(t, rbac.Admin)
		for _, as := range []rbac.Subject{asUser(clerk), asRole(role.ID)} {
			ctx := b.view(t, admin, as)
			for _, c := range []struct {
				permission auth.Permission
				objectID   string
				want       bool
			}{
				{auth.QueryList, "", true}, {auth.QueryExecute, shown, true}, {auth.QueryExecute, hidden, false}, {auth.QueryExecute, "", false},
				{auth.QueryRead, shown, false}, {auth.QueryUpdate, shown, false}, {auth.QueryCreate, "", false}, {auth.AuditList, "", false},
			} {
				if got := b.may(t, ctx, c.permission, c.objectID); got != c.want {
					t.Errorf("%s: %s on %q: %v", as.Kind, c.permission, c.objectID, got)
				}
			}
			if effective, err := b.Effective(ctx); err != nil || !slices.Equal(effective, []auth.Permission{auth.QueryList}) {
				t.Errorf("%s: %v (%v)", as.Kind, effective, err)
			}
			if refused, err := b.Refused(ctx, auth.QueryRead, hidden); err != nil || !refused {
				t.Errorf("%s: a denial does not bind the view: %v", as.Kind, err)
			}
			if _, _, err := b.Visible(ctx, auth.QueryList, "id"); err != nil {
				t.Error(err)
			}
			for _, list := range []auth.Permission{auth.WorkflowList, auth.RunCancel} {
				if _, _, err := b.Visible(ctx, list, "id"); !problem.Is(err, problem.Forbidden) {
					t.Errorf("%s: a list of %s: %v", as.Kind, list, err)
				}
			}
			if _, err := b.Authorize(ctx, auth.QueryUpdate, shown); problem.Of(err).Code != "view_as_reads_only" || problem.Of(err).Remedy == "" {
				t.Errorf("%s: what both may change: %v", as.Kind, err)
			}
			if err := b.Grantable(ctx, b.db.DB, []string{b.tenant.roles[rbac.Viewer]}); !problem.Is(err, problem.Forbidden) {
				t.Errorf("%s: a role is given: %v", as.Kind, err)
			}
			if _, err := b.CreateRole(ctx, rbac.NewRole{Name: "x"}); problem.Of(err).Code != "view_as_reads_only" {
				t.Errorf("%s: a role is made: %v", as.Kind, err)
			}
		}
		// Neither is a way up, nor around what the caller is denied himself.
		bound := b.newRole(t, "Bound", "member.*", "role.*", auth.QueryList)
		b.grant(t, bound.ID, deny(auth.QueryList, ""))
		caller, _ := b.member(t, bound.ID)
		_, owner := b.member(t, rbac.Owner)
		for _, as := range []rbac.Subject{asUser(owner), asRole(b.tenant.roles[rbac.Owner])} {
			ctx := b.view(t, caller, as)
			if b.may(t, ctx, auth.QueryList, "") || b.may(t, ctx, auth.QueryRead, shown) || !b.may(t, ctx, auth.MemberList, "") {
				t.Errorf("%s: an Owner who is viewed shows what is the Owner's", as.Kind)
			}
		}
	})
}

// Who may view whom. Who is no member, and a role that is not there, are missing.
func TestWhoMayViewAs(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		viewer := b.tenant.roles[rbac.Viewer]
		admin, adminID := b.member(t, rbac.Admin)
		editor, _ := b.member(t, rbac.Editor)
		nobody, _ := b.member(t)
		_, member := b.member(t, rbac.Viewer)
		partly := b.newRole(t, "Partly", "member.*", "role.*")
		b.grant(t, partly.ID, deny(auth.MemberImpersonate, adminID), deny(auth.RoleRead, viewer))
		some, _ := b.member(t, partly.ID)
		keyOf := func(scopes ...auth.Permission) context.Context {
			k := *auth.FromContext(admin)
			k.Kind, k.KeyID, k.Scopes = auth.KindAPIKey, id.New(), scopes
			return auth.NewContext(t.Context(), &k)
		}
		elsewhere := b.newTenant(t)
		for i, c := range []struct {
			caller context.Context
			as     rbac.Subject
			want   problem.Kind
		}{
			{admin, asUser(member), ""}, {admin, asRole(viewer), ""}, {admin, asUser(adminID), ""},
			{editor, asRole(viewer), ""}, {editor, asUser(member), problem.Forbidden},
			{some, asUser(member), ""}, {some, asUser(adminID), problem.Forbidden}, {some, asRole(viewer), problem.Forbidden},
			{nobody, asUser(member), problem.Forbidden}, {nobody, asRole(viewer), problem.Forbidden}, {nobody, asUser(id.New()), problem.Forbidden},
			{keyOf("member.*"), asUser(member), ""}, {keyOf("member.*"), asRole(viewer), problem.Forbidden}, {keyOf("query.*"), asUser(member), problem.Forbidden},
			{auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: "*"})), asUser(member), problem.Forbidden},
			{t.Context(), asUser(member), problem.Unauthenticated},
			{admin, asUser(id.New()), problem.NotFound}, {admin, asUser("x"), problem.NotFound}, {admin, asUser(""), problem.NotFound},
			{admin, asRole(id.New()), problem.NotFound}, {admin, asRole("viewer"), problem.NotFound}, {admin, asRole(elsewhere.roles[rbac.Viewer]), problem.NotFound},
			{admin, rbac.Subject{Kind: rbac.SubjectAPIKey, ID: id.New()}, problem.Invalid}, {admin, rbac.Subject{}, problem.Invalid},
			{b.view(t, admin, asUser(member)), asUser(adminID), problem.Forbidden}, {b.view(t, admin, asRole(viewer)), asRole(b.tenant.roles[rbac.Admin]), problem.Forbidden},
		} {
			if _, err := b.ViewAs(c.caller, c.as); problem.KindOf(err) != c.want {
				t.Errorf("case %d: %v, want %q", i, err, c.want)
			}
		}
	})
}

// T30: a view is decided on each time. It ends with the right to it, in another process
// within a second, and whoever made it by hand has it no sooner.
func TestT30_AViewEndsWithTheRight(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Support", auth.MemberImpersonate, auth.RoleRead, auth.QueryList)
		caller, _ := b.member(t, role.ID)
		_, member := b.member(t, rbac.Viewer)
		views := []context.Context{b.view(t, caller, asUser(member)), b.view(t, caller, asRole(b.tenant.roles[rbac.Viewer]))}
		for _, ctx := range views {
			if !b.may(t, ctx, auth.QueryList, "") {
				t.Fatal("nothing is seen")
			}
		}
		_, err := b.UpdateRole(b.as(b.tenant, rbac.Owner), role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{auth.QueryList}})
		if err != nil {
			t.Fatal(err)
		}
		byHand := auth.NewContext(t.Context(), auth.FromContext(caller).ViewingAs(&auth.Principal{Kind: auth.KindUser, Roles: []string{role.ID, role.ID}}))
		for _, ctx := range append(views, byHand) {
			if _, err := b.Authorize(ctx, auth.QueryList, ""); !problem.Is(err, problem.Forbidden) {
				t.Errorf("the view goes on: %v", err)
			}
			if _, _, err := b.Visible(ctx, auth.QueryList, "id"); !problem.Is(err, problem.Forbidden) {
				t.Errorf("the list goes on: %v", err)
			}
			if _, err := b.Undenied(ctx, "kind", "id"); !problem.Is(err, problem.Forbidden) {
				t.Errorf("the record goes on: %v", err)
			}
		}
	})
}

// The record has who viewed whom, once in a while, and without it nobody does.
func TestViewsAreInTheRecord(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		admin, _ := b.member(t, rbac.Admin)
		_, member := b.member(t, rbac.Viewer)
		viewer := b.tenant.roles[rbac.Viewer]
		for range 3 {
			b.view(t, admin, asUser(member))
			b.view(t, admin, asRole(viewer))
		}
		for action, object := range map[string]string{"member.impersonate": member, "role.impersonate": viewer} {
			list, err := b.audit.List(admin, audit.Filter{Action: action}, page.Request{})
			if err != nil || len(list.Items) != 1 || list.Items[0].ObjectID != object || list.Items[0].Actor != auth.FromContext(admin).Actor() {
				t.Errorf("%s: %+v (%v)", action, list.Items, err)
			}
		}
		b.exec(t, "ALTER TABLE ?schema.jet_audit RENAME TO jet_audit_away")
		other, _ := b.member(t, rbac.Admin)
		for range 2 {
			if _, err := b.ViewAs(other, asUser(member)); err == nil {
				t.Error("a view is given without its event")
			}
		}
		b.exec(t, "ALTER TABLE ?schema.jet_audit_away RENAME TO jet_audit")
		b.view(t, other, asUser(member))
	})
}
