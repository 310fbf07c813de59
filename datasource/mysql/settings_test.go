package mysql_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/mysql"
	"github.com/jetadmin/jetadmin/problem"
)

// Case T81: nothing but one plain host name passes, and the field allow-list
// lets in nothing that a DSN could carry.
func TestT81_SettingsAreNoDSN(t *testing.T) {
	t.Parallel()
	connector := mysql.Connector()
	check := connector.(datasource.SettingsChecker).CheckSettings
	values := func(field string, v any) datasource.Settings {
		s := datasource.Settings{Values: map[string]any{"host": "db", "timezone": "+00:00", "sslmode": "verify-full"}}
		s.Values[field] = v
		return s
	}
	for _, host := range []string{
		"/var/run/mysqld/mysqld.sock", "unix(/tmp/x)", "tcp(db:3306)", "@abstract", "a,b", "a b", "db:3306)/x?allowAllFiles=true#", "a?multiStatements=true", "a;b", "a&b", "a\nb", "a=b", "a'b", "[::1]", "a/b", "", "-x", "..",
	} {
		if err := check(values("host", host)); !problem.Is(err, problem.Invalid) {
			t.Errorf("the host %q passes", host)
		}
	}
	for _, name := range []string{"Local", "", "+2", "+15:00", "+02:60", "'; DROP TABLE x; --", "../../etc/passwd", "/etc/localtime", "SYSTEM", "UTC'", "Europe/", "Nowhere/Town"} {
		if err := check(values("timezone", name)); !problem.Is(err, problem.Invalid) {
			t.Errorf("the time zone %q passes", name)
		}
	}
	for _, ca := range []string{"x", "/etc/ssl/cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := check(values("ca", ca)); !problem.Is(err, problem.Invalid) {
			t.Errorf("the CA %q passes", ca)
		}
	}
	for field, good := range map[string][]any{
		"host": {"db", "db-1.example.com", "10.0.0.1", "::1", "2001:db8::1"}, "timezone": {"UTC", "+00:00", "-09:30", "+14:00"},
	} {
		for _, v := range good {
			if err := check(values(field, v)); err != nil {
				t.Errorf("%s %q: %v", field, v, err)
			}
		}
	}
	declared := map[string]datasource.Field{}
	for _, f := range connector.Spec().Fields {
		declared[f.Name] = f
		switch f.Name {
		case "host", "port", "database", "user", "password", "sslmode", "ca", "timezone", "charset":
		default:
			t.Errorf("%q can be set", f.Name)
		}
	}
	for _, name := range []string{"host", "port", "user", "sslmode", "ca"} {
		if !declared[name].Target {
			t.Errorf("%q may change with the password kept (T63)", name)
		}
	}
}

// The other fields go to the server as values, whatever they hold.
func TestT81_ValuesAreNotOptions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for field, value := range map[string]string{
		"database": "nowhere?multiStatements=true", "user": "nobody?allowAllFiles=true", "charset": "utf8mb4'; DROP TABLE canary; --",
	} {
		conn := open(t, b.with(map[string]any{field: value}))
		err := conn.Ping(t.Context())
		if field == "charset" {
			if err != nil {
				t.Errorf("an unknown charset is not the default: %v", err)
			}
			continue
		}
		if !problem.Is(err, problem.Upstream) {
			t.Errorf("%s %q: %v", field, value, err)
		}
	}
	got := query(t, open(t, b.settings), "SELECT @@session.character_set_client, @@session.time_zone, @@session.max_statement_time > 0", nil)[0]
	if fmt.Sprint(got) != "[utf8mb4 +00:00 1]" {
		t.Errorf("the session is %v", got)
	}
}

// A server is never sent a file, not even one that the host has registered with
// the driver for itself: neither on a statement nor when the server asks for it.
func TestT81_NoLocalFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("stolen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	driver.RegisterLocalFile(path)
	t.Cleanup(func() { driver.DeregisterLocalFile(path) })
	reader := t.Name()
	driver.RegisterReaderHandler(reader, func() io.Reader { return strings.NewReader("stolen\n") })
	t.Cleanup(func() { driver.DeregisterReaderHandler(reader) })

	for _, sslmode := range []string{"disable", "require"} {
		conn := open(t, b.with(map[string]any{"sslmode": sslmode}))
		for _, name := range []string{path, "Reader::" + reader} {
			for _, do := range []runner{conn.Query, conn.(datasource.Execer).Exec} {
				if _, err := run(t, do, "LOAD DATA LOCAL INFILE '"+name+"' INTO TABLE canary (name)", nil); err == nil {
					t.Errorf("%s: %s was loaded", sslmode, name)
				}
			}
		}
	}
	if n := b.one(t, "SELECT COUNT(*) FROM DB.canary"); n != "1" {
		t.Errorf("%s rows", n)
	}
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if b.CA == "" {
		t.Skip("the CA of the server is not known")
	}
	for name, c := range map[string]struct {
		settings datasource.Settings
		cipher   bool
	}{
		"disable":     {b.with(map[string]any{"sslmode": "disable"}), false},
		"require":     {b.with(map[string]any{"sslmode": "require"}), true},
		"verify-full": {b.with(map[string]any{"sslmode": "verify-full", "ca": b.CA}), true},
	} {
		row := query(t, open(t, c.settings), "SHOW SESSION STATUS LIKE 'Ssl_cipher'", nil)[0]
		if got := row[1] != ""; got != c.cipher {
			t.Errorf("%s: the cipher is %q", name, row[1])
		}
		steps := probe(t, b, c.settings)
		if _, told := steps["tls"]; told != c.cipher || len(steps) < 6 {
			t.Errorf("%s: the steps are %v", name, steps)
		}
	}
	for name, settings := range map[string]datasource.Settings{
		"unknown authority":           b.with(map[string]any{"sslmode": "verify-full"}),
		"certificate of another name": b.with(map[string]any{"sslmode": "verify-full", "ca": b.CA, "host": "localhost"}),
	} {
		if err := open(t, settings).Ping(t.Context()); !problem.Is(err, problem.Upstream) || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func probe(t *testing.T, b bundle, s datasource.Settings) map[string]datasource.Step {
	t.Helper()
	steps := map[string]datasource.Step{}
	b.connector.(datasource.Prober).Probe(t.Context(), s, func(step datasource.Step) { steps[step.Name] = step })
	return steps
}

// Case T91: a connection test warns of rights that no query needs.
func TestT91_ProbeTellsRights(t *testing.T) {
	t.Parallel()
	const files, admin = "the user may read and write files of the database server", "the user administers the database server"
	const reads, writes = "the user can only read", "the user can write"
	for name, c := range map[string]struct{ grant, rights, write string }{
		"reader":        {"SELECT ON DB.*", "", reads},
		"writer":        {"SELECT, INSERT ON DB.canary", "", writes},
		"columns":       {"SELECT (id), UPDATE (name) ON DB.canary", "", writes},
		"files":         {"FILE ON *.*", files, reads},
		"administrator": {"SUPER ON *.*", admin, reads},
		"everything":    {"ALL ON *.*", files, writes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			settings := b.account(t, strings.ReplaceAll(c.grant, "DB.", b.Name+"."))
			settings.Values["database"] = ""
			steps := probe(t, b, settings)
			if got := steps["rights"]; got.Message != c.rights || (got.Status == datasource.StepWarning) != (c.rights != "") {
				t.Errorf("rights: %+v", got)
			}
			if got := steps["write"]; got.Message != c.write || got.Status != datasource.StepOK {
				t.Errorf("write: %+v", got)
			}
		})
	}
}
