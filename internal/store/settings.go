package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jetadmin/jetadmin/problem"
)

// RequireSettings is nil when the connections of the pool work as the platform
// needs it, else Invalid with every fault and the remedy. Only SQLite has
// settings of a connection that matter: see [OpenSQLite].
func (db *DB) RequireSettings(ctx context.Context) error {
	if db.Dialect != SQLite {
		return nil
	}
	var faults problem.Faults
	first, err := db.DB.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer first.Close()
	if err := settingsOf(ctx, first, &faults); err != nil {
		return err
	}
	// A pragma that was set by hand is one of one connection. The second is asked
	// while the first is held: it is another.
	if len(faults.List()) == 0 && db.Stats().MaxOpenConnections != 1 {
		second, err := db.DB.DB.Conn(ctx)
		if err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
		defer second.Close()
		if err := settingsOf(ctx, second, &faults); err != nil {
			return err
		}
	}
	if err := faults.Err("database_settings", "the SQLite pool is not opened as it must be"); err != nil {
		return problem.Of(err).Fix("open it with jetadmin.OpenSQLite, or with _txlock=immediate and " +
			"the pragmas busy_timeout(10000), journal_mode(WAL), synchronous(FULL), foreign_keys(ON) for every connection")
	}
	return nil
}

const leastBusyTimeout = 1000 // ms

func settingsOf(ctx context.Context, conn *sql.Conn, faults *problem.Faults) error {
	var journal string
	var foreignKeys bool
	var busyTimeout int
	for pragma, value := range map[string]any{"journal_mode": &journal, "foreign_keys": &foreignKeys, "busy_timeout": &busyTimeout} {
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(value); err != nil {
			return fmt.Errorf("read the pragma %s: %w", pragma, err)
		}
	}
	faults.Check(journal == "wal", "journal_mode", "must be WAL: readers wait for writers otherwise")
	faults.Check(foreignKeys, "foreign_keys", "must be ON: rows would lose what they refer to")
	faults.Check(busyTimeout >= leastBusyTimeout, "busy_timeout", "must be at least a second: writers would fail instead of taking turns")
	if journal != "wal" {
		return nil // what follows cannot be seen
	}
	writes, err := beginsAsWriter(ctx, conn)
	faults.Check(writes, "_txlock", "must be immediate: two transactions that read and then write would fail")
	return err
}

// beginsAsWriter reports whether a transaction takes the lock for writing when it
// begins. SQLite does not say it; but it moves the log of a database into its
// file for everybody except a connection that is writing.
func beginsAsWriter(ctx context.Context, conn *sql.Conn) (bool, error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	var busy, inLog, moved int
	err = tx.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &inLog, &moved)
	if sqliteCode(err)&0xff == sqliteLocked {
		return true, nil
	}
	return false, err
}
