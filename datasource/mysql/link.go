package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// wire is all that the pool asks of a connection of the driver.
type wire interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// link is one connection.
type link struct {
	wire
	server   *server
	socket   *socket
	id       uint64 // what KILL calls it
	instance string // which server it is, of those behind one address
	mariadb  bool
	limit    time.Duration   // what the session's statements may take, 0 = not set
	faulty   bool            // the driver panicked
	known    map[string]bool // texts that the server read: whether as a query
}

// Connect opens a connection for the pool.
func (s *server) Connect(ctx context.Context) (driver.Conn, error) {
	l, err := s.open(ctx, "")
	if err != nil {
		return nil, err // not a nil *link
	}
	return l, nil
}

// Driver is that of the connections.
func (s *server) Driver() driver.Driver { return mysql.MySQLDriver{} }

// open connects and signs in, to the given address where it is not empty.
func (s *server) open(ctx context.Context, address string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	l := &link{server: s, known: map[string]bool{}}
	err := s.trusted()
	if err == nil {
		err = l.connect(ctx, address)
	}
	if err == nil {
		return l, nil
	}
	if l.socket != nil {
		err = l.socket.why(err)
		_ = l.socket.Close()
	}
	l.release()
	if errors.Is(err, errPanic) {
		s.distrust()
	}
	return nil, errors.Join(err, ctx.Err())
}

// release ends what the driver has of a connection whose socket is closed.
func (l *link) release() {
	if l.wire != nil {
		_ = l.Close()
	}
}

func (l *link) connect(ctx context.Context, address string) (err error) {
	defer contain(&err)
	cfg := l.server.Config.Clone()
	var used *mysql.Config // by the driver for this connection
	err = cfg.Apply(mysql.BeforeConnect(func(_ context.Context, cfg *mysql.Config) error {
		used = cfg
		return nil
	}))
	if err != nil {
		return err
	}
	cfg.DialFunc = func(ctx context.Context, network, named string) (net.Conn, error) {
		if address != "" {
			named = address
		}
		conn, err := l.server.dial(ctx, network, named)
		if err != nil {
			return nil, err
		}
		// Some ways to authenticate send the password when the driver reads there
		// that the connection is encrypted.
		l.socket = newSocket(conn, l.server.encrypt, func() { used.TLS = l.server.encrypt })
		return l.socket, nil
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	l.wire = conn.(wire)
	return l.start(ctx)
}

// start makes the session what the connector reads and learns who answers.
func (l *link) start(ctx context.Context) error {
	// Both are from fixed sets: see newServer.
	if _, err := l.ExecContext(ctx, "SET NAMES "+l.server.charset+", time_zone = '"+l.server.zone+"'", nil); err != nil {
		return err
	}
	rows, err := l.ask(ctx, "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@server_id), VERSION()", 1)
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return errors.New("the server does not say who it is")
	}
	l.instance, l.mariadb = rows[0][1], strings.Contains(rows[0][2], "MariaDB")
	l.id, err = strconv.ParseUint(rows[0][0], 10, 64)
	return err
}

// ask reads at most so many rows of a constant statement as text. The driver no
// longer watches the context when it reads the rest.
func (l *link) ask(ctx context.Context, statement string, limit int) ([][]string, error) {
	defer context.AfterFunc(ctx, func() { _ = l.socket.Close() })()
	rows, err := l.QueryContext(ctx, statement, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]string
	values := make([]driver.Value, len(rows.Columns()))
	for len(all) < limit {
		if err := rows.Next(values); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				row[i] = string(b)
			} else if v != nil {
				row[i] = fmt.Sprint(v)
			}
		}
		all = append(all, row)
	}
	return all, nil
}

// kill has the server end the link with its statement, over a second connection to
// the same address: of the end of a statement alone it forgets when the statement
// does not run yet. Behind an address may be several servers: another one's
// connection of that number is left alone.
func (l *link) kill(ctx context.Context) (err error) {
	defer contain(&err)
	other, err := l.server.open(ctx, l.socket.RemoteAddr().String())
	if err != nil {
		return err
	}
	defer other.Close()
	if other.instance != l.instance {
		return errors.New("the address led to another server")
	}
	_, err = other.ExecContext(ctx, "KILL "+strconv.FormatUint(l.id, 10), nil)
	return err
}
