package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/postgres"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a schema of the test's own in a real server.
type bundle struct {
	schema    string
	direct    *pgx.Conn // around the connector
	connector datasource.Connector
	settings  datasource.Settings
}

func setup(t testing.TB) bundle {
	t.Helper()
	dsn, schema := testdb.PostgresSchema(t)
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	b := bundle{schema: schema, connector: postgres.Connector(postgres.Config{})}
	if b.direct, err = pgx.ConnectConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.direct.Close(context.Background()) })
	b.exec(t, `CREATE TABLE %[1]s.canary (id serial PRIMARY KEY, name text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO %[1]s.canary (name) VALUES ('alive');
		CREATE TABLE %[1]s.child (id int PRIMARY KEY, parent int NOT NULL REFERENCES %[1]s.canary (id));
		CREATE VIEW %[1]s.names AS SELECT name FROM %[1]s.canary`)
	password := cfg.Password
	if password == "" {
		password = "canary-password" // for a server that does not ask for one
	}
	b.settings = datasource.Settings{
		Values: map[string]any{
			"host": cfg.Host, "port": int64(cfg.Port), "database": cfg.Database, "user": cfg.User, "sslmode": "disable",
		},
		Secrets: map[string]secret.Text{"password": secret.NewText(password)},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
	}
	return b
}

func (b bundle) exec(t testing.TB, format string) {
	t.Helper()
	if _, err := b.direct.Exec(t.Context(), fmt.Sprintf(format, b.schema)); err != nil {
		t.Fatal(err)
	}
}

func (b bundle) text(s string) json.RawMessage {
	out, _ := json.Marshal(map[string]string{"text": strings.ReplaceAll(s, "canary", b.schema+".canary")})
	return out
}

func (b bundle) with(field string, v any) datasource.Settings {
	s := b.settings
	s.Values = map[string]any{}
	for name, value := range b.settings.Values {
		s.Values[name] = value
	}
	s.Values[field] = v
	return s
}

var casts = map[datasource.ParamType]string{
	datasource.ParamString: "text", datasource.ParamInteger: "bigint", datasource.ParamNumber: "numeric", datasource.ParamBoolean: "boolean",
	datasource.ParamDate: "date", datasource.ParamTimestamp: "timestamptz", datasource.ParamUUID: "uuid", datasource.ParamJSON: "jsonb",
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	harmful := map[string]json.RawMessage{}
	for _, statement := range []string{
		"DELETE FROM canary",
		"INSERT INTO canary (name) VALUES ('x') RETURNING id",
		"SELECT 1; DELETE FROM canary",
		"SELECT 1; COMMIT; DELETE FROM canary",
		"COMMIT", "ROLLBACK", "BEGIN", "END; DELETE FROM canary",
		"WITH gone AS (DELETE FROM canary RETURNING id) SELECT * FROM gone",
		"EXPLAIN ANALYZE DELETE FROM canary",
		"COPY canary TO PROGRAM 'cat > /tmp/jetadmin-canary'",
		"COPY canary TO '/tmp/jetadmin-canary'",
		"COPY canary FROM PROGRAM 'echo 5'",
		"COPY canary TO STDOUT",
		"DO $$ BEGIN DELETE FROM canary; END $$",
		"SELECT * INTO canary_copy FROM canary",
		"CREATE TABLE canary_more (id int)",
		"CREATE TEMP TABLE more AS SELECT 1",
		"DROP TABLE canary", "TRUNCATE canary", "VACUUM canary", "ANALYZE canary",
		"SELECT nextval('canary_id_seq')",
		"SELECT setval('canary_id_seq', 100)",
		"SELECT * FROM canary FOR UPDATE",
		"SET default_transaction_read_only = off", "SET TRANSACTION READ WRITE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
		"RESET ALL", "DISCARD PLANS", "DEALLOCATE ALL", "PREPARE p AS DELETE FROM canary", "LISTEN x", "NOTIFY x", "LOCK canary",
		"CALL nothing()", "DECLARE c CURSOR FOR SELECT 1",
	} {
		harmful[statement] = b.text(statement)
	}
	connectortest.Run(t, b.connector, b.settings, connectortest.Fixtures{
		Echo: func(kind datasource.ParamType) json.RawMessage {
			return b.text("SELECT {{ v }}::" + casts[kind])
		},
		EchoList: b.text("SELECT ARRAY[{{ v }}]::text[]"),
		Many:     b.text("SELECT n, repeat('x', 1000) FROM generate_series(1, 50000) n"),
		Wide:     b.text("SELECT " + numbers(1000)),
		Large:    b.text("SELECT repeat('x', 1048576)"),
		Slow:     b.text("SELECT pg_sleep(120), '" + b.schema + "'"),
		Running: func(t *testing.T) int {
			var n int
			err := b.direct.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1", "%pg_sleep(120)%"+b.schema+"%").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Refused: b.text("SELECT * FROM nowhere"),
		Write:   b.text("INSERT INTO canary (name) VALUES ('written') RETURNING id"),
		Harmful: harmful,
		State: func(t *testing.T) string {
			var state string
			err := b.direct.QueryRow(t.Context(), fmt.Sprintf(`SELECT concat(
				(SELECT string_agg(name, ',') FROM %[1]s.canary), (SELECT last_value FROM %[1]s.canary_id_seq),
				(SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = '%[1]s'::regnamespace))`, b.schema)).Scan(&state)
			if err != nil {
				t.Fatal(err)
			}
			return state
		},
		Unreachable: map[string]datasource.Settings{
			"no such host":     b.with("host", "nowhere.invalid"),
			"no such database": b.with("database", "nowhere"),
			"closed port":      b.with("port", int64(1)),
			"no TLS there":     b.with("sslmode", "require"),
			"refused address":  b.with("host", "169.254.169.254"),
		},
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

// Case T81: nothing but one plain host name passes, and the field allow-list
// lets in nothing that a DSN could carry.
func TestT81_SettingsAreNoDSN(t *testing.T) {
	t.Parallel()
	connector := postgres.Connector(postgres.Config{})
	checker := connector.(datasource.SettingsChecker)
	for _, host := range []string{
		"/var/run/postgresql", "@abstract", "a,b", "a b", "a?sslmode=disable", "a;b", "a&b", "a\nb", "a=b", "a'b", "host=x", "[::1]", "a/b", "", "-x", "..",
	} {
		err := checker.CheckSettings(datasource.Settings{Values: map[string]any{"host": host}})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("the host %q passes", host)
		}
	}
	for _, host := range []string{"db", "db-1.example.com", "10.0.0.1", "::1", "2001:db8::1"} {
		if err := checker.CheckSettings(datasource.Settings{Values: map[string]any{"host": host}}); err != nil {
			t.Errorf("the host %q is refused", host)
		}
	}
	for _, f := range connector.Spec().Fields {
		switch f.Name {
		case "host", "port", "database", "user", "password", "sslmode", "ca":
		default:
			t.Errorf("%q can be set", f.Name)
		}
	}
}

// The other fields go to the server as values, whatever they hold, and nothing
// of the environment gets into a connection.
func TestT81_ValuesAndEnvironmentAreNotOptions(t *testing.T) {
	b := setup(t)
	for name, value := range map[string]string{
		"PGHOST": "/nowhere", "PGPORT": "1", "PGDATABASE": "nowhere", "PGUSER": "nobody", "PGPASSWORD": "canary", "PGPASSFILE": "/nowhere",
		"PGOPTIONS": "-c work_mem=12345", "PGTZ": "Asia/Tokyo", "PGAPPNAME": "canary", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere",
		"PGSSLCERT": "/nowhere", "PGSSLKEY": "/nowhere", "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "x", "PGREQUIREAUTH": "none",
	} {
		t.Setenv(name, value)
	}
	conn := open(t, b, b.settings)
	rows := query(t, b, conn, "SELECT current_setting('application_name'), current_setting('TimeZone'), current_setting('work_mem')", nil)
	if got := fmt.Sprint(rows[0]); strings.Contains(got, "canary") || strings.Contains(got, "Tokyo") || strings.Contains(got, "12345") {
		t.Errorf("the session is %s", got)
	}
	for _, value := range []string{"nowhere options=-c work_mem=12345", "nowhere' sslmode='x", "postgres://other/db", "a?host=/tmp"} {
		conn, err := b.connector.Open(t.Context(), b.with("database", value))
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Ping(t.Context())
		_ = conn.Close()
		if !problem.Is(err, problem.Upstream) {
			t.Errorf("database %q: %v", value, err)
		}
	}
}

func TestT86_AnAccountWithoutRightsStaysWithoutThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := b.schema + "_reader"
	b.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA %[1]s TO "+role+"; GRANT SELECT ON %[1]s.canary TO "+role)
	t.Cleanup(func() {
		_, err := b.direct.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
		if err != nil {
			t.Error(err)
		}
	})
	settings := b.with("user", role)
	settings.Secrets = map[string]secret.Text{"password": secret.NewText("reader")}
	conn := open(t, b, settings)
	query(t, b, conn, "SELECT * FROM canary", nil)
	for _, statement := range []string{
		"SELECT pg_read_file('/etc/passwd')", "SELECT lo_import('/etc/passwd')", "SELECT pg_ls_dir('/')",
		"SELECT * FROM pg_authid", "SELECT dblink('x', 'y')", "SELECT * FROM pg_read_binary_file('/etc/passwd')",
	} {
		if _, err := run(t, b, conn.Query, statement, nil); err == nil {
			t.Errorf("%s was not refused", statement)
		}
	}
}

func TestValuesKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b, b.settings)
	got := query(t, b, conn, `SELECT 9223372036854775807::bigint, 1.10::numeric(10,2), 'NaN'::numeric, 'NaN'::float8, '-Infinity'::float4,
		'2024-02-29'::date, '2024-02-29 12:00:00.123456+02'::timestamptz, '2024-02-29 12:00:00'::timestamp, 'infinity'::timestamptz,
		'\x00ff'::bytea, '{"a": 1}'::jsonb, NULL::int, true, ARRAY[[1,2],[3,NULL]]::int[], '{a,"b,c"}'::text[], '1 day 02:00'::interval`, nil)[0]
	want := []string{
		"int64 9223372036854775807", "datasource.Decimal 1.10", "datasource.Decimal NaN", "float64 NaN", "float64 -Inf",
		"datasource.Date 2024-02-29", "time.Time 2024-02-29 10:00:00.123456 +0000 UTC", "time.Time 2024-02-29 12:00:00 +0000 UTC", "string infinity",
		"[]uint8 [0 255]", `datasource.JSON {"a": 1}`, "<nil> <nil>", "bool true", "[]interface {} [[1 2] [3 <nil>]]", "[]interface {} [a b,c]", "string P1DT2H",
	}
	for i := range want {
		if text := fmt.Sprintf("%T %v", got[i], got[i]); text != want[i] {
			t.Errorf("column %d: got %s, want %s", i, text, want[i])
		}
	}
}

// What a statement does to its session is not there for the next one.
func TestSessionsAreCleanForTheNextStatement(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b, b.settings)
	exec := conn.(datasource.Execer).Exec
	for _, statement := range []string{
		"SET work_mem = '64kB'", "SELECT set_config('work_mem', '64kB', false)", "SELECT pg_advisory_lock(42)", "BEGIN", "COMMIT", "ROLLBACK",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "PREPARE p AS SELECT 1", "LISTEN x", "CREATE TEMP TABLE left_over AS SELECT 1",
		"SELECT set_config('role', 'pg_read_all_stats', false)",
	} {
		if _, err := run(t, b, exec, statement, nil); err != nil && !strings.HasPrefix(statement, "BEGIN") {
			t.Errorf("%s: %v", statement, err)
		}
		for range 5 { // each connection of the pool
			got := query(t, b, conn, `SELECT current_setting('work_mem') = '64kB', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
				(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels()), current_setting('transaction_read_only'),
				current_user = session_user, to_regclass('pg_temp.left_over') IS NULL`, nil)[0]
			if text := fmt.Sprint(got); text != "[false 0 0 0 on true true]" {
				t.Errorf("after %s the session is %s", statement, text)
			}
		}
	}
}

func TestACommitThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b, b.settings)
	_, err := run(t, b, conn.(datasource.Execer).Exec, "INSERT INTO canary (name) VALUES ('alive')", nil)
	refusal, ok := err.(*datasource.StatementError)
	if !ok || refusal.Code != "23505" {
		t.Errorf("got %v", err)
	}
}

func TestErrorsPointIntoTheAuthorsText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b, b.settings)
	source := "SELECT 'ä', {{ ids }}, nothing"
	op, err := b.connector.Parse(b.text(source))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Query(t.Context(), datasource.Statement{Operation: op, Params: map[string]any{"ids": []any{"1", "2", "3"}}, MaxRows: 1, MaxBytes: 1 << 20})
	refusal, ok := err.(*datasource.StatementError)
	if !ok || refusal.Position != strings.Index(source, "nothing") || refusal.Code != "42703" {
		t.Errorf("got %#v", err)
	}
}

func TestIntrospectTellsKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	schema, err := open(t, b, b.settings).(datasource.Introspector).Introspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]datasource.Table{}
	for _, table := range schema.Tables {
		if table.Schema == b.schema {
			found[table.Name] = table
		}
	}
	child := found["child"]
	if len(child.Columns) != 2 || !child.Columns[0].PrimaryKey || child.Columns[0].Nullable || child.Columns[0].Type != "integer" {
		t.Errorf("child is %+v", child)
	}
	if len(child.ForeignKeys) != 1 || child.ForeignKeys[0].Table != "canary" || fmt.Sprint(child.ForeignKeys[0].Columns, child.ForeignKeys[0].References) != "[parent] [id]" {
		t.Errorf("keys are %+v", child.ForeignKeys)
	}
	if found["names"].Kind != "view" {
		t.Errorf("names is %+v", found["names"])
	}
}

func open(t testing.TB, b bundle, settings datasource.Settings) datasource.Conn {
	t.Helper()
	conn, err := b.connector.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

type runner func(context.Context, datasource.Statement) (datasource.Rows, error)

func run(t testing.TB, b bundle, do runner, statement string, params map[string]any) ([][]any, error) {
	t.Helper()
	op, err := b.connector.Parse(b.text(statement))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := do(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 100, MaxBytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]any
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, slices.Clone(row))
	}
}

func query(t testing.TB, b bundle, conn datasource.Conn, statement string, params map[string]any) [][]any {
	t.Helper()
	rows, err := run(t, b, conn.Query, statement, params)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return rows
}

// BenchmarkQuery compares a read-only query with the bare call of the driver.
func BenchmarkQuery(bench *testing.B) {
	b := setup(bench)
	bench.Run("connector", func(bench *testing.B) {
		conn := open(bench, b, b.settings)
		op, err := b.connector.Parse(b.text("SELECT id, name FROM canary WHERE id = {{ id }}"))
		if err != nil {
			bench.Fatal(err)
		}
		st := datasource.Statement{Operation: op, Params: map[string]any{"id": int64(1)}, MaxRows: 100, MaxBytes: 1 << 20}
		for bench.Loop() {
			rows, err := conn.Query(bench.Context(), st)
			if err != nil {
				bench.Fatal(err)
			}
			for err == nil {
				_, err = rows.Next()
			}
			_ = rows.Close()
		}
	})
	bench.Run("pgx", func(bench *testing.B) {
		for bench.Loop() {
			var id int
			var name string
			if err := b.direct.QueryRow(bench.Context(), "SELECT id, name FROM "+b.schema+".canary WHERE id = $1", 1).Scan(&id, &name); err != nil {
				bench.Fatal(err)
			}
		}
	})
}

// T92: a destination that is allowed by its name is also told to stop.
func TestT92_AHostAllowedByNameCanBeTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	host, port := b.settings.String("host"), strconv.FormatInt(b.settings.Int("port"), 10)
	if _, err := netip.ParseAddr(host); err == nil {
		host = "localhost"
	}
	settings := b.with("host", host)
	settings.Egress = egress.Policy{AllowHosts: []string{net.JoinHostPort(host, port)}}
	conn := open(t, b, settings)
	pid := query(t, b, conn, "SELECT pg_backend_pid()", nil)[0][0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	op, err := b.connector.Parse(b.text("SELECT pg_sleep(60)"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		rows, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20})
		if err == nil {
			_, err = rows.Next()
			_ = rows.Close()
		}
		ended <- err
	}()
	sleeping := func() (n int) {
		if err := b.direct.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE 'SELECT pg_sleep%'", pid).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, "the statement runs", func() bool { return sleeping() == 1 })
	cancel()
	if err := <-ended; err == nil {
		t.Error("a statement that was cancelled succeeded")
	}
	await(t, "the statement ends in the server", func() bool { return sleeping() == 0 })
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("in vain: ", what)
		case <-tick.C:
		}
	}
}
