// Package postgres connects datasources to PostgreSQL and what speaks its
// protocol.
//
// A query runs as one statement of the extended protocol in a transaction of its
// own. Unless it is marked as writing, the transaction is READ ONLY and always
// rolled back, and the server must describe the statement as one that gives
// rows back, which COPY, DO, SET, LISTEN and the like are not.
package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
	"github.com/jetadmin/jetadmin/problem"
)

// Config says what no datasource may reach.
type Config struct {
	// Fenced gives tables by name with their OIDs, asked for each new connection. A
	// datasource whose user has a right on one of them is refused (own_database).
	// nil = none. It must be safe for concurrent use.
	Fenced func(ctx context.Context) (map[string]uint32, error)
}

// Connector makes the connector of the type "postgres".
func Connector(cfg Config) datasource.Connector {
	return connector{Config: cfg, dialect: template.PostgreSQL()}
}

type connector struct {
	Config
	dialect template.Dialect
}

func (c connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "postgres",
		Title:       "PostgreSQL",
		Description: "PostgreSQL and databases that speak its protocol.",
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "port", Title: "Port", Type: datasource.FieldInteger, Default: int64(5432), Min: 1, Max: 65535, Target: true},
			{Name: "database", Title: "Database", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "user", Title: "User", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
			{
				Name: "sslmode", Title: "Encryption", Type: datasource.FieldString, Target: true,
				Enum: tlsmode.Modes(), Default: tlsmode.Require,
				Description: "require encrypts; verify-full also checks who the server is.",
			},
			{Name: "ca", Title: "Certificate authority", Type: datasource.FieldText, Target: true, Description: "For verify-full: the certificates to trust, in PEM form; empty = those of the system."},
		},
		Operation: template.SQLOperation(),
		Abilities: datasource.Abilities{Exec: true, Introspect: true, Explain: true},
	}
}

func (c connector) Parse(operation json.RawMessage) (datasource.Operation, error) {
	statement, err := template.ParseStatement(operation, c.dialect)
	if err != nil {
		return nil, err
	}
	return statement, nil
}

// CheckSettings refuses hosts that are more than the name or address of one, and
// certificates that are none.
func (c connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	faults.Check(egress.IsHost(s.String("host")), "settings.host", "must be one host name or address")
	if ca := s.String("ca"); ca != "" {
		faults.Check(tlsmode.IsCA(ca), "settings.ca", "must hold a certificate in PEM form")
		faults.Check(s.String("sslmode") == tlsmode.VerifyFull, "settings.ca", "has an effect only with sslmode verify-full")
	}
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c connector) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	cfg, err := poolConfig(s)
	if err != nil {
		return nil, err
	}
	cfg.AfterConnect = c.begin
	cfg.MaxConnLifetime = connLifetime
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	return &conn{pool: pool, known: map[string]bool{}}, nil
}

// connLifetime is how long a connection is used before the fence looks again: rights
// that its user is given later are found by then.
const connLifetime = 5 * time.Minute

// begin readies a new connection.
func (c connector) begin(ctx context.Context, conn *pgx.Conn) error {
	if err := c.fence(ctx, conn); err != nil {
		return err
	}
	_, err := conn.PgConn().Exec(ctx, sessionStart).ReadAll()
	return err
}
