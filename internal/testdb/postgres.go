package testdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
)

// Postgres makes a fresh, migrated schema of the test's own in the PostgreSQL
// server, dropped when the test ends. Without a server the test is skipped.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	dsn, schema := PostgresSchema(t)
	var wraps []store.Wrap
	if !measured(t) {
		wraps = []store.Wrap{fenced(t)}
	}
	pool, err := store.OpenPostgres(dsn, wraps...)
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	db, err := store.New(pool, store.PostgreSQL, schema)
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal("testdb: ", err)
	}
	return db
}

// PostgresSchema makes an empty schema of the test's own and returns the DSN of
// its server, for tests that open the database themselves (a connector, a child
// process). The schema is dropped when the test ends; without a server the test
// is skipped.
func PostgresSchema(t testing.TB) (dsn, schema string) {
	t.Helper()
	server, err := postgresServer()
	if err != nil {
		without(t, "postgres", err)
	}
	schema = "jetadmin_" + strings.ToLower(rand.Text())
	if _, err := server.admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal("testdb: ", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := server.admin.ExecContext(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Errorf("testdb: drop the schema of the test: %v", err)
		}
	})
	return server.dsn, schema
}

// postgres is a server and the pool that makes and drops schemas in it.
type postgres struct {
	admin *sql.DB
	dsn   string
}

var postgresServer = sync.OnceValues(func() (*postgres, error) {
	dsn := os.Getenv("JETADMIN_TEST_POSTGRES")
	if dsn == "" {
		var err error
		if dsn, err = startPostgres(); err != nil {
			return nil, err
		}
	}
	admin, err := store.OpenPostgres(dsn)
	if err != nil {
		return nil, err
	}
	onStop(func() { _ = admin.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := admin.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("reach PostgreSQL: %w", err)
	}
	return &postgres{admin: admin, dsn: dsn}, nil
})

// startPostgres starts a private server on a free loopback port and returns its
// DSN. It keeps nothing: fsync is off.
func startPostgres() (dsn string, err error) {
	bin, err := postgresPrograms()
	if err != nil {
		return "", err
	}
	home, err := newHome("jetadmin-pg-")
	if err != nil {
		return "", err
	}
	password := rand.Text()
	if err := home.write("password", password); err != nil {
		return "", errors.Join(err, home.remove())
	}
	if err := home.run(bin.initdb, "--pgdata", home.path("data"), "--username", "jetadmin", "--pwfile", home.path("password"),
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"); err != nil {
		return "", errors.Join(err, home.remove())
	}
	port, err := freePort()
	if err != nil {
		return "", errors.Join(err, home.remove())
	}
	stop, err := home.start(bin.postgres, "-D", home.path("data"), "-h", "127.0.0.1", "-p", port, "-k", "",
		"-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB",
		"-c", "max_wal_size=256MB", "-c", "autovacuum=off")
	if err != nil {
		return "", errors.Join(err, home.remove())
	}
	onStop(stop)
	dsn = fmt.Sprintf("postgres://jetadmin:%s@127.0.0.1:%s/postgres?sslmode=disable", password, port)
	return dsn, home.await(func(ctx context.Context) error { return pingPostgres(ctx, dsn) })
}

func pingPostgres(ctx context.Context, dsn string) error {
	pool, err := store.OpenPostgres(dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.PingContext(ctx)
}
