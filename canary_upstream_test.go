package jetadmin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/gofunc"
	"github.com/jetadmin/jetadmin/datasource/service"
)

// upstream is what datasources connect to. It says no, and repeats in its answers
// whatever it was sent, as servers do that were written in a hurry.
type upstream struct {
	secrets *secrets
	api     string // host:port of the HTTP server
	raw     string // host:port of one that speaks no protocol
	nobody  string // host:port where nothing is
}

func newUpstream(t *testing.T, s *secrets) *upstream {
	t.Helper()
	u := &upstream{secrets: s}
	server := httptest.NewServer(http.HandlerFunc(u.answer))
	t.Cleanup(server.Close)
	u.api = strings.TrimPrefix(server.URL, "http://")
	u.raw = listen(t, parrot)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	u.nobody = l.Addr().String()
	must(t, l.Close())
	return u
}

// listen answers connections with fn until the test ends.
func listen(t *testing.T, fn func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				fn(conn)
			})
		}
	})
	return l.Addr().String()
}

// parrot sends back the first that it gets, as an error of Redis, which others do not
// understand. It does not wait for who waits for it.
func parrot(c net.Conn) {
	buf := make([]byte, 4096)
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _ := c.Read(buf)
	fmt.Fprintf(c, "-WRONGPASS %s\r\n", strings.Join(strings.Fields(string(buf[:n])), " "))
}

func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	sent, _ := httputil.DumpRequest(r, true)
	words := fmt.Sprintf("no: %s %v", sent, r.Header)
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		_ = json.NewEncoder(w).Encode(object{
			"access_token": u.secrets.plain("an access token"), "refresh_token": u.secrets.plain("a refresh token"), "token_type": "Bearer", "expires_in": 3600,
		})
	case strings.HasSuffix(r.URL.Path, "/rows"):
		_, _ = io.WriteString(w, `[{"a": 1}]`)
	case strings.HasSuffix(r.URL.Path, "/text"):
		_, _ = io.WriteString(w, words)
	case strings.HasSuffix(r.URL.Path, "/broken"):
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, `[{"a": "`+strings.ReplaceAll(words, `"`, ""))
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(r.URL.Path, "/busy"):
		u.refuse(w, http.StatusTooManyRequests, words)
	case strings.HasSuffix(r.URL.Path, "/redirect"):
		http.Redirect(w, r, "http://"+u.nobody+"/?"+r.URL.RawQuery, http.StatusFound)
	case strings.HasSuffix(r.URL.Path, "/graphql"):
		_ = json.NewEncoder(w).Encode(object{"errors": []object{{"message": words}}})
	default:
		u.refuse(w, http.StatusUnauthorized, words)
	}
}

func (u *upstream) refuse(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=%q", words))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"message": words, "error": "invalid_client", "error_description": words, "errors": []object{{"message": words}}})
}

// service is a connector of a description, at the upstream.
func (u *upstream) service(t *testing.T) datasource.Connector {
	t.Helper()
	spec, err := service.Parse(fmt.Appendf(nil, `{
		"type": "tickets", "title": "Tickets", "baseUrl": "http://%s/api",
		"fields": [{"name": "key", "title": "Key", "type": "string", "required": true, "secret": true}],
		"auth": {"type": "bearer", "secret": "key"}, "failure": {"message": ["/message"], "code": ["/error"]}, "ping": "me",
		"operations": [{"name": "me", "title": "Me", "path": "/me"},
			{"name": "find", "title": "Find", "path": "/find", "query": {"p": "{{ p }}"}, "params": [{"name": "p", "type": "string"}]}]
	}`, u.api))
	must(t, err)
	connector, err := service.New(spec)
	must(t, err)
	return connector
}

// hostFunction is a function of the host, with a secret among its settings, that
// fails.
func hostFunction() datasource.Connector {
	type params struct {
		P string `json:"p"`
	}
	return gofunc.New(datasource.Spec{
		Type: "func:host", Title: "Host", Fields: []datasource.Field{{Name: "licence", Title: "Licence", Type: datasource.FieldString, Secret: true}},
	}, func(ctx context.Context, p params) ([]params, error) {
		if p.P == "panic" {
			panic("the function of the host is broken")
		}
		return nil, errors.New("the function of the host has failed")
	})
}

// serviceAccount is the JSON file of a key, which is a secret.
func (s *secrets) serviceAccount(t *testing.T, name string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	lines := strings.Split(block, "\n")
	for _, line := range lines[2 : len(lines)-3] { // the first and the last of a key are much the same in all
		s.known(name, line, 0)
	}
	text, err := json.Marshal(object{"type": "service_account", "client_email": "canary@example.com", "private_key_id": s.plain(name + ", its id"), "private_key": block})
	must(t, err)
	return string(text)
}
