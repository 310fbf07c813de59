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
	home, program, password, err := initPostgres()
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", errors.Join(err, home.remove())
	}
	stop, err := home.start("INT", program, postgresArgs(home, port, "synchronous_commit=off", "max_wal_size=256MB")...)
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
