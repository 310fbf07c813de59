package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/jetadmin/jetadmin/internal/ownfile"
)

// Wrap puts something (tracing, a check) between a pool and its driver. It must
// hand on the driver's optional interfaces and its Driver, see [Detect].
type Wrap func(driver.Connector) driver.Connector

// OpenSQLite opens a database file, made when it is not there, with the settings
// that a committed transaction needs to survive a kill and a power loss: WAL and
// synchronous=FULL. It opens the file to find out whether it can.
func OpenSQLite(ctx context.Context, path string, wraps ...Wrap) (*sql.DB, error) {
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("make the database file: %w", err)
	}
	q := url.Values{}
	q.Set("_txlock", "immediate")
	for _, pragma := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"} {
		q.Add("_pragma", pragma)
	}
	connector, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(wrapped(patient{connector}, wraps))
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	return db, nil
}

// OpenPostgres opens a pool for a DSN, without making a connection yet.
//
// A statement that has arguments is prepared once a connection, unless the DSN
// says otherwise with default_query_exec_mode, as it should behind a pooler that
// cannot keep prepared statements. One without, which has them in its text, is
// sent as it is: bun's texts are all different, and preparing each would cost a
// round trip and fill the server's memory for nothing.
func OpenPostgres(dsn string, wraps ...Wrap) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the PostgreSQL DSN: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	connector := stdlib.GetConnector(*cfg)
	if cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		connector = plainTexts{connector}
	}
	db := sql.OpenDB(wrapped(connector, wraps))
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// plainTexts sends statements without arguments unprepared.
type plainTexts struct{ driver.Connector }

func (p plainTexts) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return plainTextConn{conn.(*stdlib.Conn)}, nil
}

type plainTextConn struct{ *pgxConn }

type pgxConn = stdlib.Conn // named so that its method Conn is not hidden

func (c plainTextConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.pgxConn.QueryContext(ctx, query, plain(args))
}

func (c plainTextConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.pgxConn.ExecContext(ctx, query, plain(args))
}

func plain(args []driver.NamedValue) []driver.NamedValue {
	if len(args) > 0 {
		return args
	}
	return []driver.NamedValue{{Ordinal: 1, Value: pgx.QueryExecModeExec}}
}

// makeFile makes a file that only its owner can read, where there is none. SQLite
// gives its log the same rights; by itself it would let everybody read both.
func makeFile(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = ownfile.Create(path, nil)
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return err
}

const (
	openPatience = 10 * time.Second
	openPause    = 5 * time.Millisecond
)

// patient tries again to open a database file that is busy. Switching a new file
// to WAL needs it alone, and SQLite does not wait for that with busy_timeout: the
// processes that start together on one file would trip over each other.
type patient struct{ driver.Connector }

func (p patient) Connect(ctx context.Context) (driver.Conn, error) {
	for until := time.Now().Add(openPatience); ; {
		conn, err := p.Connector.Connect(ctx)
		if err == nil || !isTransient(err) || time.Now().After(until) {
			return conn, err
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func wrapped(c driver.Connector, wraps []Wrap) driver.Connector {
	for _, wrap := range wraps {
		c = wrap(c)
	}
	return c
}
