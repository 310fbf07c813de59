package graphql

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
)

// conn is an API with a client of its own.
type conn struct{ api *httpapi.API }

// Ping asks for the name of the type that queries begin with: every GraphQL API
// knows it.
func (c *conn) Ping(ctx context.Context) error {
	body, err := json.Marshal(request{Query: "{ __typename }"})
	if err != nil {
		return err
	}
	answer, err := c.api.Send(ctx, c.call(body), maxPing)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden {
		return httpapi.CredentialsRefused()
	}
	_, err = c.data(answer, "")
	return publicly(err)
}

func (c *conn) Close() error { return c.api.Close() }

// Query runs a text whose operations are all queries.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	if s.Operation.(*operation).writes {
		return nil, datasource.NotWriting("a mutation can write, but the query is not marked as writing", "", nil)
	}
	return c.Exec(ctx, s)
}

// Exec runs any text.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	body, err := op.body(s.Params)
	if err != nil {
		return nil, err
	}
	call := c.call(body)
	call.Writes = op.writes
	data, err := c.send(ctx, call, op.text, s.MaxBytes)
	if err != nil {
		return nil, err
	}
	read := func() (datasource.Rows, error) { return rows(data, op.rows, s.MaxRows) }
	if op.writes {
		return httpapi.Written(data, read)
	}
	return read()
}

// post sends a request and gives what the answer has in data.
func (c *conn) post(ctx context.Context, body []byte, text string, limit int64) (json.RawMessage, error) {
	return c.send(ctx, c.call(body), text, limit)
}

func (c *conn) send(ctx context.Context, call *httpapi.Call, text string, limit int64) (json.RawMessage, error) {
	answer, err := c.api.Send(ctx, call, limit)
	if err != nil {
		return nil, err
	}
	return c.data(answer, text)
}

func (c *conn) call(body []byte) *httpapi.Call {
	return &httpapi.Call{Method: http.MethodPost, URL: c.api.Base(), Body: body, Header: http.Header{
		"Accept":       {"application/graphql-response+json, application/json"},
		"Content-Type": {"application/json"},
	}}
}
