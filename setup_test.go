package jetadmin_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

func TestMain(m *testing.M) {
	if description := os.Getenv(beProcess); description != "" {
		if err := runProcess(description); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testdb.Main(m)
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// platform is a way to run: the databases behind an App.
type platform struct {
	name string
	open func(t testing.TB, cfg *jetadmin.Config)
}

// platforms are the ways to run that everything must work on.
func platforms() []platform {
	return []platform{
		{"sqlite", onSQLite},
		{"postgres", onPostgres},
		{"postgres and redis", func(t testing.TB, cfg *jetadmin.Config) { onPostgres(t, cfg); onRedis(t, cfg) }},
	}
}

// onEach runs a test on every platform, in parallel.
func onEach(t *testing.T, test func(t *testing.T, cfg jetadmin.Config)) {
	t.Helper()
	for _, p := range platforms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			p.open(t, &cfg)
			test(t, cfg)
		})
	}
}

func onSQLite(t testing.TB, cfg *jetadmin.Config) { cfg.DB = testdb.SQLite(t).DB.DB }

func onPostgres(t testing.TB, cfg *jetadmin.Config) {
	db := testdb.Postgres(t)
	cfg.DB, cfg.Schema = db.DB.DB, db.Schema()
}

// onRedis also takes a prefix of the test's own: channels are not in a database.
func onRedis(t testing.TB, cfg *jetadmin.Config) {
	rdb := redis.NewClient(testdb.Redis(t))
	t.Cleanup(func() { _ = rdb.Close() })
	cfg.Redis, cfg.RedisPrefix = rdb, "test-"+id.New()
}

// quiet is a configuration with a folder and a key of the test's own.
func quiet(t testing.TB) jetadmin.Config {
	return jetadmin.Config{
		DataDir: t.TempDir(),
		Keys:    [][]byte{secret.NewKey()},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// start makes and starts an App, which is stopped when the test ends.
func start(t testing.TB, cfg jetadmin.Config) *jetadmin.App {
	t.Helper()
	app := build(t, cfg)
	must(t, app.Start(t.Context()))
	return app
}

// build makes an App, which is stopped when the test ends.
func build(t testing.TB, cfg jetadmin.Config) *jetadmin.App {
	t.Helper()
	app, err := jetadmin.New(cfg)
	must(t, err)
	t.Cleanup(func() { stop(t, app) })
	return app
}

func stop(t testing.TB, app *jetadmin.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := app.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// orders is the table of a shop, with values that are easily lost on the way.
const orders = `CREATE TABLE %[1]sorders (id integer PRIMARY KEY, country text NOT NULL, buyer text, total numeric(10, 2));
	INSERT INTO %[1]sorders VALUES (1, 'DE', 'Zoë Groß', 12.5), (2, 'DE', NULL, 100), (3, 'FR', 'François', 7.25)`

// makeShop puts the file shop.db into the folder of a tenant.
func makeShop(t testing.TB, dataDir, tenantID string) {
	t.Helper()
	folder := filepath.Join(dataDir, "files", tenantID)
	must(t, os.MkdirAll(folder, 0o700))
	db, err := sql.Open("sqlite", filepath.Join(folder, "shop.db"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(orders, ""))
	must(t, err)
	must(t, db.Close())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// notes are a log that tests read.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(n, nil)) }

// setupToken is the one-time token that a start has logged, "" = none.
func (n *notes) setupToken(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(n.String()) {
		var entry struct{ Token string }
		must(t, json.Unmarshal([]byte(line), &entry))
		if entry.Token != "" {
			return entry.Token
		}
	}
	return ""
}

// caller makes requests with a set of headers to a server.
type caller struct {
	t      testing.TB
	url    string // with the base path
	header http.Header
	http   *http.Client
}

// serve mounts a handler on a server of its own; callers begin as nobody.
func serve(t testing.TB, handler http.Handler, basePath string) *caller {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &caller{t: t, url: server.URL + basePath, header: http.Header{}, http: client}
}

// reach is a caller of an App of jetadmintest.
func reach(t testing.TB, app *jetadmintest.App) *caller {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	return &caller{t: t, url: app.URL, header: http.Header{}, http: client}
}

// with is the caller with one more header.
func (c caller) with(name, value string) *caller {
	c.header = maps.Clone(c.header)
	c.header.Set(name, value)
	return &c
}

func (c caller) bearer(token string) *caller { return c.with("Authorization", "Bearer "+token) }

// call sends a request below /api/v1; a body that is not nil becomes JSON.
func (c *caller) call(method, path string, body any) *reply {
	c.t.Helper()
	return c.request(method, "/api/v1"+path, body)
}

// request sends a request below the base path.
func (c *caller) request(method, path string, body any) *reply {
	c.t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(c.t, err)
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, content)
	must(c.t, err)
	r.Header = c.header.Clone()
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	must(c.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(c.t, err)
	return &reply{t: c.t, what: method + " " + path, Status: response.StatusCode, Header: response.Header, Body: text}
}

// reply is what came back.
type reply struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

func (r *reply) want(status int) *reply {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.what, r.Status, status, r.Body)
	}
	return r
}

func (r *reply) into(v any) *reply {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.Body)
	}
	return r
}

// text is a string in the JSON of the reply, by its path: "user.id".
func (r *reply) text(path string) string {
	r.t.Helper()
	var v any
	r.into(&v)
	for name := range strings.SplitSeq(path, ".") {
		members, _ := v.(map[string]any)
		v = members[name]
	}
	s, ok := v.(string)
	if !ok || s == "" {
		r.t.Fatalf("%s: no text %s in %s", r.what, path, r.Body)
	}
	return s
}

// object is JSON as tests write it.
type object = map[string]any

// socket is a client of the live events that does not connect again.
type socket struct {
	*liveclient.Client
	t testing.TB
}

// signedInto is somebody of an App with a session.
func signedInto(t *testing.T, app *jetadmintest.App, m jetadmintest.Member) *caller {
	t.Helper()
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: m.User.Email, Password: m.Password})
	must(t, err)
	return reach(t, app).bearer(login.Token)
}

// dial opens a socket and signs in with the token of the caller.
func (c *caller) dial() *socket {
	c.t.Helper()
	return c.connect(liveclient.Options{Once: true, Token: strings.TrimPrefix(c.header.Get("Authorization"), "Bearer ")})
}

// dialByHeader opens a socket with the headers of the caller.
func (c *caller) dialByHeader() *socket {
	c.t.Helper()
	return c.connect(liveclient.Options{Header: c.header, Once: true})
}

func (c *caller) connect(options liveclient.Options) *socket {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	client, err := liveclient.Dial(ctx, c.url+"/api/v1/ws", options)
	must(c.t, err)
	c.t.Cleanup(client.Close)
	return &socket{client, c.t}
}

// subscribe watches a topic from now on, and waits until it does.
func (s *socket) subscribe(topic string) {
	s.t.Helper()
	must(s.t, s.Subscribe(topic, liveclient.Now))
	if m := s.next(); m.Kind != liveclient.Subscribed || m.Topic != topic {
		s.t.Fatalf("subscribe to %s: got %+v", topic, m)
	}
}

func (s *socket) next() liveclient.Message {
	s.t.Helper()
	m, err := s.receive()
	must(s.t, err)
	return m
}

func (s *socket) receive() (liveclient.Message, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return s.Next(ctx)
}

// refused waits for the end of a subscription and returns its code.
func (s *socket) refused(topic string) string {
	s.t.Helper()
	for {
		m := s.next()
		if m.Kind != liveclient.Ended || m.Topic != topic {
			continue
		}
		why, _ := errors.AsType[*liveclient.RefusedError](m.Err)
		return why.Code
	}
}

// closed waits until the server closes the socket and returns the code.
func (s *socket) closed() realtime.CloseCode {
	s.t.Helper()
	for {
		_, err := s.receive()
		if err == nil {
			continue
		}
		end, ok := errors.AsType[*liveclient.CloseError](err)
		if !ok {
			s.t.Fatalf("the socket was not closed properly: %v", err)
		}
		return end.Code
	}
}
