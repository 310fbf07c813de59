package liveclient_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// world is a server whose hub may be replaced, as by a restart.
type world struct {
	t       testing.TB
	bus     *realtime.MemoryBus
	server  *httptest.Server
	hub     atomic.Pointer[realtime.Hub]
	upgrade atomic.Int64 // requests so far

	mu      sync.Mutex
	signed  map[string]bool // tokens that are good
	refused map[string]error
}

func setup(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, bus: realtime.NewMemoryBus(), signed: map[string]bool{"ann": true}, refused: map[string]error{}}
	w.server = httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, r *http.Request) {
		w.upgrade.Add(1)
		w.hub.Load().ServeHTTP(writer, r)
	}))
	t.Cleanup(w.server.Close)
	w.begin()
	t.Cleanup(w.end)
	return w
}

// begin starts a hub; change may alter its configuration.
func (w *world) begin(change ...func(*realtime.Config)) {
	w.t.Helper()
	cfg := realtime.Config{
		Authenticate: func(r *http.Request) (*auth.Principal, error) {
			if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				return w.who(token)
			}
			return nil, nil
		},
		AuthenticateToken: func(_ context.Context, token string) (*auth.Principal, error) { return w.who(token) },
		Authorize: func(_ context.Context, who *auth.Principal, topic realtime.Topic) (*auth.Principal, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return who, w.refused[topic.String()]
		},
		Bus: w.bus, Logger: slog.New(slog.DiscardHandler), Recheck: 50 * time.Millisecond,
		Revalidate: func(_ context.Context, who *auth.Principal) (*auth.Principal, error) { return w.who(who.UserID) },
	}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := realtime.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := hub.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.hub.Store(hub)
}

// end stops the hub: its clients are told that the server restarts.
func (w *world) end() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.hub.Load().Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

func (w *world) who(token string) (*auth.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signed[token] {
		return &auth.Principal{Kind: auth.KindUser, UserID: token}, nil
	}
	return nil, problem.New(problem.Unauthenticated, "unauthenticated", "not signed in")
}

func (w *world) signOut(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.signed, token)
}

// refuse sets what Authorize says about a topic.
func (w *world) refuse(topic string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused[topic] = err
}

func (w *world) publish(topic string, data any) {
	w.t.Helper()
	if err := w.hub.Load().Publish(context.Background(), topic, "tick", data); err != nil {
		w.t.Fatal(err)
	}
}

// quick are options that do not make a test wait.
func quick() liveclient.Options {
	return liveclient.Options{Token: "ann", Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
}

// watcher is a client in a test.
type watcher struct {
	*liveclient.Client
	t testing.TB
}

func dial(t testing.TB, url string, options liveclient.Options) *watcher {
	t.Helper()
	c, err := liveclient.Dial(t.Context(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &watcher{c, t}
}

// watch subscribes and waits until the server agrees.
func (w *watcher) watch(topic string, since int64) liveclient.Message {
	w.t.Helper()
	if err := w.Subscribe(topic, since); err != nil {
		w.t.Fatal(err)
	}
	return w.want(liveclient.Subscribed)
}

// want receives a message of a kind. Where others are awaited, the news that a
// subscription is on again is passed over.
func (w *watcher) want(kind liveclient.Kind) liveclient.Message {
	w.t.Helper()
	for {
		m, err := w.next()
		if err != nil {
			w.t.Fatalf("want %s: %v", kind, err)
		}
		if m.Kind == kind {
			return m
		}
		if m.Kind != liveclient.Subscribed {
			w.t.Fatalf("want %s, got %+v", kind, m)
		}
	}
}

func (w *watcher) next() (liveclient.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Next(ctx)
}

// end waits until the client has ended.
func (w *watcher) end() error {
	w.t.Helper()
	for {
		if _, err := w.next(); err != nil {
			return err
		}
	}
}
