package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
)

// shape is what a database says about its tables, in words that both dialects
// share: a line for each column, key and index.
type shape []string

// diff lists what only one of two shapes has.
func (s shape) diff(other shape) []string {
	var out []string
	for _, line := range s {
		if !slices.Contains(other, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range other {
		if !slices.Contains(s, line) {
			out = append(out, "+ "+line)
		}
	}
	return out
}

func shapeOf(t *testing.T, db *store.DB) shape {
	t.Helper()
	query := postgresShape
	if db.Dialect == store.SQLite {
		query = sqliteShape
	}
	var lines []string
	if err := db.NewRaw(query, db.Schema()).Scan(t.Context(), &lines); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		lines[i] = common(line)
	}
	slices.Sort(lines)
	return lines
}

// common puts a line into words that both dialects share.
func common(line string) string {
	line = strings.ToLower(line)
	line = strings.NewReplacer(
		"timestamp with time zone", "time", "timestamptz", "time", "timestamp", "time",
		"bigint", "integer", "uuid", "text", "bytea", "bytes", "blob", "bytes",
		"::text", "", "false", "0", "(", "", ")", "",
	).Replace(line)
	return strings.TrimSpace(line)
}

const sqliteShape = `
WITH tables AS (SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name LIKE 'jet\_%' ESCAPE '\')
SELECT 'table ' || t.name FROM tables t WHERE ? <> ''
UNION ALL
SELECT 'column ' || t.name || '.' || c.name || ' ' || c.type || CASE WHEN c."notnull" OR c.pk THEN ' not null' ELSE ' null' END
	|| coalesce(' default ' || c.dflt_value, '')
FROM tables t, pragma_table_info(t.name) c
UNION ALL
SELECT 'key ' || t.name || ' ' || (SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(t.name) WHERE pk ORDER BY pk))
FROM tables t
UNION ALL
SELECT 'reference ' || t.name || ' ' || group_concat(f."from") || ' to ' || f."table" || ' ' || group_concat(f."to") || ' on delete ' || f.on_delete
FROM tables t, (SELECT * FROM tables x, pragma_foreign_key_list(x.name) ORDER BY seq) f WHERE f.name = t.name GROUP BY t.name, f.id
UNION ALL
SELECT 'index ' || i.name || ' ' || t.name || ' ' || (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
	|| CASE WHEN i."unique" THEN ' unique' ELSE '' END
	|| CASE WHEN i.partial THEN ' where ' || substr(s.sql, instr(s.sql, ' WHERE ') + 7) ELSE '' END
FROM tables t, pragma_index_list(t.name) i, sqlite_master s WHERE i.origin = 'c' AND s.name = i.name`

const postgresShape = `
WITH tables AS (SELECT c.oid, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r')
SELECT 'table ' || t.name FROM tables t
UNION ALL
SELECT 'column ' || t.name || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE ' null' END
	|| coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT 'key ' || t.name || ' ' || (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num)
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'p'
UNION ALL
SELECT 'reference ' || t.name || ' ' || (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num)
	|| ' to ' || f.relname || ' ' || (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num)
	|| ' on delete ' || CASE c.confdeltype WHEN 'c' THEN 'cascade' WHEN 'a' THEN 'no action' WHEN 'n' THEN 'set null' ELSE c.confdeltype::text END
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' JOIN pg_class f ON f.oid = c.confrelid
UNION ALL
SELECT 'index ' || x.relname || ' ' || t.name || ' ' || (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num)
	|| CASE WHEN i.indisunique THEN ' unique' ELSE '' END
	|| coalesce(' where ' || pg_get_expr(i.indpred, i.indrelid), '')
FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisprimary JOIN pg_class x ON x.oid = i.indexrelid`

// A table, column, key or index of one dialect exists in the other.
func TestDialectsHaveTheSameShape(t *testing.T) {
	t.Parallel()
	ours, theirs := sqlitePlace(t).open(t), postgresPlace(t).open(t)
	migrate(t, ours)
	migrate(t, theirs)
	sqlite, postgres := shapeOf(t, ours), shapeOf(t, theirs)
	if diff := sqlite.diff(postgres); len(diff) > 0 {
		t.Errorf("only SQLite has -, only PostgreSQL has +:\n%s", strings.Join(diff, "\n"))
	}
	kinds := map[string]int{}
	for _, line := range sqlite {
		kind, _, _ := strings.Cut(line, " ")
		kinds[kind]++
	}
	if got := slices.Sorted(maps.Keys(kinds)); fmt.Sprint(got) != "[column index key reference table]" {
		t.Errorf("the introspection sees only %v", got)
	}
}

// The names of SQLite are in one file with nothing in front of them: a statement
// must name the schema all the same, or it misses its table in PostgreSQL.
func TestMigrationsNameTheSchema(t *testing.T) {
	t.Parallel()
	for _, dialect := range []store.Dialect{store.SQLite, store.PostgreSQL} {
		steps, err := (&store.DB{Dialect: dialect}).Migrations()
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			for _, sql := range []string{step.Up, step.Down} {
				for line := range strings.Lines(sql) {
					if creates := strings.HasPrefix(line, "CREATE") || strings.HasPrefix(line, "DROP") || strings.HasPrefix(line, "ALTER"); creates && !strings.Contains(line, "?schema.") {
						t.Errorf("%s %03d: no ?schema in %q", dialect, step.Number, line)
					}
				}
			}
		}
	}
}

// Both dialects take the same steps.
func TestMigrationsHaveTheSameNames(t *testing.T) {
	t.Parallel()
	names := func(dialect store.Dialect) (out []string) {
		steps, err := (&store.DB{Dialect: dialect}).Migrations()
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			out = append(out, fmt.Sprintf("%03d_%s", step.Number, step.Name))
		}
		return out
	}
	if sqlite, postgres := names(store.SQLite), names(store.PostgreSQL); !slices.Equal(sqlite, postgres) || len(sqlite) == 0 {
		t.Errorf("sqlite has %v, postgres has %v", sqlite, postgres)
	}
}
