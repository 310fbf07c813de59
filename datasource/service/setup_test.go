package service_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/service"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contract is what a service documents: requests, and its answers to them.
type contract struct {
	BaseURL   string            `json:"baseUrl"`
	Settings  map[string]any    `json:"settings"`
	Secrets   map[string]string `json:"secrets"`
	Headers   map[string]string `json:"headers"` // of every request
	Exchanges []exchange        `json:"exchanges"`
}

type exchange struct {
	Operation string              `json:"operation"`
	Args      map[string]any      `json:"args"`
	Request   string              `json:"request"` // method, path and sorted query
	Headers   map[string]string   `json:"headers"`
	JSON      any                 `json:"json"` // the body; neither = none
	Form      map[string][]string `json:"form"`

	Status int             `json:"status"` // 0 = 200
	Reply  json.RawMessage `json:"reply"`

	Columns string `json:"columns"`
	Row     []any  `json:"row"`   // the first one
	Count   *int   `json:"count"` // of rows; nil = one if there is a row
	Refusal string `json:"refusal"`
	Code    string `json:"code"`
	Problem string `json:"problem"`
}

func contracts(t testing.TB) map[string]contract {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]contract{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c contract
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}

func spec(t testing.TB, name string) service.Spec {
	t.Helper()
	text, err := os.ReadFile("specs/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := service.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is what a server got.
type request struct {
	method, uri, body string
	header            http.Header
}

// server answers as it is told and keeps the last request.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	last   *request
	status int
	reply  string
	tokens []string // assertions that were exchanged
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/token" {
			form, _ := url.ParseQuery(string(body))
			s.tokens = append(s.tokens, form.Get("assertion"))
			_, _ = io.WriteString(w, `{"access_token": "ya29.canary", "expires_in": 3599, "token_type": "Bearer"}`)
			return
		}
		s.last = &request{r.Method, r.RequestURI, string(body), r.Header.Clone()}
		w.WriteHeader(max(s.status, http.StatusOK))
		_, _ = io.WriteString(w, s.reply)
	}))
	t.Cleanup(s.Close)
	return s
}

// at makes a spec one of a server: everything but the origin stays.
func (s *server) at(in service.Spec) service.Spec {
	scheme, rest, _ := strings.Cut(in.BaseURL, "://")
	host, path, _ := strings.Cut(rest, "/")
	if !strings.Contains(host, "{{") {
		host = s.host()
	}
	in.BaseURL = strings.TrimSuffix(strings.TrimSuffix(scheme, "s")+"://"+host+"/"+path, "/")
	if in.Auth.TokenURL != "" {
		in.Auth.TokenURL = s.URL + "/token"
	}
	return in
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *server) settings(c contract) datasource.Settings {
	out := datasource.Settings{Values: map[string]any{}, Secrets: map[string]secret.Text{}, Egress: egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	for name, v := range c.Settings {
		if name == "host" {
			v = s.host()
		}
		out.Values[name] = v
	}
	for name, v := range c.Secrets {
		if name == "credentials" {
			v = accountKey()
		}
		out.Secrets[name] = secret.NewText(v)
	}
	return out
}

func (s *server) answer(status int, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.reply, s.last = status, reply, nil
}

func (s *server) got() *request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// accountKey is a file as Google's console gives it.
func accountKey() string {
	der, err := x509.MarshalPKCS8PrivateKey(testKey())
	if err != nil {
		panic(err)
	}
	b, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "key-1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "reader@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://evil.test/token",
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

func connector(t testing.TB, s service.Spec) datasource.Connector {
	t.Helper()
	c, err := service.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, c datasource.Connector, s datasource.Settings) datasource.Conn {
	t.Helper()
	if err := c.(datasource.SettingsChecker).CheckSettings(s); err != nil {
		t.Fatal(err)
	}
	conn, err := c.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// run runs an operation, as writing if it writes.
func run(t testing.TB, c datasource.Connector, conn datasource.Conn, operation string, args, params map[string]any) (datasource.Rows, error) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"operation": operation, "args": args})
	if err != nil {
		t.Fatal(err)
	}
	op, err := c.Parse(b)
	if err != nil {
		return nil, err
	}
	query := conn.Query
	if op.(interface{ Writes() bool }).Writes() {
		query = conn.(datasource.Execer).Exec
	}
	return query(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 100, MaxBytes: 1 << 20})
}

func all(rows datasource.Rows) (columns string, list [][]any, err error) {
	var names []string
	for _, c := range rows.Columns() {
		names = append(names, c.Name+":"+string(c.Type))
	}
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return strings.Join(names, " "), list, nil
		}
		if err != nil {
			return "", nil, err
		}
		list = append(list, slices.Clone(row))
	}
}

// plain is a value of a row as JSON has it.
func plain(v any) any {
	switch v := v.(type) {
	case datasource.JSON:
		var out any
		_ = json.Unmarshal([]byte(v), &out)
		return out
	case int64:
		return float64(v)
	case datasource.Decimal:
		return fmt.Sprint(v)
	}
	return v
}
