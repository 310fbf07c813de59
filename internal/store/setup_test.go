package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// place is an empty database of the test's own, into which any number of pools
// can be opened.
type place struct {
	dialect store.Dialect
	open    func(t *testing.T) *store.DB
}

// eachPlace runs test on an empty place of each dialect.
func eachPlace(t *testing.T, test func(t *testing.T, at place)) {
	t.Helper()
	t.Run(string(store.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, sqlitePlace(t))
	})
	t.Run(string(store.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		test(t, postgresPlace(t))
	})
}

func sqlitePlace(t *testing.T) place {
	path := filepath.Join(t.TempDir(), "folder of its own", "100% & #1?.db")
	return place{store.SQLite, func(t *testing.T) *store.DB {
		t.Helper()
		pool, err := store.OpenSQLite(t.Context(), path)
		return opened(t, pool, err, store.SQLite, "")
	}}
}

func postgresPlace(t *testing.T) place {
	dsn, schema := testdb.PostgresSchema(t)
	return place{store.PostgreSQL, func(t *testing.T) *store.DB {
		t.Helper()
		pool, err := store.OpenPostgres(dsn)
		return opened(t, pool, err, store.PostgreSQL, schema)
	}}
}

func opened(t *testing.T, pool *sql.DB, err error, dialect store.Dialect, schema string) *store.DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	db, err := store.New(pool, dialect, schema)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func migrate(t *testing.T, db *store.DB) {
	t.Helper()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// exec runs a statement that must succeed.
func exec(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// keys counts the rows of jet_keyring, the table that these tests write to.
func keys(t *testing.T, db *store.DB) int {
	t.Helper()
	var n int
	if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_keyring").Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

const insertKey = "INSERT INTO ?schema.jet_keyring (id, sealed) VALUES (?, ?)"
