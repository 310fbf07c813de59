package testdb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/tenantid"
)

const (
	ours    = "0198c5a0-0000-7000-8000-00000000000a"
	foreign = "0198c5a0-0000-7000-8000-00000000000b"
)

// The fence judges a text alone, so that one list serves both dialects.
func TestFenceJudges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		args        []any
		caught      bool
	}{
		{name: "another table", query: `SELECT * FROM jet_user WHERE id = 'x'`},
		{name: "a definition", query: `CREATE TABLE jet_query (tenant_id uuid)`},
		{name: "bound by a literal", query: `SELECT * FROM "s"."jet_query" AS "q" WHERE ("q"."tenant_id" = '` + ours + `') AND (id = '1')`},
		{name: "bound by an argument", query: `SELECT * FROM jet_query WHERE id = $1 AND tenant_id = $2::uuid`, args: []any{"1", ours}},
		{name: "bound by a counted argument", query: `DELETE FROM jet_query WHERE id = ? AND tenant_id = ?`, args: []any{"1", ours}},
		{name: "bound the other way round", query: `SELECT 1 FROM jet_query q WHERE '` + ours + `' = q.tenant_id`},
		{name: "bound by a list of one", query: `SELECT 1 FROM jet_query WHERE tenant_id IN ('` + ours + `')`},
		{name: "bound with a cursor", query: `SELECT 1 FROM jet_query WHERE tenant_id = '` + ours + `' AND (id < '2' OR id = '3')`},
		{name: "joined to a bound table", query: `SELECT 1 FROM jet_query q JOIN jet_datasource d ON d.tenant_id = q.tenant_id WHERE q.tenant_id = '` + ours + `'`},
		{name: "each table bound", query: `DELETE FROM jet_query WHERE tenant_id = '` + ours + `' AND datasource_id IN (SELECT id FROM jet_datasource WHERE tenant_id = '` + ours + `')`},
		{name: "inserted", query: `INSERT OR IGNORE INTO "s"."jet_query" AS "q" ("id", "tenant_id") VALUES ('1', '` + ours + `'), (coalesce('2', '3'), '` + ours + `') ON CONFLICT (id) DO UPDATE SET name = 'x'`},
		{name: "inserted by a select", query: `INSERT INTO jet_query (id, tenant_id) SELECT unnest($1::uuid[]), $2`, args: []any{"{}", ours}},
		{name: "on purpose", query: `/* across tenants: the sweeper */ SELECT * FROM jet_run_node WHERE status = 'ready'`},
		{name: "of no tenant", query: `INSERT INTO jet_audit (tenant_id, seq) VALUES ('', 1)`},
		{name: "two statements", query: `SELECT 1; DELETE FROM jet_query WHERE tenant_id = '` + ours + `'`},

		{name: "not bound", query: `SELECT * FROM "s"."jet_query" AS "q" WHERE "q"."id" = '1'`, caught: true},
		{name: "not bound in a subquery", query: `SELECT 1 FROM jet_user WHERE id IN (SELECT user_id FROM jet_member)`, caught: true},
		{name: "not bound in the second statement", query: `SELECT 1; DELETE FROM jet_query`, caught: true},
		{name: "bound only in a string", query: `SELECT 1 FROM jet_query WHERE name = 'tenant_id = ''x'''`, caught: true},
		{name: "bound only in a comment", query: `SELECT 1 FROM jet_query -- tenant_id = 'x'`, caught: true},
		{name: "bound only to another column", query: `SELECT 1 FROM jet_query q, jet_datasource d WHERE q.tenant_id = d.tenant_id`, caught: true},
		{name: "one of two tables", query: `SELECT 1 FROM jet_query q JOIN jet_datasource d ON d.id = q.datasource_id WHERE q.tenant_id = '` + ours + `'`, caught: true},
		{name: "a subquery of a bound table", query: `DELETE FROM jet_query WHERE tenant_id = '` + ours + `' AND datasource_id IN (SELECT id FROM jet_datasource)`, caught: true},
		{name: "a comparison with a subquery", query: `DELETE FROM jet_query WHERE tenant_id = (SELECT id FROM jet_tenant)`, caught: true},
		{name: "set, not compared", query: `UPDATE jet_query SET "name" = 'x', "tenant_id" = '` + ours + `' WHERE id = '1'`, caught: true},
		{name: "beside an OR", query: `SELECT 1 FROM jet_query WHERE (tenant_id = '` + ours + `') OR (name = 'x')`, caught: true},
		{name: "beside an outer OR", query: `SELECT 1 FROM jet_query WHERE ((tenant_id = '` + ours + `') AND (id = '1')) OR name = 'x'`, caught: true},
		{name: "unequal", query: `SELECT 1 FROM jet_query WHERE tenant_id <> '` + ours + `'`, caught: true},
		{name: "another tenant's literal", query: `SELECT 1 FROM jet_query WHERE tenant_id = '` + foreign + `'`, caught: true},
		{name: "another tenant's argument", query: `SELECT 1 FROM jet_query WHERE tenant_id = $1`, args: []any{foreign}, caught: true},
		{name: "another tenant in the list", query: `SELECT 1 FROM jet_query WHERE tenant_id IN ('` + ours + `', '` + foreign + `')`, caught: true},
		{name: "no tenant for a tenant's table", query: `SELECT 1 FROM jet_query WHERE tenant_id = ''`, caught: true},
		{name: "inserted without", query: `INSERT INTO jet_query (id, name) VALUES ('1', 'x')`, caught: true},
		{name: "inserted for another", query: `INSERT INTO jet_query (id, tenant_id) VALUES ('1', '` + ours + `'), ('2', '` + foreign + `')`, caught: true},
		{name: "inserted from all", query: `INSERT INTO jet_run_output (id, tenant_id) SELECT id, tenant_id FROM jet_run_node`, caught: true},
		{name: "on purpose without a reason", query: `/* across tenants: */ SELECT * FROM jet_run_node`, caught: true},
		{name: "in a common table", query: `WITH x AS (UPDATE jet_run_node SET status = 'x' RETURNING run_id) SELECT * FROM jet_user, x`, caught: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			faults := newFence(nil).faults(scan(test.query), ours, test.args)
			if caught := len(faults) > 0; caught != test.caught {
				t.Errorf("caught = %v, want %v: %v\n%s", caught, test.caught, faults, scan(test.query).template())
			}
		})
	}
}

func TestFenceKnowsTheTables(t *testing.T) {
	t.Parallel()
	tables := newFence(nil).tables
	for table, mayBeEmpty := range map[string]bool{"jet_query": false, "jet_run_node": false, "jet_audit": true} {
		if got, ok := tables[table]; !ok || got != mayBeEmpty {
			t.Errorf("%s: known %v, may be empty %v, want true, %v", table, ok, got, mayBeEmpty)
		}
	}
	if _, ok := tables["jet_user"]; ok {
		t.Error("jet_user belongs to no tenant")
	}
}

// A broken statement is caught on its way through either driver, in whatever
// way it is sent, and its values are not repeated.
func TestFenceCatches(t *testing.T) {
	t.Parallel()
	var faults record
	open := map[store.Dialect]func(t *testing.T) *store.DB{
		store.SQLite: func(t *testing.T) *store.DB {
			path := t.TempDir() + "/fence.db"
			db, err := openSQLite(t.Context(), path, newFence(&faults).wrap)
			if err != nil {
				t.Fatal(err)
			}
			return db
		},
		store.PostgreSQL: func(t *testing.T) *store.DB {
			dsn, schema := PostgresSchema(t)
			pool, err := store.OpenPostgres(dsn, newFence(&faults).wrap)
			if err != nil {
				t.Fatal(err)
			}
			db, err := store.New(pool, store.PostgreSQL, schema)
			if err != nil {
				t.Fatal(err)
			}
			return db
		},
	}
	for dialect, open := range open {
		t.Run(string(dialect), func(t *testing.T) {
			db := open(t)
			t.Cleanup(func() { _ = db.Close() })
			ctx := tenantid.NewContext(t.Context(), ours)
			if err := db.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			if got := faults.take(); len(got) > 0 {
				t.Fatalf("the migrations are caught: %v", got)
			}
			for name, send := range senders(db) {
				send(ctx, "SELECT name FROM ?schema.jet_query WHERE id = '"+id.New()+"'")
				got := faults.take()
				if len(got) != 1 || !strings.Contains(got[0], "jet_query") || strings.Contains(got[0], "0198") {
					t.Errorf("%s: a statement without a tenant gives %q", name, got)
				}
				send(ctx, "SELECT name FROM ?schema.jet_query WHERE tenant_id = '"+ours+"'")
				if got := faults.take(); len(got) > 0 {
					t.Errorf("%s: a bound statement gives %q", name, got)
				}
			}
		})
	}
}

// senders are the ways in which a statement can reach the driver.
func senders(db *store.DB) map[string]func(context.Context, string) {
	return map[string]func(context.Context, string){
		"exec": func(ctx context.Context, q string) { _, _ = db.ExecContext(ctx, q) },
		"query": func(ctx context.Context, q string) {
			var names []string
			_ = db.NewRaw(q).Scan(ctx, &names)
		},
		"prepared": func(ctx context.Context, q string) {
			stmt, err := db.DB.DB.PrepareContext(ctx, db.QueryGen().FormatQuery(q))
			if err != nil {
				return
			}
			_, _ = stmt.ExecContext(ctx)
			_ = stmt.Close()
		},
		"transaction": func(ctx context.Context, q string) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return
			}
			_, _ = tx.ExecContext(ctx, q)
			_ = tx.Rollback()
		},
	}
}

// record is a Reporter that keeps what it is told.
type record struct {
	mu   sync.Mutex
	told []string
}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, fmt.Sprintf(format, args...))
}

func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = nil
	return told
}
