package tenancy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// T16: a table of tenants is emptied by name, or goes with one that is. That it
// goes with the tenant's row is not enough: all of it would be one transaction.
func TestT16_EveryTableOfTenantsIsErased(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t) // a test of package store holds the dialects to one shape
	emptied := map[string]bool{}
	for _, table := range tenancy.Erased() {
		emptied[table] = true
	}
	var cascades []struct{ Name, Parent string }
	err := db.NewRaw(`SELECT m.name, f."table" AS parent FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
		WHERE m.type = 'table' AND f.on_delete = 'CASCADE' AND f."table" <> 'jet_tenant'`).Scan(t.Context(), &cascades)
	if err != nil || len(cascades) == 0 {
		t.Fatalf("%v (%v)", cascades, err)
	}
	for range cascades { // as deep as they may lie
		for _, c := range cascades {
			emptied[c.Name] = emptied[c.Name] || emptied[c.Parent]
		}
	}
	var tables []string
	err = db.NewRaw(`SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.name = 'tenant_id'`).Scan(t.Context(), &tables)
	if err != nil || len(tables) < 30 {
		t.Fatalf("%v (%v)", tables, err)
	}
	for _, table := range tables {
		if !emptied[table] {
			t.Errorf("%s is not emptied when a tenant is deleted: add it to erased, or let it cascade from a table there", table)
		}
	}
	for _, table := range tenancy.Erased() {
		if !slices.Contains(tables, table) {
			t.Errorf("%s is no table of tenants", table)
		}
	}
}

// T16: a process that goes away in the middle leaves the rest to another.
func TestT16_ADeletionIsTakenUpByAnotherProcess(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		reached := make(chan struct{})
		var forgotten, left []string
		first := setup(t, db, func(c *tenancy.Config) {
			c.Erase = func(ctx context.Context, _ string) error {
				close(reached)
				<-ctx.Done()
				return ctx.Err()
			}
			c.Leave = func(tenantID string) { left = append(left, tenantID) }
		})
		w, other := first.newWorkspace(t), first.newWorkspace(t)
		const many = 2500 // batches of a thousand
		fill(t, db, w.ID, many)
		fill(t, db, other.ID, 3)
		first.Start()
		if err := first.Delete(first.in(t, w.ID, w.owner), tenancy.Deletion{Name: w.Name}); err != nil {
			t.Fatal(err)
		}
		<-reached
		first.Stop()
		if n := count(t, db, "jet_idempotency", w.ID); n != many {
			t.Fatalf("%d rows when the process goes away", n)
		}
		if !slices.Equal(left, []string{w.ID}) || !first.Gone(w.ID) || first.Gone(other.ID) {
			t.Errorf("left %v", left)
		}
		past := time.Now().UTC().Add(-time.Hour)
		for _, change := range []string{"UPDATE ?schema.jet_duty SET next_at = ?", "UPDATE ?schema.jet_tenant /* across tenants: the test moves the time */ SET deleted_at = ? WHERE deleted_at IS NOT NULL"} {
			if _, err := db.NewRaw(change, past).Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		second := setup(t, db, func(c *tenancy.Config) {
			c.Forget = func(_ context.Context, topics []string) error {
				forgotten = append(forgotten, topics...)
				return nil
			}
		})
		second.Start()
		for deadline := time.Now().Add(time.Minute); count(t, db, "jet_tenant", w.ID) > 0; <-time.After(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the tenant never goes")
			}
		}
		second.Stop()
		for _, table := range tenancy.Erased() {
			if n := count(t, db, table, w.ID); n != 0 {
				t.Errorf("%s has %d rows", table, n)
			}
		}
		if n := count(t, db, "jet_idempotency", other.ID); n != 3 {
			t.Errorf("the other tenant has %d rows", n)
		}
		if _, err := second.Get(second.in(t, other.ID, other.owner)); err != nil {
			t.Errorf("the other tenant: %v", err)
		}
		if want := []string{"tenant:" + w.ID, "monitor:" + w.ID}; !slices.Equal(forgotten, want) {
			t.Errorf("forgotten %v", forgotten)
		}
	})
}

// A tenant's row stays while another process may not know yet that it is deleted.
func TestADeletedTenantIsNowhere(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner, admin := b.in(t, w.ID, w.owner), b.in(t, w.ID, b.join(t, w, rbac.Admin))
		open := b.invited(t, w, owner, "a@example.com", rbac.Viewer)
		if err := b.Delete(admin, tenancy.Deletion{Name: w.Name}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("an Admin: %v", err)
		}
		for _, name := range []string{"", "werkstatt", w.Name + " ", w.ID} {
			if err := b.Delete(owner, tenancy.Deletion{Name: name}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%q: %v", name, err)
			}
		}
		if err := b.DeleteFor(t.Context(), w.ID); err != nil {
			t.Fatal(err)
		}
		fresh := setup(t, db) // another process, which remembers no decision
		missing := func(what string, err error) {
			t.Helper()
			if err == nil || problem.KindOf(err) != problem.NotFound {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := fresh.RolesOf(t.Context(), w.ID, w.owner)
		missing("the roles of a member", err)
		_, err = fresh.Get(owner)
		missing("a look", err)
		_, err = fresh.Update(owner, tenancy.TenantUpdate{})
		missing("a change", err)
		missing("another deletion", fresh.Delete(owner, tenancy.Deletion{Name: w.Name}))
		missing("another by the host", fresh.DeleteFor(t.Context(), w.ID))
		missing("one of nothing", fresh.DeleteFor(t.Context(), "x"))
		_, err = fresh.Accept(t.Context(), newAccount(open))
		missing("an invitation", err)
		service := auth.NewContext(t.Context(), auth.ServicePrincipal(w.ID, "x", auth.Grant{Permission: "*"}))
		_, err = fresh.Invite(service, tenancy.NewInvitation{Email: "b@example.com", RoleIDs: w.ids(rbac.Viewer)})
		missing("a service", err)
		if mine, err := fresh.Mine(signedIn(w.owner)); err != nil || len(mine) != 0 {
			t.Errorf("%+v (%v)", mine, err)
		}
		fresh.Start()
		defer fresh.Stop()
		for deadline := time.Now().Add(time.Minute); count(t, db, "jet_role", w.ID) > 0; <-time.After(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the roles never go")
			}
		}
		if count(t, db, "jet_tenant", w.ID) != 1 {
			t.Error("the row went at once")
		}
	})
}

func fill(t *testing.T, db *store.DB, tenantID string, n int) {
	t.Helper()
	rows := make([]keyRow, n)
	for i := range rows {
		rows[i] = keyRow{Actor: "x", TenantID: tenantID, Key: id.New(), Request: []byte("x"), CreatedAt: time.Now().UTC()}
	}
	if _, err := db.NewInsert().Model(&rows).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type keyRow struct {
	bun.BaseModel `bun:"table:?schema.jet_idempotency"`

	Actor, TenantID, Key string
	Request              []byte
	CreatedAt            time.Time
}

func count(t *testing.T, db *store.DB, table, tenantID string) (n int) {
	t.Helper()
	column := "tenant_id"
	if table == "jet_tenant" {
		column = "id"
	}
	if err := db.NewRaw(fmt.Sprintf("SELECT count(*) FROM ?schema.%s WHERE %s = ?", table, column), tenantID).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}
