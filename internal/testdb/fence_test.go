package testdb

import (
	"context"
	"fmt"
	"slices"
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
		{name: "inserted", query: `INSERT OR IGNORE INTO "s"."jet_query" AS "q" ("id", "tenant_id") VALUES ('1', '` + ours + `'), (coalesce('2', '3'), '` + ours + `') ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'x'`},
		{name: "inserted by a select", query: `INSERT INTO jet_query (id, tenant_id) SELECT unnest($1::uuid[]), $2`, args: []any{"{}", ours}},
		{name: "on purpose", query: `/* across tenants: the sweeper */ SELECT * FROM jet_run_node WHERE status = 'ready'`},
		{name: "of no tenant", query: `INSERT INTO jet_audit (tenant_id, seq) VALUES ('', 1)`},
		{name: "two statements", query: `SELECT 1; DELETE FROM jet_query WHERE tenant_id = '` + ours + `'`},

		{name: "bound with a range", query: `SELECT 1 FROM jet_query WHERE seq BETWEEN 1 AND 2 AND tenant_id = '` + ours + `' AND NOT (a OR b) AND x IS DISTINCT FROM y`},
		{name: "bound by a cast", query: `SELECT 1 FROM jet_query WHERE CAST(tenant_id AS text) = CAST($1 AS text)`, args: []any{ours}},
		{name: "bound in the join", query: `SELECT 1 FROM jet_query q JOIN jet_datasource d ON d.tenant_id = q.tenant_id AND q.tenant_id = '` + ours + `' AND d.id = q.datasource_id`},
		{name: "bound by a chain", query: `SELECT 1 FROM jet_run a, jet_run_node b, jet_run_data c WHERE c.tenant_id = b.tenant_id AND a.tenant_id = b.tenant_id AND '` + ours + `' = a.tenant_id`},
		{name: "an outer join", query: `SELECT 1 FROM jet_query q LEFT JOIN jet_datasource d ON d.tenant_id = q.tenant_id WHERE q.tenant_id = '` + ours + `'`},
		{name: "an outer join to the left", query: `SELECT 1 FROM jet_datasource d RIGHT OUTER JOIN jet_query q ON d.tenant_id = q.tenant_id WHERE q.tenant_id = '` + ours + `'`},
		{name: "the tenant itself", query: `SELECT t.name FROM jet_tenant AS t JOIN jet_member m ON m.tenant_id = t.id WHERE t.id = '` + ours + `'`},
		{name: "a correlated query", query: `DELETE FROM jet_query AS q WHERE q.tenant_id = '` + ours + `' AND NOT EXISTS (SELECT 1 FROM jet_datasource AS d WHERE d.tenant_id = q.tenant_id)`},
		{name: "a correlated query without an alias", query: `DELETE FROM jet_query WHERE tenant_id = '` + ours + `' AND EXISTS (SELECT 1 FROM jet_tenant AS t WHERE t.id = tenant_id)`},
		{name: "a query as a source", query: `SELECT t.name FROM (SELECT tenant_id, user_id FROM jet_member WHERE tenant_id = '` + ours + `' LIMIT 1) AS m JOIN jet_tenant AS t ON t.id = m.tenant_id`},
		{name: "a common table as a source", query: `WITH m AS (SELECT * FROM jet_member WHERE tenant_id = '` + ours + `') SELECT 1 FROM m JOIN jet_query q ON q.tenant_id = m.tenant_id`},
		{name: "a union", query: `SELECT id FROM jet_query WHERE tenant_id = '` + ours + `' UNION ALL SELECT id FROM jet_run WHERE tenant_id = '` + ours + `'`},
		{name: "updated from another", query: `UPDATE jet_query AS q SET name = d.name FROM jet_datasource AS d WHERE d.tenant_id = q.tenant_id AND q.tenant_id = '` + ours + `' RETURNING q.id`},
		{name: "deleted by another", query: `DELETE FROM jet_query q USING jet_datasource d WHERE d.tenant_id = q.tenant_id AND q.tenant_id = '` + ours + `'`},
		{name: "inserted from another", query: `INSERT INTO jet_owner (tenant_id, id) SELECT m.tenant_id, m.id FROM jet_member AS m WHERE m.tenant_id = '` + ours + `' ON CONFLICT DO NOTHING`},
		{name: "inserted or updated of the same tenant", query: `INSERT INTO jet_owner AS o (tenant_id, id) VALUES ('` + ours + `', 1) ON CONFLICT (id) DO UPDATE SET id = 2 WHERE o.tenant_id = excluded.tenant_id`},

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
		{name: "on purpose in another statement", query: `/* across tenants: the sweeper */ SELECT 1 FROM jet_run_node; SELECT 1 FROM jet_query`, caught: true},
		{name: "in a common table", query: `WITH x AS (UPDATE jet_run_node SET status = 'x' RETURNING run_id) SELECT * FROM jet_user, x`, caught: true},

		// A comparison that limits nothing.
		{name: "in the select list", query: `SELECT id, tenant_id = '` + ours + `' FROM jet_query`, caught: true},
		{name: "in the order", query: `SELECT id FROM jet_query ORDER BY tenant_id = '` + ours + `'`, caught: true},
		{name: "in the groups", query: `SELECT tenant_id FROM jet_query GROUP BY tenant_id HAVING tenant_id = '` + ours + `'`, caught: true},
		{name: "in a filter", query: `SELECT count(*) FILTER (WHERE tenant_id = '` + ours + `') FROM jet_query`, caught: true},
		{name: "in a window", query: `SELECT sum(x) OVER (PARTITION BY tenant_id = '` + ours + `') FROM jet_query`, caught: true},
		{name: "in a limit", query: `SELECT 1 FROM jet_query LIMIT (SELECT count(*) FROM jet_run WHERE tenant_id = '` + ours + `')`, caught: true},
		{name: "returned", query: `DELETE FROM jet_query RETURNING tenant_id = '` + ours + `'`, caught: true},
		{name: "negated", query: `SELECT 1 FROM jet_query WHERE NOT (tenant_id = '` + ours + `')`, caught: true},
		{name: "negated without parentheses", query: `SELECT 1 FROM jet_query WHERE NOT tenant_id = '` + ours + `'`, caught: true},
		{name: "negated outside", query: `SELECT 1 FROM jet_query WHERE NOT (id = '1' AND (tenant_id = '` + ours + `'))`, caught: true},
		{name: "not in", query: `SELECT 1 FROM jet_query WHERE tenant_id NOT IN ('` + ours + `')`, caught: true},
		{name: "not null", query: `SELECT 1 FROM jet_query WHERE (tenant_id = '` + ours + `') IS NOT NULL`, caught: true},
		{name: "not null without parentheses", query: `SELECT 1 FROM jet_query WHERE tenant_id = '` + ours + `' IS NOT NULL`, caught: true},
		{name: "compared again", query: `SELECT 1 FROM jet_query WHERE (tenant_id = '` + ours + `') = false`, caught: true},
		{name: "a case", query: `SELECT 1 FROM jet_query WHERE CASE WHEN tenant_id = '` + ours + `' THEN 1 ELSE 1 END = 1`, caught: true},
		{name: "between the conditions of a case", query: `SELECT 1 FROM jet_query WHERE CASE WHEN a AND tenant_id = '` + ours + `' AND b THEN true ELSE true END`, caught: true},
		{name: "the end of a range", query: `SELECT 1 FROM jet_query WHERE 1 BETWEEN 0 AND tenant_id = '` + ours + `'`, caught: true},
		{name: "in a function", query: `SELECT 1 FROM jet_query WHERE coalesce(tenant_id = '` + ours + `', true)`, caught: true},
		{name: "with a function", query: `SELECT 1 FROM jet_query WHERE tenant_id = coalesce(tenant_id, '` + ours + `')`, caught: true},
		{name: "with an expression", query: `SELECT 1 FROM jet_query WHERE tenant_id = '` + ours + `' || ''`, caught: true},
		{name: "with itself", query: `SELECT 1 FROM jet_query WHERE tenant_id = tenant_id`, caught: true},
		{name: "in a list with a column", query: `SELECT 1 FROM jet_query WHERE tenant_id IN ('` + ours + `', other)`, caught: true},
		{name: "at most", query: `SELECT 1 FROM jet_query WHERE tenant_id <= '` + ours + `'`, caught: true},
		{name: "beside an OR in the join", query: `SELECT 1 FROM jet_query q JOIN jet_user u ON q.tenant_id = '` + ours + `' OR true`, caught: true},
		{name: "an outer join for the side that is kept", query: `SELECT 1 FROM jet_query q LEFT JOIN jet_tenant t ON t.id = q.tenant_id AND q.tenant_id = '` + ours + `' AND t.id = '` + ours + `'`, caught: true},
		{name: "a right join for the side that is kept", query: `SELECT 1 FROM jet_user u RIGHT JOIN jet_query q ON q.tenant_id = '` + ours + `'`, caught: true},
		{name: "a full join", query: `SELECT 1 FROM jet_user u FULL OUTER JOIN jet_query q ON q.tenant_id = '` + ours + `'`, caught: true},
		{name: "a condition of the conflict", query: `INSERT INTO jet_owner (tenant_id, id) SELECT m.tenant_id, 1 FROM jet_member m WHERE true ON CONFLICT (id) WHERE tenant_id = '` + ours + `' DO NOTHING`, caught: true},

		// A table that nothing binds.
		{name: "twice the same", query: `SELECT 1 FROM jet_query q JOIN jet_datasource d ON d.id = q.datasource_id WHERE q.tenant_id = '` + ours + `' AND q.tenant_id = '` + ours + `'`, caught: true},
		{name: "a chain without a value", query: `SELECT 1 FROM jet_query q JOIN jet_datasource d ON d.tenant_id = q.tenant_id JOIN jet_run r ON r.tenant_id = d.tenant_id`, caught: true},
		{name: "one table under two names", query: `SELECT 1 FROM jet_run a JOIN jet_run b ON b.parent_run_id = a.id WHERE a.tenant_id = '` + ours + `'`, caught: true},
		{name: "the column of another source", query: `SELECT 1 FROM jet_query q, other o WHERE o.tenant_id = '` + ours + `'`, caught: true},
		{name: "nobody knows which", query: `SELECT 1 FROM jet_query q, jet_run r WHERE tenant_id = '` + ours + `'`, caught: true},
		{name: "a list of tables", query: `SELECT 1 FROM jet_query q, jet_run WHERE q.tenant_id = '` + ours + `'`, caught: true},
		{name: "bound in a query inside", query: `SELECT 1 FROM jet_query q WHERE EXISTS (SELECT 1 FROM jet_user WHERE q.tenant_id = '` + ours + `')`, caught: true},
		{name: "bound in a query inside that is negated", query: `SELECT 1 FROM jet_query q WHERE NOT EXISTS (SELECT 1 FROM jet_run r WHERE r.tenant_id = q.tenant_id AND r.tenant_id = '` + ours + `')`, caught: true},
		{name: "a query as a source that is open", query: `SELECT 1 FROM (SELECT * FROM jet_query) q WHERE q.tenant_id = '` + ours + `'`, caught: true},
		{name: "joined to what somebody gives", query: `SELECT 1 FROM (VALUES ('x')) AS v (tenant_id) JOIN jet_query q ON q.tenant_id = v.tenant_id`, caught: true},
		{name: "joined to another's constant", query: `SELECT 1 FROM (SELECT '` + foreign + `' AS tenant_id) v JOIN jet_query q ON q.tenant_id = v.tenant_id`, caught: true},
		{name: "joined to a column of the same name", query: `SELECT 1 FROM (SELECT name AS tenant_id FROM jet_query WHERE tenant_id = '` + ours + `') v JOIN jet_run r ON r.tenant_id = v.tenant_id`, caught: true},
		{name: "the second of a union", query: `SELECT id FROM jet_query WHERE tenant_id = '` + ours + `' UNION SELECT id FROM jet_run`, caught: true},
		{name: "columns of a union that change places", query: `SELECT 1 FROM (SELECT tenant_id, other FROM jet_query WHERE tenant_id = '` + ours + `' UNION SELECT other, tenant_id FROM jet_run WHERE tenant_id = '` + ours + `') v JOIN jet_run r ON r.tenant_id = v.tenant_id`, caught: true},
		{name: "joined in parentheses", query: `SELECT 1 FROM jet_query q JOIN (jet_run r JOIN jet_run_node n ON true) ON true WHERE q.tenant_id = '` + ours + `'`, caught: true},
		{name: "any tenant", query: `SELECT name FROM jet_tenant ORDER BY id`, caught: true},
		{name: "the id of something else", query: `SELECT 1 FROM jet_tenant t JOIN jet_user u ON u.id = '` + ours + `'`, caught: true},
		{name: "an update from an open table", query: `UPDATE jet_query SET name = d.name FROM jet_datasource d WHERE jet_query.tenant_id = '` + ours + `'`, caught: true},
		{name: "deleted by an open table", query: `DELETE FROM jet_query q USING jet_datasource d WHERE q.tenant_id = '` + ours + `' AND d.id = q.id`, caught: true},
		{name: "set from an open query", query: `UPDATE jet_query SET name = (SELECT name FROM jet_datasource LIMIT 1) WHERE tenant_id = '` + ours + `'`, caught: true},
		{name: "inserted by an expression", query: `INSERT INTO jet_query (tenant_id) VALUES (lower($1))`, args: []any{ours}, caught: true},
		{name: "inserted in another order", query: `INSERT INTO jet_owner (id, tenant_id) SELECT tenant_id, id FROM jet_member WHERE tenant_id = '` + ours + `'`, caught: true},
		{name: "inserted without a list", query: `INSERT INTO jet_query VALUES ('1', '` + ours + `')`, caught: true},
		{name: "inserted over another's row", query: `INSERT INTO jet_query (id, tenant_id) VALUES ('1', '` + ours + `') ON CONFLICT (id) DO UPDATE SET name = 'x'`, caught: true},
		{name: "replaced", query: `INSERT OR REPLACE INTO jet_query (id, tenant_id) VALUES ('1', '` + ours + `')`, caught: true},
		{name: "moved to another", query: `UPDATE jet_query SET tenant_id = '` + foreign + `' WHERE tenant_id = '` + ours + `'`, caught: true},

		// What the fence does not read.
		{name: "copied", query: `CREATE TABLE x AS SELECT * FROM jet_query`, caught: true},
		{name: "another statement", query: `TRUNCATE jet_query`, caught: true},
		{name: "the whole table", query: `TABLE jet_query`, caught: true},
		{name: "merged", query: `MERGE INTO jet_query q USING jet_run r ON q.tenant_id = '` + ours + `' WHEN MATCHED THEN DELETE`, caught: true},
		{name: "a comment in a comment", query: `SELECT 1 FROM jet_query /* /* */ WHERE tenant_id = '` + ours + `' -- */`, caught: true},
		{name: "a string with an escape", query: `SELECT 1 FROM jet_query WHERE name = E'\'' OR true --' AND tenant_id = '` + ours + `'`, caught: true},
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

// No text makes the fence panic, and none without its table is caught.
func FuzzFence(f *testing.F) {
	for _, seed := range []string{
		"SELECT 1 FROM jet_query q LEFT JOIN (SELECT * FROM jet_run) r ON (r.tenant_id = q.tenant_id) WHERE q.tenant_id IN ('x', $1)",
		"WITH RECURSIVE x (a, b) AS NOT MATERIALIZED (SELECT 1, tenant_id FROM jet_run UNION ALL SELECT * FROM x) DELETE FROM jet_query USING x WHERE CAST(b AS text) = tenant_id::text RETURNING x.*, jet_query.*",
		"INSERT INTO jet_query AS q (id, tenant_id) VALUES (1, '2'), (3) ON CONFLICT (tenant_id) DO UPDATE SET a = b WHERE q.tenant_id = excluded.tenant_id RETURNING 1 AS c",
		"INSERT INTO jet_query (", "SELECT DISTINCT ON (", "UPDATE jet_query SET", "((((", "))))", "/*", "$a$", "'", "WITH x (", "FROM , ,", "SELECT * FROM f(", "a IN (", "CAST(",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		st := scan(query)
		faults := newFence(nil).faults(st, "", nil)
		names := slices.ContainsFunc(st.tokens, func(tok token) bool {
			_, ours := tenantTables()[tok.text]
			return ours || tok.kind == text
		})
		if len(faults) > 0 && !names && len(st.comments) == 0 {
			t.Errorf("%q: %v", query, faults)
		}
	})
}

// global are the tables that belong to no tenant.
var global = map[string]string{
	"jet_duty":           "what one process does for all, by its name",
	"jet_keyring":        "the sealed keys of the installation",
	"jet_migrations":     "which migrations were done",
	"jet_password_reset": "of an account, which may be a member of many tenants",
	"jet_session":        "of an account",
	"jet_setup":          "the token of the first account",
	"jet_signin":         "a sign-in by an issuer that nobody has finished yet",
	"jet_user":           "accounts",
	"jet_worker":         "the processes that run workflows",
}

// A table of the schema is fenced, or it is global for a reason. A new one is in
// neither list and fails here until somebody has decided.
func TestFenceKnowsTheTables(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, db *store.DB) {
		tables, tenantTables := schemaOf(t, db), newFence(nil).tables
		if len(tables) < 20 {
			t.Fatalf("the schema has the tables %v", tables)
		}
		for name, columns := range tables {
			fenced, ours := tenantTables[name]
			kind, tenant := columns[tenantColumn]
			switch {
			case ours == (global[name] != ""):
				t.Errorf("%s: fenced %v, global %q: it must be one of both", name, ours, global[name])
			case tenant && !ours:
				t.Errorf("%s has a %s and is not fenced", name, tenantColumn)
			case ours && columns[fenced.key] == "":
				t.Errorf("%s has no column %q", name, fenced.key)
			case tenant && db.Dialect == store.PostgreSQL && fenced.mayBeEmpty != (kind == "text"):
				t.Errorf("%s: may belong to no tenant: %v, its column is %s", name, fenced.mayBeEmpty, kind)
			}
		}
		for name := range tenantTables {
			if tables[name] == nil {
				t.Errorf("%s is fenced and not there", name)
			}
		}
		for name := range global {
			if tables[name] == nil {
				t.Errorf("%s is global and not there", name)
			}
		}
	})
}

// schemaOf are the columns of all tables, with their types.
func schemaOf(t *testing.T, db *store.DB) map[string]map[string]string {
	t.Helper()
	query := "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = '" + db.Schema() + "'"
	if db.Dialect == store.SQLite {
		query = "SELECT m.name, c.name, lower(c.type) FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	tables := map[string]map[string]string{}
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			t.Fatal(err)
		}
		if tables[table] == nil {
			tables[table] = map[string]string{}
		}
		tables[table][column] = kind
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
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
