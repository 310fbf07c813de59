package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// Times written by the process, by the database, and by the database with a
// delay compare as times, whatever precision they have.
func TestClocksCompare(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		now := clock.Clock(nil).Now()
		insert := "INSERT INTO ?schema.jet_worker (id, name, started_at, expires_at) VALUES (?, ?, " + db.Dialect.Now() + ", "
		for name, at := range map[string]time.Time{
			"past":          now.Add(-time.Minute),
			"past, whole":   now.Add(-2 * time.Minute).Truncate(time.Second),
			"future":        now.Add(time.Minute),
			"future, whole": now.Add(time.Minute).Truncate(time.Second),
		} {
			exec(t, db, insert+"?)", id.New(), name, at)
		}
		exec(t, db, insert+db.Dialect.After()+")", id.New(), "after a minute", 60_000)
		exec(t, db, insert+db.Dialect.After()+")", id.New(), "after less than nothing", -1500)
		var due []string
		err := db.NewRaw("SELECT name FROM ?schema.jet_worker WHERE expires_at <= "+db.Dialect.Now()+" ORDER BY expires_at, name").Scan(t.Context(), &due)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"past, whole", "past", "after less than nothing"}; !slices.Equal(due, want) {
			t.Errorf("due are %q, want %q", due, want)
		}
		var started time.Time
		if err := db.NewRaw("SELECT max(started_at) FROM ?schema.jet_worker").Scan(t.Context(), &started); err != nil {
			t.Fatal(err)
		}
		if d := started.Sub(now); d < -time.Second || d > time.Minute {
			t.Errorf("the database's clock is %v away", d)
		}
	})
}

func TestDetect(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		if got := store.Detect(at.open(t).DB.DB); got != at.dialect {
			t.Errorf("Detect = %q, want %q", got, at.dialect)
		}
	})
}

func TestOpenSQLiteRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("this is no database, but long enough to be looked at as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a file as folder": filepath.Join(file, "x.db"),
		"a folder as file": dir,
		"no database":      file,
	} {
		if pool, err := store.OpenSQLite(t.Context(), path); err == nil {
			_ = pool.Close()
			t.Errorf("%s was opened", name)
		}
	}
}

// What is committed survives a power loss: the settings that promise it hold on
// every connection of the pool.
func TestOpenSQLiteSettings(t *testing.T) {
	t.Parallel()
	pool, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	for range 3 {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
			if got := scalar(t, conn, "PRAGMA "+pragma); got != want {
				t.Errorf("%s = %s, want %s", pragma, got, want)
			}
		}
	}
}

func scalar(t *testing.T, conn *sql.Conn, query string) string {
	t.Helper()
	var s string
	if err := conn.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenPostgresRefusesBadDSN(t *testing.T) {
	t.Parallel()
	if _, err := store.OpenPostgres("postgres://%zz"); err == nil {
		t.Error("a DSN that cannot be read was taken")
	}
}
