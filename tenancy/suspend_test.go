package tenancy_test

import (
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

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		open := b.invited(t, w, owner, "a@example.com", rbac.Viewer)
		for range 2 { // twice is once
			got, err := b.Suspend(t.Context(), w.ID)
			if err != nil || got.SuspendedAt == nil || got.Version != 2 {
				t.Fatalf("%+v (%v)", got, err)
			}
		}
		suspended := func(what string, err error) {
			t.Helper()
			if e := problem.Of(err); err == nil || e.Kind != problem.Forbidden || e.Code != "tenant_suspended" || e.Remedy == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := b.RolesOf(t.Context(), w.ID, w.owner)
		suspended("the roles of a member", err)
		if _, err := b.RolesOf(t.Context(), w.ID, other.owner); problem.KindOf(err) != problem.NotFound {
			t.Errorf("T8, a stranger learns of it: %v", err)
		}
		name := "New"
		_, err = b.rbac.Authorize(b.in(t, other.ID, other.owner), auth.TenantUpdate, other.ID)
		if err != nil {
			t.Errorf("another tenant: %v", err)
		}
		fresh := setup(t, db) // another process, which remembers no decision
		_, err = fresh.Update(owner, tenancy.TenantUpdate{Name: &name})
		suspended("a change by who was let in before", err)
		if _, err := fresh.Accept(t.Context(), newAccount(open)); problem.KindOf(err) != problem.NotFound {
			t.Errorf("an invitation: %v", err)
		}
		mine, err := b.Mine(signedIn(w.owner))
		if err != nil || len(mine) != 1 || mine[0].Tenant.SuspendedAt == nil {
			t.Errorf("%+v (%v)", mine, err)
		}
		for range 2 {
			got, err := b.Resume(t.Context(), w.ID)
			if err != nil || got.SuspendedAt != nil || got.Version != 3 {
				t.Fatalf("%+v (%v)", got, err)
			}
		}
		if _, err := fresh.Update(owner, tenancy.TenantUpdate{Name: &name}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := fresh.Accept(t.Context(), newAccount(open)); err != nil {
			t.Errorf("the invitation, afterwards: %v", err)
		}
		events, err := b.audit.List(owner, audit.Filter{ObjectType: "tenant"}, page.Request{})
		if err != nil || len(events.Items) != 4 || events.Items[1].Action != "tenant.resume" || events.Items[2].Action != "tenant.suspend" {
			t.Errorf("audited %+v (%v)", events.Items, err)
		}
	})
}

func TestSuspendNeedsATenant(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	for _, tenantID := range []string{id.New(), "", "*"} {
		_, suspended := b.Suspend(t.Context(), tenantID)
		_, resumed := b.Resume(t.Context(), tenantID)
		if problem.KindOf(suspended) != problem.NotFound || problem.KindOf(resumed) != problem.NotFound {
			t.Errorf("%q: %v, %v", tenantID, suspended, resumed)
		}
	}
}
