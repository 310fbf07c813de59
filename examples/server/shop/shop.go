// Package shop is the sample data of the server example: a database of a shop
// that sells food and kitchen ware all over the world, queries on it, and a
// workflow that uses one.
//
// The database is the same every time, down to the last row, so that what the
// documentation shows is what everybody gets. It has what real data has: nulls,
// exact decimals, dates, times and names in many scripts.
package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The sizes of the tables.
const (
	Customers = 500
	Products  = 120
	Orders    = 10_000
)

// Create makes the database as a SQLite file at path, whose folder is there. It
// replaces a file that has the name already. The file is written under another
// name first: when Create is interrupted, there is no half database at path.
func Create(ctx context.Context, path string) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make the sample database: %w", err)
	}
	err := write(ctx, temp)
	if err == nil {
		err = settle(temp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make the sample database: %w", err), os.RemoveAll(temp))
	}
	return nil
}

// settle makes sure that the file is on the disk before it gets its name.
func settle(temp, path string) error {
	for _, step := range []func() error{
		func() error { return flush(temp) },
		func() error { return os.Rename(temp, path) },
		func() error { return flush(filepath.Dir(path)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// write fills a new file in one transaction. It leaves safety to settle, so
// SQLite needs no journal.
func write(ctx context.Context, path string) (err error) {
	q := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "foreign_keys(ON)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	for _, t := range invent() {
		if err := t.insert(ctx, tx); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	return tx.Commit()
}
