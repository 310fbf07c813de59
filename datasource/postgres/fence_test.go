package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/postgres"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// account makes a user of the test's own, with what it is granted; S stands for the
// schema.
func (b bundle) account(t *testing.T, grants ...string) datasource.Settings {
	t.Helper()
	name, password := "u_"+strings.ToLower(rand.Text()), rand.Text()
	statements := fmt.Sprintf("CREATE ROLE %[1]s LOGIN NOINHERIT PASSWORD '%[2]s'; GRANT USAGE ON SCHEMA %[3]s TO %[1]s", name, password, b.schema)
	for _, grant := range grants {
		statements += "; GRANT " + strings.ReplaceAll(grant, "S.", b.schema+".") + " TO " + name
	}
	if _, err := b.direct.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := b.direct.Exec(context.Background(), fmt.Sprintf("DROP OWNED BY %[1]s; DROP ROLE %[1]s", name)); err != nil {
			t.Error(err)
		}
	})
	s := b.with("user", name)
	s.Secrets = map[string]secret.Text{"password": secret.NewText(password)}
	return s
}

func (b bundle) oid(t *testing.T, table string) (id uint32) {
	t.Helper()
	if err := b.direct.QueryRow(t.Context(), "SELECT $1::regclass::oid", b.schema+"."+table).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// Case T88: whoever could reach a table of the platform gets no connection, whatever
// the server is called in the settings.
func TestT88_TheTablesOfThePlatformAreFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	group := "g_" + strings.ToLower(rand.Text())
	b.exec(t, "CREATE ROLE "+group+"; GRANT DELETE ON %[1]s.canary TO "+group)
	t.Cleanup(func() { _, _ = b.direct.Exec(context.Background(), "DROP OWNED BY "+group+"; DROP ROLE "+group) })
	canary := map[string]uint32{"canary": b.oid(t, "canary")}
	theirs := setup(t)
	owner := theirs.account(t)
	theirs.exec(t, "ALTER SCHEMA %[1]s OWNER TO "+owner.String("user"))
	t.Cleanup(func() {
		_, _ = theirs.direct.Exec(context.Background(), "ALTER SCHEMA "+theirs.schema+" OWNER TO CURRENT_USER")
	})
	for _, c := range []struct {
		name     string
		settings datasource.Settings
		fenced   map[string]uint32
		refused  bool
	}{
		{"superuser", b.settings, canary, true},
		{"superuser, another name of the server", b.with("host", "localhost"), canary, true},
		{"a right on the table", b.account(t, "SELECT ON S.canary"), canary, true},
		{"a right on a column", b.account(t, "UPDATE (name) ON S.canary"), canary, true},
		{"a role that it may take", b.account(t, group), canary, true},
		{"every table", b.account(t, "pg_read_all_data"), canary, true},
		{"the schema, without a right on the table", owner, map[string]uint32{"canary": theirs.oid(t, "canary")}, true},
		{"rights on other tables", b.account(t, "SELECT ON S.child, S.names"), canary, false},
		{"no rights", b.account(t), canary, false},
		{"a table of the same name elsewhere", b.settings, map[string]uint32{"canary": b.oid(t, "child")}, false},
		{"no table is fenced", b.settings, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connector := postgres.Connector(postgres.Config{Fenced: func(context.Context) (map[string]uint32, error) { return c.fenced, nil }})
			err := selectOne(t, connector, c.settings)
			e := problem.Of(err)
			if c.refused != (err != nil) || c.refused && (e.Code != "own_database" || e.Remedy == "") {
				t.Errorf("got %v", err)
			}
			var last datasource.Step
			connector.(datasource.Prober).Probe(t.Context(), c.settings, func(s datasource.Step) { last = s })
			if refused := last.Status == datasource.StepFailed; last.Name != "rights" || refused != c.refused {
				t.Errorf("the test of the connection ends with %+v", last)
			}
		})
	}
	unknown := postgres.Connector(postgres.Config{Fenced: func(context.Context) (map[string]uint32, error) { return nil, errors.New("canary") }})
	if err := selectOne(t, unknown, b.settings); problem.KindOf(err) != problem.Unavailable || strings.Contains(problem.Of(err).Message, "canary") {
		t.Errorf("got %v", err)
	}
}

func selectOne(t *testing.T, connector datasource.Connector, settings datasource.Settings) error {
	t.Helper()
	conn, err := connector.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	operation, err := connector.Parse(json.RawMessage(`{"text": "SELECT 1"}`))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: operation, MaxRows: 1, MaxBytes: 100})
	if err != nil {
		return err
	}
	return rows.Close()
}
