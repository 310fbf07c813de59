package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxConns       = 4
	idleTime       = time.Minute
	connectTimeout = 10 * time.Second
	penalty        = time.Minute
	cancelPatience = 2 * time.Second // then the connection is given up
)

// config is the connection of the declared fields and of nothing else (T81): it is
// never written as a DSN, and everything that is not named here is off.
func config(s datasource.Settings) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(s.String("host"), strconv.FormatInt(s.Int("port"), 10))
	cfg.User, cfg.Passwd, cfg.DBName = s.String("user"), s.Secret("password").Reveal(), s.String("database")
	cfg.Timeout = connectTimeout
	cfg.Logger = &mysql.NopLogger{} // a socket keeps its error itself
	return cfg
}

var (
	offset   = regexp.MustCompile(`^([+-])(0\d|1[0-4]):([0-5]\d)$`)
	zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

// zone reads an offset or the name of a time zone.
func zone(name string) (*time.Location, error) {
	if part := offset.FindStringSubmatch(name); part != nil {
		hours, _ := strconv.Atoi(part[2])
		minutes, _ := strconv.Atoi(part[3])
		seconds := hours*3600 + minutes*60
		if part[1] == "-" {
			seconds = -seconds
		}
		return time.FixedZone(name, seconds), nil
	}
	if name == "Local" || !zoneName.MatchString(name) { // the host's own zone is nobody's business
		return nil, errors.New("not a time zone")
	}
	return time.LoadLocation(name)
}

// server is where a datasource's connections go: a driver.Connector for the pool.
type server struct {
	*mysql.Config
	encrypt       *tls.Config // nil = not; the driver's own is off, see socket
	charset, zone string      // as SET takes them
	loc           *time.Location
	dial          func(ctx context.Context, network, address string) (net.Conn, error)
	barred        atomic.Pointer[time.Time] // no connection before
}

func newServer(s datasource.Settings) (*server, error) {
	name, charset := s.String("timezone"), "utf8mb4"
	if name == "" {
		name = "+00:00"
	}
	if s.String("charset") == "utf8" {
		charset = "utf8"
	}
	loc, err := zone(name)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "timezone_unknown", "this server does not know the time zone of the datasource").
			Fix("use an offset like +02:00").Because(err)
	}
	return &server{
		Config: config(s), encrypt: tlsmode.Config(s.String("sslmode"), s.String("host"), s.String("ca")),
		charset: charset, zone: name, loc: loc, dial: s.Egress.Dialer().DialContext,
	}, nil
}

// distrust keeps connections from a server at which the driver panicked, for a
// while: each such attempt leaves a goroutine of the driver behind, and nobody can
// end it.
func (s *server) distrust() {
	until := time.Now().Add(penalty)
	s.barred.Store(&until)
}

func (s *server) trusted() error {
	if until := s.barred.Load(); until != nil && time.Now().Before(*until) {
		return problem.New(problem.Upstream, "server_faulty", "the server does not keep to the protocol of MySQL").
			Fix("check host and port, and try again in a minute")
	}
	return nil
}
