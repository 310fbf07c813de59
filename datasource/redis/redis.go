// Package redis connects datasources to Redis, Valkey and what speaks their
// protocol, as single servers.
//
// An operation is one command of a list, with its arguments as templates. A
// parameter fills an argument or a part of one and stays in it; a list that fills a
// whole argument becomes one argument for each element. In a query that is not
// marked as writing the server, too, must call the command one that only reads
// (COMMAND INFO), where it answers that.
//
// An answer is read up to the byte limit of the query; a larger one is refused and
// the connection closed, because Redis sends answers whole. Commands that read a
// part (GETRANGE, LRANGE, HSCAN, SSCAN, ZRANGE … LIMIT, XRANGE … COUNT) are the
// remedy.
package redis

import (
	"context"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "redis".
func Connector(cfg Config) datasource.Connector { return connector{cfg} }

type connector struct{ Config }

func (connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "redis",
		Title:       "Redis",
		Description: "Redis from 5 on, Valkey, and servers that speak their protocol. Not a cluster.",
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "port", Title: "Port", Type: datasource.FieldInteger, Default: int64(6379), Min: 1, Max: 65535, Target: true},
			{Name: "user", Title: "User", Type: datasource.FieldString, Target: true, Description: "Empty = the default user."},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
			{Name: "db", Title: "Database", Type: datasource.FieldInteger, Default: int64(0), Max: 1 << 20, Target: true},
			{
				Name: "sslmode", Title: "Encryption", Type: datasource.FieldString, Target: true,
				Enum: tlsmode.Modes(), Default: tlsmode.Require,
				Description: "require encrypts; verify-full also checks who the server is.",
			},
			{Name: "ca", Title: "Certificate authority", Type: datasource.FieldText, Target: true, Description: "For verify-full: the certificates to trust, in PEM form; empty = those of the system."},
		},
		Operation: operationSchema(),
		Abilities: datasource.Abilities{Exec: true, Introspect: true},
	}
}

// CheckSettings refuses hosts that are more than the name or address of one, and
// certificates that are none.
func (connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	faults.Check(egress.IsHost(s.String("host")), "settings.host", "must be one host name or address")
	faults.Check(s.String("user") == "" || !s.Secret("password").Empty(), "secrets.password", "is required with a user, and must be entered again when the connection changes")
	if ca := s.String("ca"); ca != "" {
		faults.Check(tlsmode.IsCA(ca), "settings.ca", "must hold a certificate in PEM form")
		faults.Check(s.String("sslmode") == tlsmode.VerifyFull, "settings.ca", "has an effect only with sslmode verify-full")
	}
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	return newConn(c.Config, s), nil
}
