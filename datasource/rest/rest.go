// Package rest connects datasources to HTTP APIs that answer in JSON.
//
// A parameter fills one value in the path, the query, a header, a form or the
// JSON body of a request and is escaped for its place; it never adds a path
// segment, a header or a key. Requests go out through the server's egress policy
// and carry the credentials of the datasource, never those of a caller.
//
// The connector is a [datasource.Importer]: it reads OpenAPI documents.
package rest

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/datasource/internal/openapi"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "rest".
func Connector() datasource.Connector { return connector{} }

type connector struct{}

func (connector) Spec() datasource.Spec {
	fields := []datasource.Field{
		{Name: "baseUrl", Title: "Base URL", Type: datasource.FieldString, Required: true, Target: true, Description: "What the paths of queries are appended to."},
		{Name: "headers", Title: "Headers", Type: datasource.FieldMap, Description: "Sent with every request. Everybody who may read the datasource sees them."},
	}
	return datasource.Spec{
		Type:        "rest",
		Title:       "REST API",
		Description: "An HTTP API that answers in JSON.",
		Fields:      slices.Concat(fields, httpapi.AuthFields()),
		Operation:   json.RawMessage(operationSchema),
		Abilities:   datasource.Abilities{Exec: true},
	}
}

// CheckSettings refuses URLs that are not one plain origin and path, credentials
// that are missing, and headers that are not the datasource's to set.
func (connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	httpapi.CheckSettings(s, "baseUrl", &faults)
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	api, err := httpapi.Open(s, "baseUrl")
	if err != nil {
		return nil, err
	}
	return &conn{api}, nil
}

// Probe resolves the host, then sends one request to the base URL.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	base, err := httpapi.ParseURL(s.String("baseUrl"))
	httpapi.Probe(ctx, base, err, s.Egress, func() (datasource.Conn, error) { return c.Open(ctx, s) }, step)
}

// Import reads an OpenAPI document of version 3.0 or 3.1, in JSON or YAML.
func (connector) Import(document []byte) (datasource.Import, error) { return openapi.Read(document) }
