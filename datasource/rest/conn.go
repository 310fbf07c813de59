package rest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// conn is an API with a client of its own.
type conn struct {
	base     *url.URL
	settings datasource.Settings
	client   *http.Client
	closed   atomic.Bool
}

// do sends a request while the conn is open.
func (c *conn) do(r *http.Request) (*http.Response, error) {
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	return c.client.Do(r)
}

// Ping asks for the base URL. Any answer is a sign of life, but for one that
// refuses the credentials.
func (c *conn) Ping(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String(), nil)
	if err != nil {
		return errBaseURL()
	}
	c.authenticate(r)
	reply, err := c.do(r)
	if err != nil {
		return connectError(err)
	}
	_ = reply.Body.Close()
	if reply.StatusCode == http.StatusUnauthorized || reply.StatusCode == http.StatusForbidden {
		return problem.New(problem.Upstream, "credentials_refused", "the API refused the credentials").Fix("check the authentication of the datasource")
	}
	return nil
}

func (c *conn) Close() error {
	c.closed.Store(true)
	c.client.CloseIdleConnections()
	return nil
}

// Query sends a GET or HEAD request.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op := s.Operation.(*operation)
	if op.Writes() {
		return nil, refused("a "+op.method+" request can write, but the query is not marked as writing", "", nil)
	}
	return c.send(ctx, op, s)
}

// Exec sends any request.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	return c.send(ctx, s.Operation.(*operation), s)
}

func (c *conn) send(ctx context.Context, op *operation, s datasource.Statement) (datasource.Rows, error) {
	r, err := c.request(ctx, op, s.Params)
	if err != nil {
		return nil, err
	}
	reply, err := c.do(r)
	if err != nil {
		return nil, connectError(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode >= http.StatusBadRequest {
		return nil, refused("the API answered "+strconv.Itoa(reply.StatusCode)+" "+http.StatusText(reply.StatusCode), strconv.Itoa(reply.StatusCode), nil)
	}
	body, err := egress.ReadAll(reply.Body, s.MaxBytes)
	if err != nil {
		return nil, connectError(err)
	}
	if len(body) == 0 {
		return datasource.BufferedRows(nil, nil), nil
	}
	return answer(body, op.rows, s.MaxRows)
}

func refused(message, code string, cause error) error {
	return &datasource.StatementError{Code: code, Message: message, Position: -1, Cause: cause}
}

// connectError says why there was no answer. The text of an url.Error holds the
// URL and may hold a key with it, so only what is below it is kept as the cause.
func connectError(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	message := "the API cannot be reached"
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		message = "the host name does not resolve"
	}
	return problem.New(problem.Upstream, "connect_failed", message).Fix("check the base URL of the datasource").Because(err)
}
