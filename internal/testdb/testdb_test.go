package testdb_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestEachIsMigratedAndAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testdb.Each(t, func(t *testing.T, db *store.DB) {
				if err := db.RequireCurrent(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := store.Detect(db.DB.DB); got != db.Dialect {
					t.Errorf("the wrapped pool is taken for %q, want %q", got, db.Dialect)
				}
				if _, err := db.ExecContext(t.Context(), "INSERT INTO ?schema.jet_keyring (id, sealed) VALUES (1, 'x')"); err != nil {
					t.Errorf("the schema is shared with another test: %v", err)
				}
			})
		})
	}
}

func TestEachRedisIsEmpty(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, fast func(time.Duration)) {
				ctx := t.Context()
				if n, err := rdb.DBSize(ctx).Result(); err != nil || n != 0 {
					t.Fatalf("the database has %d keys, %v", n, err)
				}
				if err := rdb.Set(ctx, "short", "x", 20*time.Millisecond).Err(); err != nil {
					t.Fatal(err)
				}
				fast(40 * time.Millisecond)
				if n := rdb.Exists(ctx, "short").Val(); n != 0 {
					t.Error("the key outlived its time")
				}
				if err := rdb.Set(ctx, "long", "x", 0).Err(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestPreparedAndTransactional(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		tx, err := db.DB.DB.BeginTx(ctx, &sql.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stmt, err := tx.PrepareContext(ctx, map[store.Dialect]string{store.SQLite: "SELECT ? + 1", store.PostgreSQL: "SELECT $1::int + 1"}[db.Dialect])
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := stmt.QueryRowContext(ctx, 41).Scan(&n); err != nil || n != 42 {
			t.Errorf("got %d, %v", n, err)
		}
		if err := stmt.Close(); err != nil {
			t.Error(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := db.ExecContext(cancelled, "SELECT 1"); err == nil {
			t.Error("a cancelled context was not handed to the driver")
		}
	})
}

// What was committed is there after a crash of PostgreSQL; Redis comes back empty.
func TestAServerOfATestCrashesAndComesBack(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server, dsn := testdb.OwnPostgres(t)
		pool, err := store.OpenPostgres(dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		for i, statement := range []string{"CREATE TABLE a (n int)", "INSERT INTO a VALUES (1)"} {
			if _, err := pool.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(i, err)
			}
		}
		server.Crash()
		if err := pool.PingContext(t.Context()); err == nil {
			t.Error("it is still there")
		}
		server.Start()
		var n int
		if err := pool.QueryRowContext(t.Context(), "SELECT count(*) FROM a").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server, address := testdb.OwnRedis(t)
		rdb := redis.NewClient(&redis.Options{Addr: address})
		defer rdb.Close()
		if err := rdb.Set(t.Context(), "a", 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
		server.Crash()
		if err := rdb.Ping(t.Context()).Err(); err == nil {
			t.Error("it is still there")
		}
		server.Start()
		if n, err := rdb.Exists(t.Context(), "a").Result(); err != nil || n != 0 {
			t.Errorf("%d keys, %v", n, err)
		}
	})
}

func TestMySQLIsEmptyAndAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testdb.MySQL(t)
			if _, err := db.Admin.ExecContext(t.Context(), "CREATE TABLE "+db.Name+".a (n int)"); err != nil {
				t.Errorf("the database is shared with another test: %v", err)
			}
		})
	}
}
