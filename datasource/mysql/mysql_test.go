package mysql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/mysql"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a database of the test's own in a real server.
type bundle struct {
	testdb.MySQLDatabase
	connector datasource.Connector
	settings  datasource.Settings
}

func setup(t testing.TB) bundle {
	t.Helper()
	b := bundle{MySQLDatabase: testdb.MySQL(t), connector: mysql.Connector()}
	for _, statement := range []string{
		"CREATE TABLE canary (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL UNIQUE)",
		"INSERT INTO canary (name) VALUES ('alive')",
		"CREATE TABLE child (a int, b int, parent bigint unsigned NOT NULL, PRIMARY KEY (a, b), CONSTRAINT up FOREIGN KEY (parent) REFERENCES canary (id))",
		"CREATE VIEW names AS SELECT name FROM canary",
		"CREATE SEQUENCE numbers",
		"CREATE PROCEDURE evil() BEGIN COMMIT; DELETE FROM canary; COMMIT; END",
		"CREATE PROCEDURE lists() BEGIN SELECT 1 AS one; SELECT 2 AS two; END",
		"CREATE FUNCTION remover() RETURNS int BEGIN DELETE FROM canary; RETURN 1; END",
	} {
		b.exec(t, statement)
	}
	port, err := strconv.ParseInt(b.Port, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	b.settings = datasource.Settings{
		Values: map[string]any{
			"host": b.Host, "port": port, "database": b.Name, "user": b.User, "sslmode": "disable", "timezone": "+00:00", "charset": "utf8mb4",
		},
		Secrets: map[string]secret.Text{"password": secret.NewText(b.Password)},
		Egress:  loopback(),
	}
	return b
}

func loopback() egress.Policy {
	return egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

// exec runs a statement in the database of the test, around the connector.
func (b bundle) exec(t testing.TB, statement string) {
	t.Helper()
	conn, err := b.Admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{"USE " + b.Name, statement} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// one reads one value, around the connector.
func (b bundle) one(t testing.TB, query string, args ...any) (value string) {
	t.Helper()
	if err := b.Admin.QueryRowContext(t.Context(), strings.ReplaceAll(query, "DB.", b.Name+"."), args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func (b bundle) with(values map[string]any) datasource.Settings {
	s := b.settings
	s.Values = map[string]any{}
	for name, value := range b.settings.Values {
		s.Values[name] = value
	}
	for name, value := range values {
		s.Values[name] = value
	}
	return s
}

// account makes a user of the test's own with the given rights.
func (b bundle) account(t testing.TB, grants ...string) datasource.Settings {
	t.Helper()
	name := strings.TrimPrefix(b.Name, "jetadmin_")
	b.exec(t, "CREATE USER '"+name+"'@'%' IDENTIFIED BY 'account-canary'")
	t.Cleanup(func() {
		if _, err := b.Admin.ExecContext(context.Background(), "DROP USER '"+name+"'@'%'"); err != nil {
			t.Error(err)
		}
	})
	for _, grant := range grants {
		b.exec(t, "GRANT "+grant+" TO '"+name+"'@'%'")
	}
	s := b.with(map[string]any{"user": name})
	s.Secrets = map[string]secret.Text{"password": secret.NewText("account-canary")}
	return s
}

func text(s string) json.RawMessage {
	out, _ := json.Marshal(map[string]string{"text": s})
	return out
}

func open(t testing.TB, s datasource.Settings) datasource.Conn {
	t.Helper()
	conn, err := mysql.Connector().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

type runner func(context.Context, datasource.Statement) (datasource.Rows, error)

func run(t testing.TB, do runner, statement string, params map[string]any) ([][]any, error) {
	t.Helper()
	op, err := mysql.Connector().Parse(text(statement))
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

func query(t testing.TB, conn datasource.Conn, statement string, params map[string]any) [][]any {
	t.Helper()
	rows, err := run(t, conn.Query, statement, params)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return rows
}

func echo(kind datasource.ParamType) json.RawMessage {
	switch kind {
	case datasource.ParamDate:
		return text("SELECT CAST({{ v }} AS DATE)")
	case datasource.ParamTimestamp:
		return text("SELECT CAST({{ v }} AS DATETIME(6))")
	}
	return text("SELECT {{ v }}")
}

// harmful are statements of T86; none may run in a query that does not write.
func (b bundle) harmful() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for _, statement := range []string{
		"DELETE FROM canary", "UPDATE canary SET name = 'x'", "REPLACE INTO canary (name) VALUES ('alive')",
		"INSERT INTO canary (name) VALUES ('x') RETURNING id", "DELETE FROM canary RETURNING id",
		"SELECT 1; DELETE FROM canary", "SELECT 1; COMMIT; DELETE FROM canary", "/* x */ DELETE FROM canary", "/*!50000 DELETE FROM canary */",
		"SELECT 1 /*!50000 ; DELETE FROM canary */", "/*! */ DELETE FROM canary", "(SELECT 1) ; -- \nDELETE FROM canary", "\u00a0DELETE FROM canary",
		"COMMIT", "ROLLBACK", "BEGIN", "START TRANSACTION READ WRITE", "SET autocommit = 0", "SET TRANSACTION READ WRITE", "SET SESSION TRANSACTION READ WRITE",
		"BEGIN NOT ATOMIC COMMIT; DELETE FROM canary; END", "BEGIN NOT ATOMIC SELECT 1; COMMIT; DELETE FROM canary; END",
		"IF 1 THEN COMMIT; DELETE FROM canary; END IF", "FOR i IN 1..2 DO DELETE FROM canary; COMMIT; END FOR",
		"CALL evil()", "CALL lists()", "SELECT remover()", "DO remover()", "EXECUTE IMMEDIATE 'CALL evil()'", "EXECUTE IMMEDIATE 'SELECT 1'",
		"SELECT 1) q; CALL evil(); SELECT (1", "SELECT 1) q INTO OUTFILE '" + b.file() + "' -- ",
		"EXPLAIN DELETE FROM canary", "ANALYZE DELETE FROM canary", "ANALYZE FORMAT=JSON DELETE FROM canary", "EXPLAIN FORMAT=JSON DELETE FROM canary",
		"SELECT 1 INTO OUTFILE '" + b.file() + "'", "SELECT 1 INTO DUMPFILE '" + b.file() + "'", "SELECT 1 INTO @a", "SELECT * INTO OUTFILE '" + b.file() + "' FROM canary",
		"(SELECT 1) INTO OUTFILE '" + b.file() + "'", "EXPLAIN SELECT 1 INTO OUTFILE '" + b.file() + "'", "WITH a AS (SELECT 1) SELECT * FROM a INTO OUTFILE '" + b.file() + "'",
		"LOAD DATA INFILE '/etc/passwd' INTO TABLE canary (name)", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE canary (name)",
		"SELECT NEXTVAL(numbers)", "SELECT SETVAL(numbers, 100)", "SELECT * FROM canary FOR UPDATE", "SELECT * FROM canary LOCK IN SHARE MODE INTO @a",
		"CREATE TABLE canary_copy AS SELECT * FROM canary", "CREATE TEMPORARY TABLE t AS SELECT 1", "DROP TABLE canary", "TRUNCATE canary", "ALTER TABLE canary ADD x int",
		"RENAME TABLE canary TO gone", "OPTIMIZE TABLE canary", "ANALYZE TABLE canary", "CHECK TABLE canary", "REPAIR TABLE canary", "FLUSH TABLES", "FLUSH PRIVILEGES",
		"LOCK TABLES canary WRITE", "UNLOCK TABLES", "HANDLER canary OPEN", "USE mysql", "SET GLOBAL max_connections = 10", "SET @a = 1", "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
		"PREPARE p FROM 'DELETE FROM canary'", "EXECUTE p", "DEALLOCATE PREPARE p", "KILL 1", "SHUTDOWN", "GRANT ALL ON *.* TO nobody", "CREATE USER nobody", "INSTALL SONAME 'x'",
		"XA START 'x'", "SAVEPOINT a", "DO SLEEP(0)", "SIGNAL SQLSTATE '45000'", "BINLOG 'x'", "PURGE BINARY LOGS TO 'x'", "RESET QUERY CACHE", "BACKUP STAGE START", "HELP 'x'",
	} {
		all[statement] = text(statement)
	}
	return all
}

// file is where a statement of the test could write one.
func (b bundle) file() string { return "../" + b.Name + ".out" }

// state is all that a harmful statement could change.
func (b bundle) state(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(
		b.one(t, "SELECT GROUP_CONCAT(id, name ORDER BY id) FROM DB.canary"),
		b.one(t, "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = ?", b.Name),
		b.one(t, "SELECT next_not_cached_value FROM DB.numbers"),
		b.one(t, "SELECT LOAD_FILE(CONCAT(@@datadir, ?)) IS NULL", b.file()),
		b.one(t, "SELECT COUNT(*) FROM mysql.user WHERE user = 'nobody'"),
		b.one(t, "SELECT @@global.max_connections"),
		b.one(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Query' AND info LIKE 'LOCK%'"),
	)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	connectortest.Run(t, b.connector, b.settings, connectortest.Fixtures{
		Echo:     echo,
		EchoList: text("SELECT JSON_ARRAY({{ v }})"),
		Many:     text("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_50000"),
		Wide:     text("SELECT " + numbers(1000)),
		Large:    text("SELECT REPEAT('x', 1048576)"),
		Slow:     text("SELECT SLEEP(120), '" + b.Name + "'"),
		Running: func(t *testing.T) int {
			n, err := strconv.Atoi(b.one(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE ?", "%SLEEP(120)%"+b.Name+"%"))
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Refused: text("SELECT * FROM nowhere"),
		Write:   text("INSERT INTO canary (name) VALUES ('written') RETURNING id"),
		Harmful: b.harmful(),
		State:   b.state,
		Unreachable: map[string]datasource.Settings{
			"no such host":     b.with(map[string]any{"host": "nowhere.invalid"}),
			"no such database": b.with(map[string]any{"database": "nowhere"}),
			"no such user":     b.with(map[string]any{"user": "nobody"}),
			"closed port":      b.with(map[string]any{"port": int64(1)}),
			"unknown CA":       b.with(map[string]any{"sslmode": "verify-full"}),
			"refused address":  b.with(map[string]any{"host": "169.254.169.254"}),
			"unknown zone":     b.with(map[string]any{"timezone": "Europe/Berlin"}), // the private server has no tables of zones
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
