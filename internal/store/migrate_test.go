package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sync/errgroup"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db := at.open(t)
		migrate(t, db)
		first := shapeOf(t, db)
		migrate(t, db)
		if diff := first.diff(shapeOf(t, db)); len(diff) > 0 {
			t.Errorf("migrating again changes\n%s", strings.Join(diff, "\n"))
		}
		all, err := db.Migrations()
		if err != nil {
			t.Fatal(err)
		}
		for keep := len(all) - 1; keep >= 0; keep-- {
			if err := db.MigrateDown(t.Context(), keep); err != nil {
				t.Fatalf("down to %d: %v", keep, err)
			}
			if pending, err := db.Pending(t.Context()); err != nil || len(pending) != len(all)-keep {
				t.Fatalf("down to %d: %d pending, %v", keep, len(pending), err)
			}
		}
		for _, line := range shapeOf(t, db) {
			if !strings.Contains(line, "jet_migrations") {
				t.Errorf("left behind: %s", line)
			}
		}
		migrate(t, db)
		if diff := first.diff(shapeOf(t, db)); len(diff) > 0 {
			t.Errorf("down and up again changes\n%s", strings.Join(diff, "\n"))
		}
	})
}

func TestStatusTellsWhatIsPending(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db, ctx := at.open(t), t.Context()
		err := db.RequireCurrent(ctx)
		if problem.KindOf(err) != problem.Unavailable || problem.Of(err).Remedy == "" {
			t.Errorf("an empty database gives %v", err)
		}
		if len(shapeOf(t, db)) > 0 {
			t.Error("looking at an empty database changed it")
		}
		migrate(t, db)
		if err := db.RequireCurrent(ctx); err != nil {
			t.Error(err)
		}
		status, err := db.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range status {
			if step.AppliedAt.IsZero() {
				t.Errorf("%03d has no time", step.Number)
			}
		}
	})
}

func TestMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		var group errgroup.Group
		for range 8 {
			db := at.open(t)
			group.Go(func() error { return db.Migrate(t.Context()) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := at.open(t).RequireCurrent(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Opening makes the file and switches its journal: several processes that start
// at once must not trip over each other.
func TestOpenAtTheSameTime(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/new.db"
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			pool, err := store.OpenSQLite(t.Context(), path)
			if err != nil {
				return err
			}
			return pool.Close()
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db, ctx := at.open(t), t.Context()
		migrate(t, db)
		exec(t, db, "INSERT INTO ?schema.jet_migrations (number, name, applied_at) VALUES (999, 'future', '2040-01-01 00:00:00+00:00')")
		for name, call := range map[string]func() error{
			"Migrate":        func() error { return db.Migrate(ctx) },
			"MigrateDown":    func() error { return db.MigrateDown(ctx, 0) },
			"RequireCurrent": func() error { return db.RequireCurrent(ctx) },
			"DryRun":         func() error { _, err := db.DryRun(ctx); return err },
		} {
			if err := call(); problem.KindOf(err) != problem.Conflict || problem.Of(err).Remedy == "" {
				t.Errorf("%s gives %v, want a conflict with a remedy", name, err)
			}
		}
	})
}

func TestDryRunIsWhatMigrateDoes(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db, ctx := at.open(t), t.Context()
		script, err := db.DryRun(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(shapeOf(t, db)) > 0 {
			t.Fatal("the dry run changed the database")
		}
		runScript(t, db, script)
		if again, err := db.DryRun(ctx); err != nil || again != "" {
			t.Errorf("after the script there is still %q to do, %v", again, err)
		}
		byScript := shapeOf(t, db)
		if err := db.MigrateDown(ctx, 0); err != nil {
			t.Fatal(err)
		}
		migrate(t, db)
		if diff := byScript.diff(shapeOf(t, db)); len(diff) > 0 {
			t.Errorf("the script differs from Migrate:\n%s", strings.Join(diff, "\n"))
		}
	})
}

// A schema that is half way gets only the rest, also from the script.
func TestDryRunOfTheRest(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db := at.open(t)
		migrate(t, db)
		exec(t, db, insertKey, 1, "kept")
		if err := db.MigrateDown(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		script, err := db.DryRun(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		runScript(t, db, script)
		if err := db.RequireCurrent(t.Context()); err != nil {
			t.Error(err)
		}
		if n := keys(t, db); n != 1 {
			t.Errorf("%d rows of an older step are left, want 1", n)
		}
	})
}

// runScript sends a whole script at once, as psql -f and sqlite3 would.
func runScript(t *testing.T, db *store.DB, script string) {
	t.Helper()
	ctx := t.Context()
	if db.Dialect == store.SQLite {
		if _, err := db.DB.DB.ExecContext(ctx, script); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := db.DB.DB.ExecContext(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateTxBelongsToTheHost(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db, ctx := at.open(t), t.Context()
		for _, keep := range []bool{false, true} {
			tx, err := db.DB.DB.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.MigrateTx(ctx, tx); err != nil {
				t.Fatal(err)
			}
			if keep {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := len(shapeOf(t, db)) > 0; got != keep {
				t.Errorf("committed = %v: there are tables = %v", keep, got)
			}
		}
		if err := db.RequireCurrent(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A step that fails takes the ones before it back.
func TestMigrateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db := at.open(t)
		exec(t, db, "CREATE TABLE ?schema.jet_run (id integer)")
		before := shapeOf(t, db)
		if err := db.Migrate(t.Context()); err == nil {
			t.Fatal("migrated over a table of the same name")
		}
		if diff := before.diff(shapeOf(t, db)); len(diff) > 0 {
			t.Errorf("a failed migration leaves\n%s", strings.Join(diff, "\n"))
		}
	})
}

// T157: an account with a schema of its own, and no right to create one, can
// migrate it.
func TestMigrateWithoutRightToCreateSchemas(t *testing.T) {
	t.Parallel()
	dsn, schema := testdb.PostgresSchema(t)
	admin, err := store.OpenPostgres(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	role := schema + "_owner"
	exec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP OWNED BY "+role+" CASCADE")
		_, err2 := admin.ExecContext(context.Background(), "DROP ROLE "+role)
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
	})
	exec(t, admin, "GRANT USAGE, CREATE ON SCHEMA "+schema+" TO "+role)
	as := func(schema string) *store.DB {
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = role, "secret"
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
		return opened(t, stdlib.OpenDB(*cfg), nil, store.PostgreSQL, schema)
	}
	migrate(t, as(schema))
	if err := as(schema + "_other").Migrate(t.Context()); err == nil {
		t.Error("the account could create a schema, so this test proves nothing")
	}
}

// A schema that is not there is made, by Migrate and by the script.
func TestMigrateMakesTheSchema(t *testing.T) {
	t.Parallel()
	dsn, schema := testdb.PostgresSchema(t)
	pool, err := store.OpenPostgres(dsn)
	for name, make := range map[string]func(*testing.T, *store.DB){
		"migrate": migrate,
		"script": func(t *testing.T, db *store.DB) {
			script, err := db.DryRun(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			runScript(t, db, script)
		},
	} {
		db := opened(t, pool, err, store.PostgreSQL, schema+"_"+name)
		t.Cleanup(func() { _, _ = pool.ExecContext(context.Background(), "DROP SCHEMA "+db.Schema()+" CASCADE") })
		make(t, db)
		if err := db.RequireCurrent(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two schemas of one database share nothing.
func TestSchemasAreApart(t *testing.T) {
	t.Parallel()
	a, b := postgresPlace(t).open(t), postgresPlace(t).open(t)
	migrate(t, a)
	if err := b.RequireCurrent(t.Context()); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("the other schema gives %v", err)
	}
	migrate(t, b)
	exec(t, a, insertKey, 1, "a")
	if n := keys(t, b); n != 0 {
		t.Errorf("the other schema has %d of the rows", n)
	}
}

func TestNewRefusesBadSchemas(t *testing.T) {
	t.Parallel()
	var pool sql.DB
	for _, schema := range []string{`a"b`, "a\x00b", "a b", "a.b", "a;b", "Upper", "1a", "é", "?schema", strings.Repeat("a", 64)} {
		if _, err := store.New(&pool, store.PostgreSQL, schema); err == nil {
			t.Errorf("%q was accepted", schema)
		}
	}
	if _, err := store.New(&pool, "mysql", ""); err == nil {
		t.Error("an unknown dialect was accepted")
	}
}
