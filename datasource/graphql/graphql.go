// Package graphql connects datasources to GraphQL APIs.
//
// The text of a query is constant; parameters fill the variables, as values of a
// JSON document. A text is read before it is saved: only one whose operations are
// all queries can be run without being marked as writing, and how deep and how
// wide it is has a limit. Requests are sent and authenticated as those of package
// rest.
package graphql

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "graphql".
func Connector() datasource.Connector { return connector{} }

type connector struct{}

func (connector) Spec() datasource.Spec {
	fields := []datasource.Field{
		{Name: "endpoint", Title: "Endpoint", Type: datasource.FieldString, Required: true, Target: true, Description: "The URL that queries are posted to."},
		{Name: "headers", Title: "Headers", Type: datasource.FieldMap, Description: "Sent with every request. Everybody who may read the datasource sees them."},
	}
	return datasource.Spec{
		Type:        "graphql",
		Title:       "GraphQL",
		Description: "A GraphQL API over HTTP.",
		Fields:      slices.Concat(fields, httpapi.AuthFields()),
		Operation:   json.RawMessage(operationSchema),
		Abilities:   datasource.Abilities{Exec: true, Introspect: true},
	}
}

// CheckSettings refuses URLs that are not one plain origin and path, credentials
// that are missing, and headers that are not the datasource's to set.
func (connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	httpapi.CheckSettings(s, "endpoint", &faults)
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	api, err := httpapi.Open(s, "endpoint")
	if err != nil {
		return nil, err
	}
	return &conn{api}, nil
}

// Probe resolves the host, then sends the smallest query there is.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	base, err := httpapi.ParseURL(s.String("endpoint"))
	httpapi.Probe(ctx, base, err, s.Egress, func() (datasource.Conn, error) { return c.Open(ctx, s) }, step)
}
