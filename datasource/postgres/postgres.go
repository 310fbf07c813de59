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
	"regexp"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "postgres".
func Connector() datasource.Connector { return connector{dialect: template.PostgreSQL()} }

type connector struct{ dialect template.Dialect }

// The values of the field "sslmode".
const (
	sslDisable    = "disable"
	sslRequire    = "require"     // encrypted, the server's certificate is not checked
	sslVerifyFull = "verify-full" // encrypted, certificate and host name checked
)

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
				Enum: []string{sslDisable, sslRequire, sslVerifyFull}, Default: sslRequire,
				Description: "require encrypts; verify-full also checks who the server is.",
			},
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

// hostName leaves out socket paths, lists of hosts and everything else that a
// connection string would read as more than one name.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$|^::1?$`)

// CheckSettings refuses hosts that are more than the name or address of one.
func (c connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	faults.Check(hostName.MatchString(s.String("host")), "settings.host", "must be one host name or address")
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c connector) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	cfg, err := poolConfig(s)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	return &conn{pool: pool, known: map[string]bool{}}, nil
}
