package service

import (
	"context"
	"errors"
	"net/http"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

const maxPing = 1 << 20

// conn is a service that is only read.
type conn struct {
	*connector
	api      *httpapi.API
	settings datasource.Settings
}

// writer is a service that can be changed, too.
type writer struct{ *conn }

// Exec runs any operation.
func (w writer) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	return w.run(ctx, s)
}

// Query runs an operation that changes nothing.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	if s.Operation.(*query).writes {
		return nil, datasource.NotWriting("the operation writes, but the query is not marked as writing", "", nil)
	}
	return c.run(ctx, s)
}

func (c *conn) run(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	q := s.Operation.(*query)
	args, err := q.values(s.Params)
	if err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, q.operation, args, s.MaxBytes)
	if err != nil {
		return nil, err
	}
	rows := func() (datasource.Rows, error) { return q.read(answer.Body, s.MaxRows) }
	if q.writes {
		return httpapi.Written(answer.Body, rows)
	}
	return rows()
}

// send gives an answer that says yes.
func (c *conn) send(ctx context.Context, op *operation, args map[string]any, limit int64) (*httpapi.Answer, error) {
	call, err := op.request.Fill(c.api.Base(), func(name string) any {
		if v, ok := args[name]; ok {
			return v
		}
		return c.settings.Values[name]
	}, "args")
	if err != nil {
		return nil, err
	}
	call.Writes = op.writes
	answer, err := c.api.Send(ctx, call, limit)
	if err != nil {
		return nil, err
	}
	return answer, c.failure.of(c.api, answer)
}

// Ping runs the operation of the spec that shows that the credentials are good.
func (c *conn) Ping(ctx context.Context) error {
	args, err := c.ping.bound(map[string]any{})
	if err != nil {
		return err
	}
	answer, err := c.send(ctx, c.ping, args, maxPing)
	refusal, refused := errors.AsType[*datasource.StatementError](err)
	switch {
	case !refused:
		return err
	case answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden || !answer.Failed():
		return problem.Of(httpapi.CredentialsRefused()).Because(refusal)
	}
	return problem.New(problem.Upstream, "ping_refused", "the service does not answer as expected").
		Fix("check the settings of the datasource").Because(refusal)
}

func (c *conn) Close() error { return c.api.Close() }
