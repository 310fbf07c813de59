package testdb

import (
	"context"
	"database/sql/driver"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
)

// SQLite opens a fresh, migrated database file of the test's own. The pool is
// closed and the file removed when the test ends.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	template, err := sqliteTemplate()
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		t.Fatal("testdb: ", err)
	}
	var wraps []store.Wrap
	if !measured(t) {
		wraps = []store.Wrap{unsynced, fenced(t)}
	}
	db, err := openSQLite(t.Context(), path, wraps...)
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// sqliteTemplate is the content of a migrated database file, so that a test
// pays for a copy and not for a migration.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "jetadmin-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	ctx := context.Background()
	db, err := openSQLite(ctx, path, unsynced)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	if err := db.Close(); err != nil { // the last connection moves the log into the file
		return nil, err
	}
	return os.ReadFile(path)
})

func openSQLite(ctx context.Context, path string, wraps ...store.Wrap) (*store.DB, error) {
	pool, err := store.OpenSQLite(ctx, path, wraps...)
	if err != nil {
		return nil, err
	}
	return store.New(pool, store.SQLite, "")
}

// unsynced leaves out the wait for the disk: no test pulls the plug.
func unsynced(c driver.Connector) driver.Connector { return unsyncedConnector{c} }

type unsyncedConnector struct{ driver.Connector }

func (c unsyncedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "PRAGMA synchronous = OFF", nil); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
