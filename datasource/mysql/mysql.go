// Package mysql connects datasources to MySQL, MariaDB and what speaks their
// protocol.
//
// A query runs as one prepared statement in a transaction of its own. Unless it
// is marked as writing, the transaction is READ ONLY and always rolled back, and
// the server must read the statement as a query expression: CALL and compound
// statements could end the transaction and write, SELECT … INTO OUTFILE writes a
// file in any.
//
// A host that registers files or readers with the driver (RegisterLocalFile,
// RegisterReaderHandler) offers them to every server that the process connects
// to; this package registers none, and does not tell servers that it could send
// files.
package mysql

import (
	"context"
	"encoding/json"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "mysql".
func Connector() datasource.Connector { return connector{dialect: template.MySQL()} }

type connector struct{ dialect template.Dialect }

func (c connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "mysql",
		Title:       "MySQL and MariaDB",
		Description: "MySQL from 5.7 on, MariaDB from 10.2 on, and databases that speak their protocol.",
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "port", Title: "Port", Type: datasource.FieldInteger, Default: int64(3306), Min: 1, Max: 65535, Target: true},
			{Name: "database", Title: "Database", Type: datasource.FieldString, Target: true, Description: "Where names without a database belong; empty = the queries name it."},
			{Name: "user", Title: "User", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
			{
				Name: "sslmode", Title: "Encryption", Type: datasource.FieldString, Target: true,
				Enum: tlsmode.Modes(), Default: tlsmode.Require,
				Description: "require encrypts; verify-full also checks who the server is.",
			},
			{Name: "ca", Title: "Certificate authority", Type: datasource.FieldText, Target: true, Description: "For verify-full: the certificates to trust, in PEM form; empty = those of the system."},
			{
				Name: "timezone", Title: "Time zone", Type: datasource.FieldString, Default: "+00:00",
				Description: "The zone of DATETIME values and of NOW(): an offset like +02:00, or a name like Europe/Berlin that the server knows, too.",
			},
			{
				Name: "charset", Title: "Character set", Type: datasource.FieldString, Enum: []string{"utf8mb4", "utf8"}, Default: "utf8mb4",
				Description: "What is sent over the connection; utf8 is for servers that do not know utf8mb4.",
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

// CheckSettings refuses hosts that are more than the name or address of one, time
// zones that nobody knows, and certificates that are none.
func (c connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	faults.Check(egress.IsHost(s.String("host")), "settings.host", "must be one host name or address")
	_, err := zone(s.String("timezone"))
	faults.Check(err == nil, "settings.timezone", "must be an offset like +02:00 or a name like Europe/Berlin")
	if ca := s.String("ca"); ca != "" {
		faults.Check(tlsmode.IsCA(ca), "settings.ca", "must hold a certificate in PEM form")
		faults.Check(s.String("sslmode") == tlsmode.VerifyFull, "settings.ca", "has an effect only with sslmode verify-full")
	}
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	server, err := newServer(s)
	if err != nil {
		return nil, err
	}
	return newConn(server), nil
}
