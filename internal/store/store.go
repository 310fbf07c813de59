// Package store is the platform's own database: bun on PostgreSQL or SQLite,
// transactions, the schema's migrations, and the few places in which the two
// dialects differ.
//
// Packages keep their SQL in plain functions that take a [bun.IDB], so that the
// same function works alone and inside a transaction. A service method is:
// begin ([DB.InTx]), call such functions, commit.
//
// bun writes arguments into the text of a statement, properly quoted. Log the
// template of a statement, never the text that was sent.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/uptrace/bun"
)

// DB is a pool with a dialect and a schema. It is safe for concurrent use.
type DB struct {
	*bun.DB
	Dialect Dialect

	schema string
	writer chan struct{} // SQLite has one writer: queue for it here, in order, instead of polling for its lock
}

// New wraps a pool. schema is the PostgreSQL schema of the tables, "public"
// when empty; SQLite has only "main".
func New(pool *sql.DB, dialect Dialect, schema string) (*DB, error) {
	d, err := dialect.bun()
	if err != nil {
		return nil, err
	}
	switch {
	case dialect == SQLite:
		schema = "main"
	case schema == "":
		schema = "public"
	}
	if !plainName.MatchString(schema) {
		return nil, errors.New("the name of a schema is 1 to 63 lower-case letters, digits and underscores, and begins with a letter")
	}
	db := &DB{
		DB:      bun.NewDB(pool, d).WithNamedArg("schema", bun.Safe(schema)),
		Dialect: dialect,
		schema:  schema,
	}
	if dialect == SQLite {
		db.writer = make(chan struct{}, 1)
	}
	return db, nil
}

// plainName needs no quotes in SQL, and PostgreSQL does not cut it off. bun puts
// quotes around the schema of a model's table, statements in text have none: so
// the name must read the same with and without.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// Schema is the name of the schema that holds the tables.
func (db *DB) Schema() string { return db.schema }

const (
	txAttempts = 5
	txPause    = 5 * time.Millisecond
)

// InTx runs fn in a transaction: committed when fn returns nil, rolled back
// otherwise. A transaction that the database gave up for another's sake
// (deadlock, serialization, busy) is run again, so fn must not change anything
// but the database.
//
// fn must use tx and nothing else of the database: on SQLite a second
// connection would wait for the first.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx bun.IDB) error) error {
	done, err := db.inTx(ctx, fn)
	if err == nil {
		done.run()
	}
	return err
}

// inTx returns what waits for the commit, which is over.
func (db *DB) inTx(ctx context.Context, fn func(ctx context.Context, tx bun.IDB) error) (*commits, error) {
	if db.writer != nil {
		select {
		case db.writer <- struct{}{}:
			defer func() { <-db.writer }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for attempt := 1; ; attempt++ {
		done := &commits{}
		err := db.RunInTx(context.WithValue(ctx, commitKey{}, done), nil, func(ctx context.Context, tx bun.Tx) error { return fn(ctx, tx) })
		if err == nil || attempt == txAttempts || !isTransient(err) {
			return done, err
		}
		select {
		case <-time.After(txPause << attempt):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Joined gives the platform's statements a transaction that somebody else began
// on the same database and will end: what is written is kept or dropped with it.
func (db *DB) Joined(tx *sql.Tx) bun.IDB { return joined{DB: db.DB, tx: tx} }

// Changed turns the result of an UPDATE or DELETE into the number of rows.
func Changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count changed rows: %w", err)
	}
	return n, nil
}
