package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
)

// Owners of what was deleted before it took them along are gone with the migration.
func TestOwnersOfWhatIsGoneAreSwept(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db, now := at.open(t), time.Now().UTC()
		migrate(t, db)
		all, err := db.Migrations()
		if err != nil {
			t.Fatal(err)
		}
		for keep, m := range all {
			if m.Name == "owner_sweep" {
				if err := db.MigrateDown(t.Context(), keep); err != nil {
					t.Fatal(err)
				}
			}
		}
		put := func(query string, args ...any) {
			t.Helper()
			if _, err := db.NewRaw(query, args...).Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		user, tenant := id.New(), id.New()
		put("INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', 's', '', '', ?, ?, 1)", user, now, now)
		put("INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, 'T', ?, 1, ?, ?, 1)", tenant, user, now, now)
		put("INSERT INTO ?schema.jet_member (tenant_id, user_id, created_at, version) VALUES (?, ?, ?, 1)", tenant, user, now)
		owned := func(objectID, resource string) {
			t.Helper()
			put("INSERT INTO ?schema.jet_owner (tenant_id, object_id, resource, user_id) VALUES (?, ?, ?, ?)", tenant, objectID, resource, user)
		}
		var kept []string
		for _, deleted := range []*time.Time{nil, &now} {
			flow := id.New()
			put(`INSERT INTO ?schema.jet_workflow (id, tenant_id, name, description, draft, published_version, created_by, created_at, updated_at, deleted_at, version)
				VALUES (?, ?, 'w', '', '{}', 0, '', ?, ?, ?, 1)`, flow, tenant, now, now, deleted)
			owned(flow, "workflow")
			file := id.New()
			put("INSERT INTO ?schema.jet_file (id, tenant_id, name, type, size, ready, created_by, created_at) VALUES (?, ?, 'f', 'csv', 1, ?, '', ?)",
				file, tenant, deleted == nil, now)
			owned(file, "file")
			if deleted == nil {
				kept = append(kept, flow, file)
			}
		}
		for _, resource := range []string{"datasource", "query", "workflow", "file", "schedule", "webhook"} {
			owned(id.New(), resource)
		}
		migrate(t, db)
		var left []string
		if err := db.NewRaw("SELECT object_id FROM ?schema.jet_owner WHERE tenant_id = ?", tenant).Scan(t.Context(), &left); err != nil {
			t.Fatal(err)
		}
		slices.Sort(left)
		slices.Sort(kept)
		if !slices.Equal(left, kept) {
			t.Errorf("owners are left of %v, want %v", left, kept)
		}
	})
}
