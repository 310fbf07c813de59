package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

//go:embed migrations
var migrationFiles embed.FS

// Migration is one numbered step of the schema, the same number and name in
// both dialects.
type Migration struct {
	Number   int
	Name     string
	Up, Down string // SQL with ?schema in front of every name

	AppliedAt time.Time // zero = not applied
}

// migrationLock is the key of the advisory lock that lets one process migrate
// at a time ("jetadmin" in ASCII).
const migrationLock = 0x6a657461646d696e

// Migrations lists every step this build knows, in order.
func (db *DB) Migrations() ([]Migration, error) { return readMigrations(migrationFiles, db.Dialect) }

func readMigrations(files fs.FS, dialect Dialect) ([]Migration, error) {
	dir := path.Join("migrations", string(dialect))
	ups, err := fs.Glob(files, path.Join(dir, "*.up.sql"))
	if err != nil {
		return nil, err
	}
	slices.Sort(ups)
	var all []Migration
	for _, up := range ups {
		base := strings.TrimSuffix(path.Base(up), ".up.sql")
		number, name, _ := strings.Cut(base, "_")
		n, err := strconv.Atoi(number)
		if err != nil || n <= last(all) {
			return nil, fmt.Errorf("migration file %s: want a number above %03d", up, last(all))
		}
		upSQL, err := fs.ReadFile(files, up)
		if err != nil {
			return nil, err
		}
		downSQL, err := fs.ReadFile(files, path.Join(dir, base+".down.sql"))
		if err != nil {
			return nil, err
		}
		all = append(all, Migration{Number: n, Name: name, Up: string(upSQL), Down: string(downSQL)})
	}
	return all, nil
}

// last is the highest number so far. Numbers may leave gaps, so that work that is
// done side by side does not take the same one.
func last(all []Migration) int {
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Number
}

// Status lists every step with the time at which it was applied. It changes
// nothing. A schema that is newer than this build is a Conflict.
func (db *DB) Status(ctx context.Context) ([]Migration, error) { return db.status(ctx, db.DB) }

// Pending lists the steps that are still to be applied, as [DB.Migrate] would.
func (db *DB) Pending(ctx context.Context) ([]Migration, error) {
	all, err := db.Status(ctx)
	return slices.DeleteFunc(all, func(m Migration) bool { return !m.AppliedAt.IsZero() }), err
}

// DryRun is the SQL that [DB.Migrate] would run now, ready for psql or sqlite3;
// "" when the schema is current.
func (db *DB) DryRun(ctx context.Context) (string, error) {
	pending, err := db.Pending(ctx)
	if err != nil || len(pending) == 0 {
		return "", err
	}
	preamble, err := db.preamble(ctx, db.DB)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	for _, s := range preamble {
		b.WriteString(db.named(s) + ";\n")
	}
	for _, m := range pending {
		fmt.Fprintf(&b, "\n-- %03d %s\n%s", m.Number, m.Name, db.named(m.Up))
		fmt.Fprintf(&b, "%s;\n", db.QueryGen().FormatQuery(insertMigration, m.Number, m.Name, bun.Safe(db.Dialect.Now())))
	}
	b.WriteString("\nCOMMIT;\n")
	return b.String(), nil
}

// Migrate applies what is pending, all of it or nothing. Processes that migrate
// at the same time wait for each other.
func (db *DB) Migrate(ctx context.Context) error {
	if err := db.InTx(ctx, db.migrate); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// MigrateTx is [DB.Migrate] inside a transaction of the host.
func (db *DB) MigrateTx(ctx context.Context, tx *sql.Tx) error { return db.migrate(ctx, db.Joined(tx)) }

// MigrateDown takes back the newest steps until only the first `keep` are left.
// It drops their tables with everything in them.
func (db *DB) MigrateDown(ctx context.Context, keep int) error {
	return db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := db.lock(ctx, tx); err != nil {
			return err
		}
		all, err := db.status(ctx, tx)
		if err != nil {
			return err
		}
		for i, m := range slices.Backward(all) {
			if m.AppliedAt.IsZero() || i < keep {
				continue
			}
			if err := db.apply(ctx, tx, m.Down); err != nil {
				return fmt.Errorf("take back migration %03d: %w", m.Number, err)
			}
			if _, err := tx.NewRaw("DELETE FROM ?schema.jet_migrations WHERE number = ?", m.Number).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// RequireCurrent is nil when every step is applied, else an error with the remedy.
func (db *DB) RequireCurrent(ctx context.Context) error {
	pending, err := db.Pending(ctx)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return problem.Newf(problem.Unavailable, "schema_not_current",
			"the database schema lacks %d migrations, the first is %03d_%s", len(pending), pending[0].Number, pending[0].Name).
			Fix("call App.Migrate, or run the SQL of App.MigrateDryRun, before App.Start")
	}
	return nil
}

const insertMigration = "INSERT INTO ?schema.jet_migrations (number, name, applied_at) VALUES (?, ?, ?)"

func (db *DB) migrate(ctx context.Context, tx bun.IDB) error {
	if err := db.lock(ctx, tx); err != nil {
		return err
	}
	preamble, err := db.preamble(ctx, tx)
	if err != nil {
		return err
	}
	for _, s := range preamble {
		if _, err := tx.NewRaw(s).Exec(ctx); err != nil {
			return err
		}
	}
	all, err := db.status(ctx, tx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if !m.AppliedAt.IsZero() {
			continue
		}
		if err := db.apply(ctx, tx, m.Up); err != nil {
			return fmt.Errorf("apply migration %03d_%s: %w", m.Number, m.Name, err)
		}
		if _, err := tx.NewRaw(insertMigration, m.Number, m.Name, bun.Safe(db.Dialect.Now())).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// preamble makes the place in which the migrations are noted. CREATE SCHEMA IF
// NOT EXISTS asks for the right to create even when the schema is there, which
// an account that was given a schema of its own does not have: so look first.
func (db *DB) preamble(ctx context.Context, conn bun.IDB) ([]string, error) {
	if db.Dialect == SQLite {
		return []string{"CREATE TABLE IF NOT EXISTS ?schema.jet_migrations (number INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, applied_at TIMESTAMP NOT NULL)"}, nil
	}
	table := "CREATE TABLE IF NOT EXISTS ?schema.jet_migrations (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)"
	var n int
	if err := conn.NewRaw("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = ?", db.schema).Scan(ctx, &n); err != nil {
		return nil, err
	}
	if n > 0 {
		return []string{table}, nil
	}
	return []string{"CREATE SCHEMA ?schema", table}, nil
}

func (db *DB) lock(ctx context.Context, tx bun.IDB) error {
	if db.Dialect == SQLite {
		return nil // a transaction is the only writer already
	}
	_, err := tx.NewRaw("SELECT pg_advisory_xact_lock(?)", int64(migrationLock)).Exec(ctx)
	return err
}

// apply runs the statements of a file one by one: each ends with ";" at the end
// of a line.
func (db *DB) apply(ctx context.Context, tx bun.IDB, text string) error {
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.NewRaw(statement).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) named(text string) string { return db.QueryGen().FormatQuery(text) }

func (db *DB) status(ctx context.Context, conn bun.IDB) ([]Migration, error) {
	all, err := db.Migrations()
	if err != nil {
		return nil, err
	}
	applied, err := db.applied(ctx, conn)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if row, ok := applied[all[i].Number]; ok {
			all[i].AppliedAt = row.AppliedAt
			delete(applied, all[i].Number)
		}
	}
	for number, row := range applied {
		return nil, problem.Newf(problem.Conflict, "schema_newer",
			"the database schema has migration %03d_%s, which this build does not know", number, row.Name).
			Fix("run a build that is at least as new as the one that migrated this database")
	}
	return all, nil
}

type appliedRow struct {
	Number    int
	Name      string
	AppliedAt time.Time
}

func (db *DB) applied(ctx context.Context, conn bun.IDB) (map[int]appliedRow, error) {
	exists, err := db.hasTable(ctx, conn, "jet_migrations")
	if err != nil || !exists {
		return nil, err
	}
	var rows []appliedRow
	if err := conn.NewRaw("SELECT number, name, applied_at FROM ?schema.jet_migrations").Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("read the applied migrations: %w", err)
	}
	byNumber := make(map[int]appliedRow, len(rows))
	for _, row := range rows {
		byNumber[row.Number] = row
	}
	return byNumber, nil
}

// HasTable reports whether the schema has a table of the name.
func (db *DB) HasTable(ctx context.Context, name string) (bool, error) {
	return db.hasTable(ctx, db.DB, name)
}

func (db *DB) hasTable(ctx context.Context, conn bun.IDB, name string) (bool, error) {
	query := "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = ?"
	args := []any{db.schema, name}
	if db.Dialect == SQLite {
		query, args = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", []any{name}
	}
	var n int
	err := conn.NewRaw(query, args...).Scan(ctx, &n)
	return n > 0, err
}
