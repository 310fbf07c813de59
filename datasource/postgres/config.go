package postgres

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxConns       = 4
	idleTime       = time.Minute
	connectTimeout = 10 * time.Second
	cancelPatience = 2 * time.Second // then the connection is given up
	maxMessage     = 64 << 20        // bytes of one row from the server
)

// blank names every key that the environment or a file could fill in, so that
// nothing of the host's own set-up gets into a tenant's connection: pgx makes a
// config only from a connection string. Each value is overwritten afterwards.
const blank = "host=unset port=5432 database=unset user=unset password=unset passfile='' connect_timeout=10 " +
	"sslmode=disable sslkey='' sslcert='' sslcertmode=disable sslsni=1 sslrootcert='' sslpassword='' sslnegotiation=postgres " +
	"target_session_attrs=any application_name='' timezone='' options='' " +
	"min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=''"

// poolConfig is the connection of the declared fields and of nothing else (T81).
func poolConfig(s datasource.Settings) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(blank)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "postgres_unavailable", "PostgreSQL datasources cannot be opened on this server").
			Fix("unset PGSERVICE in the environment of the server").Because(err)
	}
	cfg.MaxConns, cfg.MaxConnIdleTime = maxConns, idleTime
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, sessionStart).ReadAll()
		return err
	}
	c := cfg.ConnConfig
	c.Host, c.Port, c.Fallbacks = s.String("host"), uint16(s.Int("port")), nil
	c.Database, c.User, c.Password = s.String("database"), s.String("user"), s.Secret("password").Reveal()
	c.TLSConfig = tlsConfig(s)
	c.RuntimeParams = map[string]string{"application_name": "jetadmin", "timezone": "UTC", "datestyle": "ISO", "client_encoding": "UTF8"}
	c.ConnectTimeout = connectTimeout
	c.DialFunc = (&dialer{policy: s.Egress, reached: map[string]bool{}}).dial
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the dialer resolves, and judges what it connects to
	c.MaxProtocolMessageBodyLen = maxMessage
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: cancelPatience}
	}
	return cfg, nil
}

// dialer dials by the policy, and once more to where it led: a cancel request
// goes to the address of the connection, which a policy that allows the host by
// its name would not let pass.
type dialer struct {
	policy egress.Policy

	mu      sync.Mutex
	reached map[string]bool // addresses of connections, as "ip:port"
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	policy := d.policy
	d.mu.Lock()
	if d.reached[address] {
		policy.AllowHosts = append(slices.Clone(policy.AllowHosts), address)
	}
	d.mu.Unlock()
	conn, err := policy.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reached[conn.RemoteAddr().String()] = true
	return conn, nil
}

func tlsConfig(s datasource.Settings) *tls.Config {
	switch s.String("sslmode") {
	case sslDisable:
		return nil
	case sslVerifyFull:
		return &tls.Config{ServerName: s.String("host"), MinVersion: tls.VersionTLS12}
	}
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // what "require" means everywhere
}
