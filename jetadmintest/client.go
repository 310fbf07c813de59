package jetadmintest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
)

// Client calls the HTTP API of an App.
type Client struct {
	app   *App
	token string
}

// Client signs a member in.
func (a *App) Client(m Member) *Client {
	a.t.Helper()
	login, err := a.Auth().Login(a.t.Context(), auth.Credentials{Email: m.User.Email, Password: m.Password})
	must(a.t, "sign in", err)
	return &Client{app: a, token: login.Token}
}

// ClientWithToken uses a session token or an API key; "" is nobody.
func (a *App) ClientWithToken(token string) *Client { return &Client{app: a, token: token} }

// Reply is what the App answered.
type Reply struct {
	Body   []byte
	Header http.Header
	Status int

	t testing.TB
}

// Call sends a request and returns the reply, whatever its status. The path is
// below /api/v1; a leading T, as in "T/queries", stands for the tenant's
// "/tenants/{id}". A body that is not nil is sent as JSON.
func (c *Client) Call(method, path string, body any) *Reply {
	t := c.app.t
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.app.address(path), encoded(t, body))
	must(t, "make a request", err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.app.client.Do(request)
	must(t, "send a request", err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, "read a reply", err)
	return &Reply{Body: text, Header: response.Header, Status: response.StatusCode, t: t}
}

func encoded(t testing.TB, body any) io.Reader {
	t.Helper()
	if body == nil {
		return nil
	}
	text, err := json.Marshal(body)
	must(t, "write a request", err)
	return bytes.NewReader(text)
}

// Want ends the test unless the reply has the status.
func (r *Reply) Want(status int) *Reply {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("jetadmintest: status %d, want %d: %s", r.Status, status, r.Body)
	}
	return r
}

// Into decodes the JSON of the reply.
func (r *Reply) Into(dst any) {
	r.t.Helper()
	must(r.t, "read the JSON of a reply", json.Unmarshal(r.Body, dst))
}
