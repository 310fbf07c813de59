package sqlite_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/sqlite"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "0190163d-8694-739b-aea5-966c26f8ad90"

const schema = `
CREATE TABLE canary (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO canary VALUES (1, 'alive');
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES canary (id), kind TEXT);
CREATE INDEX child_kind ON child (kind);
CREATE VIEW names AS SELECT name FROM canary;`

// bundle is a folder with one database of one tenant.
type bundle struct {
	root, file string
	direct     *sql.DB // around the connector
	connector  datasource.Connector
	settings   datasource.Settings
}

func setup(t testing.TB) bundle {
	t.Helper()
	b := bundle{root: t.TempDir()}
	b.file = filepath.Join(b.root, tenant, "shop.db")
	if err := os.Mkdir(filepath.Dir(b.file), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.direct, err = sql.Open("sqlite", "file:"+b.file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.direct.Close() })
	if _, err := b.direct.Exec(schema); err != nil {
		t.Fatal(err)
	}
	b.connector = sqlite.Connector(sqlite.Config{Root: b.root})
	b.settings = datasource.Settings{TenantID: tenant, Values: map[string]any{"file": "shop.db"}}
	return b
}

func text(s string) json.RawMessage {
	b, _ := json.Marshal(map[string]string{"text": s})
	return b
}

func (b bundle) with(file string) datasource.Settings {
	s := b.settings
	s.Values = map[string]any{"file": file}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	harmful := map[string]json.RawMessage{}
	for _, statement := range []string{
		"DELETE FROM canary",
		"INSERT INTO canary VALUES (2, 'x') RETURNING id",
		"UPDATE canary SET name = 'x'",
		"SELECT 1; DELETE FROM canary",
		"DROP TABLE canary",
		"CREATE TABLE more (id)",
		"CREATE TEMP TABLE more (id)",
		"BEGIN", "SAVEPOINT x", "COMMIT",
		"ATTACH '" + filepath.Join(b.root, "other.db") + "' AS other",
		"ATTACH ':memory:' AS other",
		"DETACH main",
		"VACUUM", "VACUUM INTO '" + filepath.Join(b.root, "copy.db") + "'",
		"SELECT load_extension('/tmp/x.so')",
		"PRAGMA journal_mode = DELETE", "PRAGMA query_only = 0", "PRAGMA database_list", "PRAGMA writable_schema = 1",
		"SELECT * FROM pragma_database_list", "SELECT * FROM pragma_query_only",
		"REINDEX", "ANALYZE",
		"CREATE VIRTUAL TABLE temp.v USING fts5(x)",
	} {
		harmful[statement] = text(statement)
	}
	connectortest.Run(t, b.connector, b.settings, connectortest.Fixtures{
		Echo:     func(datasource.ParamType) json.RawMessage { return text("SELECT {{ v }}") },
		EchoList: text("SELECT json_array({{ v }})"),
		Many:     text("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 6000) SELECT n, 'row ' || n FROM c"),
		Wide:     text("SELECT " + numbers(1000)),
		Large:    text("SELECT printf('%.*c', 1048576, 'x')"),
		Slow:     text("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"),
		Refused:  text("SELECT * FROM nowhere"),
		Write:    text("INSERT INTO canary (name) VALUES ('written') RETURNING id"),
		Harmful:  harmful,
		State: func(t *testing.T) string {
			var state string
			err := b.direct.QueryRow("SELECT (SELECT group_concat(name) FROM canary) || (SELECT group_concat(name) FROM sqlite_schema)").Scan(&state)
			files, _ := filepath.Glob(filepath.Join(b.root, "*"))
			return fmt.Sprint(state, err, files)
		},
		Unreachable: map[string]datasource.Settings{"no such file": b.with("missing.db")},
	})
}

// numbers are n columns.
func numbers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%d AS c%d", i, i)
	}
	return strings.Join(list, ", ")
}

func TestT82_OnlyFilesBelowTheTenantsFolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	outside := filepath.Join(t.TempDir(), "outside.db")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(b.root, "other")
	if err := errors.Join(os.Mkdir(other, 0o700), os.WriteFile(filepath.Join(other, "theirs.db"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	home := filepath.Dir(b.file)
	links := map[string]string{"absolute": outside, "relative": "../other/theirs.db", "folder": "../other", "inside": "shop.db"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{
		outside, "../other/theirs.db", "x/../../other/theirs.db", "..", "absolute", "relative", "folder/theirs.db",
		"/etc/passwd", "", ".", "file:shop.db?mode=rwc", ":memory:", "shop.db?mode=rwc", "shop.db\x00",
	} {
		checker := b.connector.(datasource.SettingsChecker)
		conn, err := b.connector.Open(t.Context(), b.with(file))
		if err == nil {
			_ = conn.Close()
			t.Errorf("%q was opened", file)
		}
		if filepath.IsLocal(file) && !strings.Contains(file, "/") && links[file] == "" {
			continue // a name that no file has: told when it is opened
		}
		if !problem.Is(checker.CheckSettings(b.with(file)), problem.Invalid) {
			t.Errorf("%q passes as a setting", file)
		}
	}
	conn, err := b.connector.Open(t.Context(), b.with("inside"))
	if err != nil {
		t.Fatalf("a link that stays inside: %v", err)
	}
	defer conn.Close()
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	none := sqlite.Connector(sqlite.Config{})
	if _, err := none.Open(t.Context(), b.settings); err == nil {
		t.Error("a file was opened without a root")
	}
}

func TestExecIsConfinedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b)
	for _, statement := range []string{
		"ATTACH ':memory:' AS x", "VACUUM INTO '" + filepath.Join(b.root, "copy.db") + "'", "VACUUM", "BEGIN", "COMMIT", "SAVEPOINT x",
		"PRAGMA journal_mode = DELETE", "SELECT load_extension('/x')", "CREATE VIRTUAL TABLE v USING fts5(x)",
	} {
		op, err := b.connector.Parse(text(statement))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20})
		if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(b.root, "*.db")); len(files) > 0 {
		t.Errorf("files were made: %v", files)
	}
}

func TestExecCountsWhatItChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b)
	for _, c := range []struct {
		statement string
		affected  int64
	}{
		{"INSERT INTO canary (name) VALUES ('a'), ('b')", 2},
		{"UPDATE canary SET name = 'c' WHERE name = 'nobody'", 0},
		{"SELECT 1", 0},
		{"DELETE FROM canary", 3},
	} {
		op, err := b.connector.Parse(text(c.statement))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if got := rows.(datasource.Counter).Affected(); got != c.affected {
			t.Errorf("%s: %d rows, want %d", c.statement, got, c.affected)
		}
	}
}

func open(t testing.TB, b bundle) datasource.Conn {
	t.Helper()
	conn, err := b.connector.Open(t.Context(), b.settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
