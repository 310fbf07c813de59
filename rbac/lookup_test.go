package rbac_test

import (
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

// T5: a name of another tenant's role is none.
func TestRolesAreLookedUpInTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		other := b.newTenant(t)
		owner := b.as(b.tenant, rbac.Owner)
		made, err := b.CreateRole(owner, rbac.NewRole{Name: "Reviewer", Permissions: []auth.Permission{"run.answer"}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Lookup(b.as(b.tenant, rbac.Viewer), db.DB, []string{made.ID, rbac.Operator, b.tenant.roles[rbac.Admin]})
		if want := []string{made.ID, b.tenant.roles[rbac.Operator], b.tenant.roles[rbac.Admin]}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, want %v (%v)", got, want, err)
		}
		_, err = b.Lookup(owner, db.DB, []string{other.roles[rbac.Admin], rbac.Editor, "", "Reviewer", id.New()})
		if faults := problem.Of(err).Faults; problem.KindOf(err) != problem.Invalid || len(faults) != 4 || faults[0].Path != "roles.0" {
			t.Errorf("%v", err)
		}
		if _, err := b.Lookup(t.Context(), db.DB, []string{rbac.Editor}); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("nobody: %v", err)
		}
	})
}
