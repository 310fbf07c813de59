package mysql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

func TestValuesKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `CREATE TABLE kinds (a tinyint, b bigint, c bigint unsigned, d decimal(65,30), e float, f double, g bit(1), h bit(64), i date, j datetime(6), k timestamp(6),
		l time(3), m year, n char(3), o varbinary(8), p text, q longblob, r enum('x','y'), s set('x','y'), t json, u geometry, v date, w datetime, x date, y tinyint(1), z int)`)
	b.exec(t, "SET STATEMENT sql_mode='', time_zone='+00:00' FOR "+`INSERT INTO kinds VALUES (-128, -9223372036854775808, 18446744073709551615, '12345678901234567890123456789012345.123456789012345678901234567891', 0.1, 1e300, b'1', 0xFFFFFFFFFFFFFFFF,
		'2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 12:00:00.000001', '-838:59:59.5', 2155, 'ä€', 0x00FF, '漢字😀', 0x00, 'y', 'x,y', '{"a": 1}', ST_GeomFromText('POINT(1 2)'),
		'0000-00-00', '0000-00-00 00:00:00', '2024-00-00', 1, NULL)`)
	want := []string{
		"integer int64 -128", "integer int64 -9223372036854775808", "integer uint64 18446744073709551615", "decimal datasource.Decimal 12345678901234567890123456789012345.123456789012345678901234567891",
		"number float64 0.1", "number float64 1e+300", "integer uint64 1", "integer uint64 18446744073709551615",
		"date datasource.Date 2024-02-29", "timestamp time.Time 2024-02-29 23:59:59.123456 +0000 UTC", "timestamp time.Time 2024-02-29 12:00:00.000001 +0000 UTC",
		"string string -838:59:59.500", "integer int64 2155", "string string ä€", "bytes []uint8 [0 255]", "string string 漢字😀", "bytes []uint8 [0]", "string string y", "string string x,y",
		`string string {"a": 1}`, "bytes []uint8 [0 0 0 0 1 1 0 0 0 0 0 0 0 0 0 240 63 0 0 0 0 0 0 0 64]",
		"date string 0000-00-00", "timestamp string 0000-00-00 00:00:00", "date string 2024-00-00", "integer int64 1", "integer <nil> <nil>",
	}
	conn := open(t, b.settings)
	op, err := b.connector.Parse(text("SELECT * FROM kinds"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, MaxRows: 10, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	row, err := rows.Next()
	if err != nil || len(row) != len(want) {
		t.Fatalf("%d values, %v", len(row), err)
	}
	for i, column := range rows.Columns() {
		if got := fmt.Sprintf("%s %T %v", column.Type, row[i], row[i]); got != want[i] {
			t.Errorf("column %s (%s): got %s, want %s", column.Name, column.DatabaseType, got, want[i])
		}
	}
}

// Parameters reach columns without a loss.
func TestParametersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, "CREATE TABLE kept (a bigint, b decimal(40,20), c datetime(6), d date, e json, f boolean, g text)")
	params := map[string]any{
		"a": int64(math.MinInt64), "b": json.Number("12345678901234567890.12345678901234567891"), "c": time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC),
		"d": datasource.Date("2024-02-29"), "e": json.RawMessage(`{"a": [1, "x"]}`), "f": true, "g": "' \\ \" ? {{ x }} 😀",
	}
	conn := open(t, b.settings)
	if _, err := run(t, conn.(datasource.Execer).Exec, "INSERT INTO kept VALUES ({{ a }}, {{ b }}, {{ c }}, {{ d }}, {{ e }}, {{ f }}, {{ g }})", params); err != nil {
		t.Fatal(err)
	}
	got := query(t, conn, "SELECT * FROM kept WHERE a = {{ a }} AND c = {{ c }} AND d = {{ d }} AND g = {{ g }} AND f = {{ f }}", map[string]any{
		"a": params["a"], "c": params["c"], "d": params["d"], "g": params["g"], "f": params["f"],
	})
	want := `[[-9223372036854775808 12345678901234567890.12345678901234567891 2024-02-29 01:02:03.000004 +0000 UTC 2024-02-29 {"a": [1, "x"]} 1 ' \ " ? {{ x }} 😀]]`
	if fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
}

// A moment is the same moment in any zone of the datasource.
func TestTimeZone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, "CREATE TABLE moments (at timestamp(6) NULL, wall datetime(6))")
	sent := time.Date(2024, 7, 1, 22, 30, 0, 0, time.UTC)
	east := open(t, b.with(map[string]any{"timezone": "+05:30"}))
	if _, err := run(t, east.(datasource.Execer).Exec, "INSERT INTO moments VALUES ({{ v }}, {{ v }})", map[string]any{"v": sent}); err != nil {
		t.Fatal(err)
	}
	if got := query(t, east, "SELECT at, wall, CAST(wall AS CHAR) FROM moments", nil)[0]; got[0] != sent || got[1] != sent || got[2] != "2024-07-02 04:00:00.000000" {
		t.Errorf("got %v", got)
	}
	utc := query(t, open(t, b.settings), "SELECT at FROM moments", nil)[0]
	if utc[0] != sent {
		t.Errorf("in UTC it is %v", utc[0])
	}
}

// What a statement does to its session is not there for the next one.
func TestSessionsAreCleanForTheNextStatement(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	session := func() string {
		return fmt.Sprint(query(t, conn, `SELECT @@session.sort_buffer_size, @@session.autocommit, @left IS NULL, IS_FREE_LOCK({{ lock }}), DATABASE() = {{ db }}, @@session.sql_log_off,
			(SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID() AND trx_is_read_only = 0), @@session.time_zone`, map[string]any{"lock": b.Name, "db": b.Name})[0])
	}
	look := func(after string) {
		t.Helper()
		const clean = "[2097152 1 1 1 1 0 0 +00:00]"
		// The server takes a moment to see that a connection is closed, and has its
		// locks until then.
		await(t, "the lock is free after "+after, func() bool {
			return b.one(t, "SELECT IS_FREE_LOCK(?)", b.Name) == "1"
		})
		for range 5 { // each connection of the pool
			if text := session(); text != clean {
				t.Fatalf("after %s the session is %s", after, text)
			}
		}
	}
	look("nothing")
	for _, statement := range []string{
		"SET SESSION sort_buffer_size = 65536", "SET autocommit = 0", "SET @left = 1", "DO GET_LOCK('" + b.Name + "', 0)", "USE mysql", "START TRANSACTION", "COMMIT",
		"SET time_zone = '+05:00'", "LOCK TABLES canary WRITE", "CREATE TEMPORARY TABLE canary (x int)", "SET SESSION TRANSACTION READ ONLY", "HANDLER canary OPEN", "XA START 'x'",
		"INSERT INTO child VALUES (1, 2, (SELECT @left := 1))", "PREPARE p FROM 'SELECT 1'",
	} {
		_, _ = run(t, conn.(datasource.Execer).Exec, statement, nil)
		look(statement)
	}
	for _, statement := range []string{"SELECT @left := 5", "SELECT GET_LOCK('" + b.Name + "', 0)", "SELECT get_lock ('" + b.Name + "', 0), LAST_INSERT_ID(7)"} {
		query(t, conn, statement, nil)
		look(statement)
	}
	for _, statement := range []string{ // which fail when half of it is done
		"SELECT 1 FROM DUAL WHERE GET_LOCK('" + b.Name + "', 0) AND (SELECT 1 FROM seq_1_to_2)",
		"SELECT seq, (@left := 5) FROM seq_1_to_10 GROUP BY seq HAVING (SELECT 1 FROM seq_1_to_2)",
	} {
		if _, err := run(t, conn.Query, statement, nil); err == nil {
			t.Errorf("%s: no error", statement)
		}
		look(statement)
	}
}

func TestExecTellsWhatItDid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	for _, c := range []struct {
		statement string
		affected  int64 // -1 = it does not say
		rows      string
	}{
		{"INSERT INTO canary (name) VALUES ('a'), ('b')", 2, "[]"},
		{"UPDATE canary SET name = CONCAT(name, '!') WHERE name IN ('a', 'b')", 2, "[]"},
		{"UPDATE canary SET name = name", 0, "[]"},
		{"SELECT COUNT(*) FROM canary", -1, "[[3]]"},
		{"CALL lists()", 0, "[[1]]"}, // the first of its lists
		{"DELETE FROM canary WHERE name <> 'alive'", 2, "[]"},
		{"CREATE TABLE made (id int)", 0, "[]"},
	} {
		op, err := b.connector.Parse(text(c.statement))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, MaxRows: 10, MaxBytes: 1 << 20})
		if err != nil {
			t.Errorf("%s: %v", c.statement, err)
			continue
		}
		affected := int64(-1)
		if counter, ok := rows.(datasource.Counter); ok {
			affected = counter.Affected()
		}
		all := [][]any{}
		for row, err := rows.Next(); err == nil; row, err = rows.Next() {
			all = append(all, row)
		}
		if affected != c.affected || fmt.Sprint(all) != c.rows {
			t.Errorf("%s: %d rows changed, gave %v", c.statement, affected, all)
		}
	}
	_, err := run(t, conn.(datasource.Execer).Exec, "INSERT INTO canary (name) VALUES ('alive')", nil)
	refusal, ok := errors.AsType[*datasource.StatementError](err)
	if !ok || refusal.Code != "1062" {
		t.Errorf("got %v", err)
	}
}

func TestQueriesThatAreMoreThanSELECT(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	for statement, want := range map[string]string{
		"SHOW TABLES LIKE 'canary'":                           "[[canary]]",
		"  \n show tables like 'canary' ; ":                   "[[canary]]",
		"WITH a AS (SELECT 1 AS x) SELECT x FROM a":           "[[1]]",
		"VALUES (1), (2)":                                     "[[1] [2]]",
		"(SELECT 1) UNION (SELECT 2) ORDER BY 1 DESC":         "[[2] [1]]",
		"SELECT a.id, b.id FROM canary a JOIN canary b":       "[[1 1]]", // two columns of one name
		"SELECT name FROM names -- a comment":                 "[[alive]]",
		"SELECT name FROM canary # a comment":                 "[[alive]]",
		"SELECT ''":                                           "[[]]",
		"SELECT 'ends with a space ', NULL, ''":               "[[ends with a space  <nil> ]]",
		"SELECT 1 AS `ends `":                                 "[[1]]",
		"SELECT '" + strings.Repeat("x", 300) + "' = ''":      "[[0]]",
		"SELECT (SELECT 1), (SELECT 1), 1 + 1, COUNT(*)":      "[[1 1 2 1]]",
		"SELECT @@version_comment IS NULL":                    "[[0]]",
		"SELECT 1 FROM DUAL WHERE 1 = 0":                      "[]",
		"/* a comment */ SELECT 1;":                           "[[1]]",
		"SELECT 1 LIMIT {{ n }}":                              "[[1]]",
		"SELECT COUNT(*) FROM canary WHERE id IN ({{ ids }})": "[[1]]",
	} {
		params := map[string]any{}
		if strings.Contains(statement, "{{ n }}") {
			params["n"] = int64(5)
		}
		if strings.Contains(statement, "{{ ids }}") {
			params["ids"] = []any{int64(1), int64(2)}
		}
		if got := query(t, conn, statement, params); fmt.Sprint(got) != want {
			t.Errorf("%s: got %v", statement, got)
		}
	}
	if rows := query(t, conn, "EXPLAIN SELECT * FROM canary", nil); len(rows) != 1 {
		t.Errorf("the plan is %v", rows)
	}
	// Where the server reads quotes otherwise than the template, a parameter is
	// missed and never becomes text.
	op, err := b.connector.Parse(text("SELECT /*! '*/ {{ v }} -- '"))
	if err == nil {
		_, err = conn.Query(t.Context(), datasource.Statement{Operation: op, Params: map[string]any{"v": "x"}, MaxRows: 1, MaxBytes: 1 << 20})
	}
	if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
		t.Errorf("got %v", err)
	}
}

func TestT86_AnAccountWithoutRightsStaysWithoutThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.account(t, "SELECT ON "+b.Name+".canary"))
	query(t, conn, "SELECT * FROM canary", nil)
	for _, statement := range []string{"SELECT * FROM child", "SELECT * FROM mysql.user", "INSERT INTO canary (name) VALUES ('x')", "SELECT 1 INTO OUTFILE '" + b.file() + "'"} {
		if _, err := run(t, conn.(datasource.Execer).Exec, statement, nil); err == nil {
			t.Errorf("%s was not refused", statement)
		}
	}
	if got := query(t, conn, "SELECT LOAD_FILE('/etc/passwd')", nil); got[0][0] != nil {
		t.Error("a file of the server was read")
	}
}

func TestIntrospectTellsKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	schema, err := open(t, b.settings).(datasource.Introspector).Introspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]datasource.Table{}
	for _, table := range schema.Tables {
		if table.Schema == b.Name {
			found[table.Name] = table
		}
	}
	child := found["child"]
	if len(child.Columns) != 3 || !child.Columns[0].PrimaryKey || child.Columns[0].Nullable || child.Columns[2].Type != "bigint(20) unsigned" || child.Columns[2].PrimaryKey {
		t.Errorf("got %+v", child)
	}
	if want := fmt.Sprintf("[{[parent] %s canary [id]}]", b.Name); fmt.Sprint(child.ForeignKeys) != want {
		t.Errorf("the keys are %+v", child.ForeignKeys)
	}
	if found["names"].Kind != "view" || found["canary"].Kind != "table" || len(found) != 3 {
		t.Errorf("got %+v", found)
	}
}

// sleeping counts the statements of the test that the server runs.
func (b bundle) sleeping(t *testing.T) string {
	return b.one(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE ?", "%"+b.Name+"%SLEEP%")
}

// T92: a destination that is allowed by its name is also told to stop, over an
// encrypted connection, too, and whether it reads or writes.
func TestT92_CancelReachesTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	settings := b.with(map[string]any{"host": "localhost", "sslmode": "require"})
	settings.Egress = egress.Policy{AllowHosts: []string{net.JoinHostPort("localhost", b.Port)}}
	conn := open(t, settings)
	for name, c := range map[string]struct {
		do        runner
		statement string
	}{
		"query":        {conn.Query, "SELECT '" + b.Name + "', SLEEP(60)"},
		"between rows": {conn.Query, "SELECT '" + b.Name + "', seq, IF(seq > 3, SLEEP(60), 0) FROM seq_1_to_100"},
		"write":        {conn.(datasource.Execer).Exec, "INSERT INTO canary (name) SELECT CONCAT('" + b.Name + "', SLEEP(60))"},
		"no statement": {conn.(datasource.Execer).Exec, "DO '" + b.Name + "' = SLEEP(60)"},
		"in a CALL":    {conn.(datasource.Execer).Exec, "BEGIN NOT ATOMIC SELECT '" + b.Name + "', SLEEP(60); END"},
	} {
		op, err := b.connector.Parse(text(c.statement))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			rows, err := c.do(ctx, datasource.Statement{Operation: op, MaxRows: 1000, MaxBytes: 1 << 20})
			for err == nil {
				_, err = rows.Next()
			}
			if rows != nil {
				_ = rows.Close()
			}
			ended <- err
		}()
		await(t, name+" runs", func() bool { return b.sleeping(t) == "1" })
		cancel()
		began := time.Now()
		if err := <-ended; !problem.Is(err, problem.Upstream) {
			t.Errorf("%s: %v", name, err)
		}
		await(t, name+" ends in the server", func() bool { return b.sleeping(t) == "0" })
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: ended after %s", name, took)
		}
		query(t, conn, "SELECT 1", nil)
	}
	if n := b.one(t, "SELECT COUNT(*) FROM DB.canary"); n != "1" {
		t.Errorf("a cancelled write was kept: %s rows", n)
	}
}

// T92: rows that are closed before their end stop the server, also when it is
// busy between two rows, and the pool goes on.
func TestT92_ClosingEarlyStopsTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	for _, statement := range []string{
		"SELECT '" + b.Name + "', seq, IF(seq > 2000, SLEEP(60), REPEAT('x', 100)) FROM seq_1_to_10000",
		"SELECT '" + b.Name + "', seq, REPEAT('x', 1000), '%SLEEP' FROM seq_1_to_100000000",
	} {
		op, err := b.connector.Parse(text(statement))
		if err != nil {
			t.Fatal(err)
		}
		for range 6 { // more than a pool holds
			rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rows.Next(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := rows.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("closing took %s", took)
			}
		}
		await(t, "the statements end in the server", func() bool { return b.sleeping(t) == "0" })
	}
}

// The server ends a statement by itself when this process could not.
func TestTheServerKnowsTheTimeLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	do := func(_ context.Context, s datasource.Statement) (datasource.Rows, error) { return conn.Query(ctx, s) }
	rows, err := run(t, do, "SELECT CAST(@@max_statement_time AS int)", nil)
	if err != nil || fmt.Sprint(rows) != "[[15]]" {
		t.Errorf("the limit is %v, %v", rows, err)
	}
}

// One row that is larger than the limit is refused before it is in memory.
func TestT79_ARowIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, sslmode := range []string{"disable", "require"} {
		conn := open(t, b.with(map[string]any{"sslmode": sslmode}))
		_, err := run(t, conn.Query, "SELECT REPEAT('x', 12000000)", nil)
		if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "larger than the limit") {
			t.Errorf("%s: %v", sslmode, err)
		}
		query(t, conn, "SELECT 1", nil)
	}
}

// The lists of columns of a statement, which is read several times, do not add up.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprintf("%d AS `%050d`", i, i)
	}
	rows := query(t, open(t, b.settings), "SELECT "+strings.Join(names, ", "), nil)
	if len(rows) != 1 || len(rows[0]) != len(names) {
		t.Errorf("%d rows", len(rows))
	}
}

// Connections that the server closed meanwhile are not a failure.
func TestAPoolSurvivesTheEndOfItsConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	for range 10 {
		id := query(t, conn, "SELECT CONNECTION_ID()", nil)[0][0]
		if _, err := b.Admin.ExecContext(t.Context(), fmt.Sprintf("KILL CONNECTION %d", id)); err != nil {
			t.Fatal(err)
		}
		await(t, "the connection ends", func() bool {
			return b.one(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?", id) == "0"
		})
		query(t, conn, "SELECT 1", nil)
	}
}
