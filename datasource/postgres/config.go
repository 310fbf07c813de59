package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxConns       = 4
	idleTime       = time.Minute
	connectTimeout = 10 * time.Second
	maxMessage     = 64 << 20 // bytes of one row from the server
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
	c := cfg.ConnConfig
	c.Host, c.Port, c.Fallbacks = s.String("host"), uint16(s.Int("port")), nil
	c.Database, c.User, c.Password = s.String("database"), s.String("user"), s.Secret("password").Reveal()
	c.TLSConfig = tlsmode.Config(s.String("sslmode"), s.String("host"), s.String("ca"))
	c.RuntimeParams = map[string]string{"application_name": "jetadmin", "timezone": "UTC", "datestyle": "ISO", "client_encoding": "UTF8"}
	c.ConnectTimeout = connectTimeout
	c.DialFunc = s.Egress.Dialer().DialContext
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the dialer resolves, and judges what it connects to
	c.MaxProtocolMessageBodyLen = maxMessage
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: pg}
	}
	return cfg, nil
}
