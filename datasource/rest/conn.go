package rest

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
)

// conn is an API with a client of its own.
type conn struct{ api *httpapi.API }

// Ping asks for the base URL. Any answer is a sign of life, but for one that
// refuses the credentials.
func (c *conn) Ping(ctx context.Context) error {
	return c.api.Ping(ctx, &httpapi.Call{Method: http.MethodGet, URL: c.api.Base()})
}

func (c *conn) Close() error { return c.api.Close() }

// Query sends a GET or HEAD request.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	if op.Writes() {
		return nil, datasource.NotWriting("a "+op.Method()+" request can write, but the query is not marked as writing", "", nil)
	}
	return c.Exec(ctx, s)
}

// Exec sends any request.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	call, err := op.Fill(c.api.Base(), func(name string) any { return s.Params[name] }, "params")
	if err != nil {
		return nil, err
	}
	call.Writes = op.Writes()
	answer, err := c.api.Send(ctx, call, s.MaxBytes)
	if err != nil {
		return nil, err
	}
	if answer.Failed() {
		return nil, c.api.Refusal(answer, "", answer.Code())
	}
	rows := func() (datasource.Rows, error) { return httpapi.Rows(answer.Body, op.rows, s.MaxRows) }
	if op.Writes() {
		return httpapi.Written(answer.Body, rows)
	}
	return rows()
}
