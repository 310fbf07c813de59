package jetadmin_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// onEmpty runs a test on a database without tables, of each dialect.
func onEmpty(t *testing.T, test func(t *testing.T, cfg jetadmin.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		cfg := quiet(t)
		pool, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "empty.db"))
		must(t, err)
		t.Cleanup(func() { _ = pool.Close() })
		cfg.DB = pool
		test(t, cfg)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		cfg := quiet(t)
		dsn, schema := testdb.PostgresSchema(t)
		pool, err := jetadmin.OpenPostgres(dsn)
		must(t, err)
		t.Cleanup(func() { _ = pool.Close() })
		cfg.DB, cfg.Schema = pool, schema
		test(t, cfg)
	})
}

func wantProblem(t *testing.T, err error, kind problem.Kind, code string) {
	t.Helper()
	e := problem.Of(err)
	if err == nil || e.Kind != kind || e.Code != code || e.Remedy == "" {
		t.Fatalf("got %+v, want %s %s with a remedy", e, kind, code)
	}
}

func TestStartNeedsTheCurrentSchema(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, cfg jetadmin.Config) {
		ctx := t.Context()
		app := build(t, cfg)
		wantProblem(t, app.Start(ctx), problem.Unavailable, "schema_not_current")
		must(t, app.Migrate(ctx))
		must(t, app.Start(ctx))
		must(t, app.Start(ctx)) // starting twice is starting once
		stop(t, app)
		stop(t, app)
		if app.Start(ctx) == nil {
			t.Error("an App starts again after its end")
		}

		table := "jet_migrations"
		if cfg.Schema != "" {
			table = cfg.Schema + "." + table
		}
		_, err := cfg.DB.ExecContext(ctx, "INSERT INTO "+table+" (number, name, applied_at) VALUES (999, 'of a later build', '2030-01-01 00:00:00')")
		must(t, err)
		later := build(t, cfg)
		wantProblem(t, later.Start(ctx), problem.Conflict, "schema_newer")
		wantProblem(t, later.Migrate(ctx), problem.Conflict, "schema_newer")
	})
}

// T48: the keys that a database began with open it, and no others.
func TestStartNeedsTheKeysOfTheData(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		old, fresh := cfg.Keys[0], secret.NewKey()
		stop(t, start(t, cfg))
		cfg.Keys = [][]byte{fresh}
		wantProblem(t, build(t, cfg).Start(t.Context()), problem.Conflict, "keys_do_not_fit")
		cfg.Keys = [][]byte{fresh, old}
		stop(t, start(t, cfg))
	})
}

// A key file that was lost is asked for, not replaced.
func TestStartNeedsTheKeyFileOfTheData(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Keys = nil
		file := filepath.Join(cfg.DataDir, "key")
		stop(t, start(t, cfg))
		key, err := os.ReadFile(file)
		must(t, err)
		must(t, os.Remove(file))
		_, err = jetadmin.New(cfg)
		wantProblem(t, err, problem.Conflict, "key_missing")
		if !strings.Contains(err.Error(), file) {
			t.Errorf("the error does not name %s: %v", file, err)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("another key was made: %v", err)
		}

		other := base64.StdEncoding.EncodeToString(secret.NewKey())
		must(t, os.WriteFile(file, []byte(other), 0o600))
		err = build(t, cfg).Start(t.Context())
		wantProblem(t, err, problem.Conflict, "keys_do_not_fit")
		if !strings.Contains(err.Error(), file) {
			t.Errorf("the error does not name %s: %v", file, err)
		}
		must(t, os.WriteFile(file, key, 0o600))
		stop(t, start(t, cfg))
	})
}

// A pool that anybody would open is told apart from one that serves.
func TestStartNeedsTheSettingsOfSQLite(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	pool, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "plain.db"))
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	cfg.DB = pool
	app := build(t, cfg)
	must(t, app.Migrate(t.Context()))
	wantProblem(t, app.Start(t.Context()), problem.Invalid, "database_settings")
}

// One server at a time works in a folder: the second says so, and can be started
// when the first is gone.
func TestAFolderHasOneServer(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	first, second := build(t, cfg), build(t, cfg)
	must(t, first.Start(t.Context()))
	err := second.Start(t.Context())
	if err == nil && runtime.GOOS == "windows" {
		t.Skip("there are no such locks here")
	}
	wantProblem(t, err, problem.Conflict, "data_dir_in_use")
	stop(t, first)
	must(t, second.Start(t.Context()))
}

func TestMigrateInsideAHost(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, cfg jetadmin.Config) {
		ctx := t.Context()
		app := build(t, cfg)
		for _, keep := range []bool{false, true} {
			tx, err := cfg.DB.BeginTx(ctx, nil)
			must(t, err)
			must(t, app.MigrateTx(ctx, tx))
			if !keep {
				must(t, tx.Rollback())
				wantProblem(t, app.Start(ctx), problem.Unavailable, "schema_not_current")
				continue
			}
			must(t, tx.Commit())
		}
		must(t, app.Start(ctx))
	})
}

// The text of a dry run is what a host can run with a tool of its own (T157).
func TestMigrateDryRun(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, cfg jetadmin.Config) {
		ctx := t.Context()
		app := build(t, cfg)
		text, err := app.MigrateDryRun(ctx)
		must(t, err)
		wantProblem(t, app.Start(ctx), problem.Unavailable, "schema_not_current") // nothing was changed
		conn, err := cfg.DB.Conn(ctx)
		must(t, err)
		// By hand and one after the other, as psql does.
		for statement := range strings.SplitSeq(text, ";\n") {
			if strings.TrimSpace(statement) != "" {
				_, err := conn.ExecContext(ctx, statement)
				must(t, err)
			}
		}
		must(t, conn.Close())
		must(t, app.Start(ctx))
		if text, err := app.MigrateDryRun(ctx); text != "" || err != nil {
			t.Errorf("a current schema still needs %q, %v", text, err)
		}
	})
}

// Nothing but a folder is needed, and a second start goes on with what is in it.
func TestEmbeddedStartsAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, again := &notes{}, &notes{}
	account := object{"email": "ada@example.com", "password": "four random words here", "name": "Ada"}

	app := start(t, jetadmin.Config{DataDir: dir, Logger: first.logger()})
	anybody := serve(t, app, "")
	account["token"] = first.setupToken(t)
	token := anybody.call("POST", "/auth/setup", account).want(http.StatusCreated).text("token")
	tenant := anybody.bearer(token).call("POST", "/tenants", object{"name": "Acme"}).want(http.StatusCreated).text("id")
	stop(t, app)
	anybody.bearer(token).call("GET", "/tenants/"+tenant, nil).want(http.StatusInternalServerError)

	app = start(t, jetadmin.Config{DataDir: dir, Logger: again.logger()})
	if token := again.setupToken(t); token != "" {
		t.Error("T47: a token to make the first account, though there is one")
	}
	serve(t, app, "").bearer(token).call("GET", "/tenants/"+tenant, nil).want(http.StatusOK)

	for name, want := range map[string]os.FileMode{"": 0o700, "key": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has the mode %o, want %o", name, got, want)
		}
	}
}

// What the log says makes the first account, once there is a password in it.
func TestTheLogTellsHowToMakeTheFirstAccount(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	onSQLite(t, &cfg)
	said := &notes{}
	cfg.BasePath, cfg.Logger = "/admin", said.logger()
	anybody := serve(t, start(t, cfg), "")
	var entry struct{ Msg string }
	must(t, json.Unmarshal([]byte(said.String()), &entry))
	found := regexp.MustCompile(`curl "\$URL(\S+)" -H 'Content-Type: application/json' -d '(.*)'$`).FindStringSubmatch(entry.Msg)
	if found == nil {
		t.Fatalf("the log says %q", entry.Msg)
	}
	var account object
	must(t, json.Unmarshal([]byte(found[2]), &account))
	anybody.request("POST", found[1], account).want(http.StatusUnprocessableEntity)
	account["password"] = "four random words here"
	anybody.request("POST", found[1], account).want(http.StatusCreated)
	account["email"] = "eve@example.com"
	if got := anybody.request("POST", found[1], account).want(http.StatusConflict); got.text("remedy") == "" || strings.Contains(string(got.Body), "example.com") {
		t.Errorf("too late: %s", got.Body)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.BasePath = "/admin"
		app := build(t, cfg)
		probe := serve(t, app, "/admin")
		unready := func(when string) {
			t.Helper()
			probe.request("GET", "/healthz", nil).want(http.StatusOK)
			got := probe.request("GET", "/readyz", nil).want(http.StatusServiceUnavailable)
			if media := got.Header.Get("Content-Type"); media != "application/problem+json" || got.text("code") != "not_ready" {
				t.Errorf("%s: %s: %s", when, media, got.Body)
			}
		}
		unready("before the start")
		must(t, app.Start(t.Context()))
		probe.request("GET", "/readyz", nil).want(http.StatusOK)
		stop(t, app)
		unready("after the stop")
	})
}

// T140: a database that is gone is told to whoever asks, without its name.
func TestReadinessLooksAtTheDatabase(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	onSQLite(t, &cfg)
	app, err := jetadmin.New(cfg)
	must(t, err)
	t.Cleanup(func() { _ = app.Stop(context.Background()) }) // it cannot say goodbye to its database
	must(t, app.Start(t.Context()))
	probe := serve(t, app, "")
	probe.request("GET", "/readyz", nil).want(http.StatusOK)
	must(t, cfg.DB.Close())
	if got := probe.request("GET", "/readyz", nil).want(http.StatusServiceUnavailable); strings.Contains(string(got.Body), "sql") {
		t.Errorf("the cause is shown: %s", got.Body)
	}
	probe.request("GET", "/healthz", nil).want(http.StatusOK)
}

// strange is a driver that nobody knows.
type strange struct{ driver.Driver }

func nothing(context.Context, *workflow.Call, struct{}) (any, error) { return nil, nil }

// Each fault of a Config names its field.
func TestConfigFaultsNameTheirField(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	keyFolder := func(content string, mode os.FileMode) string {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "key"), []byte(content), mode))
		return dir
	}
	pool := sql.OpenDB(&noDatabase{})
	t.Cleanup(func() { _ = pool.Close() })
	unknown := sql.OpenDB(&strangeDatabase{})
	t.Cleanup(func() { _ = unknown.Close() })
	rdb := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = rdb.Close() })

	tests := []struct {
		field, name string
		change      func(*jetadmin.Config)
	}{
		{"AllowedOrigins", "a path", func(c *jetadmin.Config) { c.AllowedOrigins = []string{"https://example.com/x"} }},
		{"Authenticators", "nil", func(c *jetadmin.Config) { c.Authenticators = []auth.Authenticator{nil} }},
		{"BasePath", "no slash in front", func(c *jetadmin.Config) { c.BasePath = "admin" }},
		{"BasePath", "a slash at the end", func(c *jetadmin.Config) { c.BasePath = "/admin/" }},
		{"BasePath", "a slash alone", func(c *jetadmin.Config) { c.BasePath = "/" }},
		{"BasePath", "two slashes", func(c *jetadmin.Config) { c.BasePath = "/a//b" }},
		{"BasePath", "dots", func(c *jetadmin.Config) { c.BasePath = "/a/.." }},
		{"BasePath", "a pattern", func(c *jetadmin.Config) { c.BasePath = "/{x}" }},
		{"Queries", "a negative number", func(c *jetadmin.Config) { c.Queries.MaxStatements = -1 }},
		{"Connectors", "a type twice", func(c *jetadmin.Config) { c.Connectors = []datasource.Connector{rest.Connector()} }},
		{"Connectors", "nil", func(c *jetadmin.Config) { c.Connectors = []datasource.Connector{nil} }},
		{"DataDir", "a file", func(c *jetadmin.Config) { c.DB, c.DataDir = nil, file }},
		{"DataDir", "a file, without keys", func(c *jetadmin.Config) { c.DB, c.Keys, c.DataDir = nil, nil, file }},
		{"Dialect", "unheard of", func(c *jetadmin.Config) { c.Dialect = "oracle" }},
		{"Dialect", "a driver that is not known", func(c *jetadmin.Config) { c.DB, c.Dialect = unknown, "" }},
		{"Egress", "no port", func(c *jetadmin.Config) { c.Egress.AllowHosts = []string{"db"} }},
		{"Egress", "no prefix", func(c *jetadmin.Config) { c.Egress.Allow = []netip.Prefix{{}} }},
		{"Keys", "empty", func(c *jetadmin.Config) { c.Keys = [][]byte{} }},
		{"Keys", "short", func(c *jetadmin.Config) { c.Keys = [][]byte{make([]byte, 16)} }},
		{"Keys", "all zero", func(c *jetadmin.Config) { c.Keys = [][]byte{make([]byte, 32)} }},
		{"DataDir", "a key that others can read", func(c *jetadmin.Config) {
			c.Keys, c.DataDir = nil, keyFolder("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", 0o644)
		}},
		{"DataDir", "a key file without a key", func(c *jetadmin.Config) { c.Keys, c.DataDir = nil, keyFolder("secret", 0o600) }},
		{"Nodes", "a type twice", func(c *jetadmin.Config) {
			c.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "query"}, nothing)}
		}},
		{"Nodes", "nil", func(c *jetadmin.Config) { c.Nodes = []workflow.Node{nil} }},
		{"Redis", "without a database", func(c *jetadmin.Config) { c.DB, c.Redis = nil, rdb }},
		{"RedisPrefix", "a space", func(c *jetadmin.Config) { c.RedisPrefix = "a b" }},
		{"Schema", "upper case", func(c *jetadmin.Config) { c.Schema = "Tools" }},
		{"SessionIdle", "too short", func(c *jetadmin.Config) { c.SessionIdle = time.Second }},
		{"SessionMax", "shorter than idle", func(c *jetadmin.Config) { c.SessionMax = time.Hour }},
	}
	for _, test := range tests {
		t.Run(test.field+": "+test.name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			cfg.DB, cfg.Dialect = pool, jetadmin.PostgreSQL
			test.change(&cfg)
			app, err := jetadmin.New(cfg)
			if err == nil {
				_ = app.Stop(t.Context())
				t.Fatal("there is no error")
			}
			if text := err.Error(); !strings.HasPrefix(text, "jetadmin.Config") || !regexp.MustCompile(`\b`+test.field+`\b`).MatchString(text) {
				t.Errorf("the error does not name %s: %v", test.field, err)
			}
		})
	}
}

// strangeDatabase is behind a driver of its own.
type strangeDatabase struct{ noDatabase }

func (*strangeDatabase) Driver() driver.Driver { return strange{} }
