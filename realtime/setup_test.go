package realtime_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// medium makes buses that reach each other: one per process.
type medium func() realtime.Bus

// eachBus runs test on every bus.
func eachBus(t *testing.T, test func(t *testing.T, bus medium)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		bus := realtime.NewMemoryBus()
		test(t, func() realtime.Bus { return bus })
	})
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		test(t, onRedis(rdb))
	})
}

func onRedis(rdb redis.UniversalClient) medium {
	prefix := "test:" + id.New()
	return func() realtime.Bus {
		bus := realtime.NewRedisBus(rdb, prefix)
		bus.Logger = slog.New(slog.DiscardHandler)
		return bus
	}
}

// directory says who may do what, and can change its mind.
type directory struct {
	mu     sync.Mutex
	people map[string]*auth.Principal // by token
	rights map[string]map[string]bool // by user, of topics
	fault  func() error               // of every check, when set
}

func (d *directory) allow(token string, topics ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[token] = &auth.Principal{Kind: auth.KindUser, UserID: token}
	if d.rights[token] == nil {
		d.rights[token] = map[string]bool{}
	}
	for _, topic := range topics {
		d.rights[token][topic] = true
	}
}

func (d *directory) forbid(token, topic string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.rights[token], topic)
}

func (d *directory) signOut(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.people, token)
}

func (d *directory) breakWith(fault func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

func (d *directory) find(token string) (*auth.Principal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		return nil, d.fault()
	}
	if p := d.people[token]; p != nil {
		return p, nil
	}
	return nil, problem.New(problem.Unauthenticated, "", "not signed in")
}

func (d *directory) authorize(_ context.Context, who *auth.Principal, topic realtime.Topic) (*auth.Principal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rights[who.UserID][topic.String()] {
		return who.InTenant("tenant", nil), nil
	}
	return nil, problem.Missing("topic")
}

// world is a running hub with its HTTP server.
type world struct {
	*realtime.Hub
	*directory
	url  string
	host string
}

// setup starts a hub; change may alter its configuration.
func setup(t testing.TB, bus realtime.Bus, change ...func(*realtime.Config)) *world {
	t.Helper()
	d := &directory{people: map[string]*auth.Principal{}, rights: map[string]map[string]bool{}}
	d.allow("ann", "run:1", "run:2", "tenant:1")
	cfg := realtime.Config{
		Authenticate: func(r *http.Request) (*auth.Principal, error) {
			if cookie, err := r.Cookie("session"); err == nil {
				return d.find(cookie.Value)
			}
			if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				return d.find(token)
			}
			return nil, nil
		},
		AuthenticateToken: func(_ context.Context, token string) (*auth.Principal, error) { return d.find(token) },
		Authorize:         d.authorize,
		Bus:               bus,
		Logger:            slog.New(slog.DiscardHandler),
		Revalidate:        func(_ context.Context, who *auth.Principal) (*auth.Principal, error) { return d.find(who.UserID) },
	}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := realtime.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", hub)
	mux.HandleFunc("/socket.io/", hub.ServeSocketIO)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := hub.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		server.Close()
	})
	return &world{Hub: hub, directory: d, url: server.URL, host: strings.TrimPrefix(server.URL, "http://")}
}

// publish sends an event and fails the test if it is not taken.
func (w *world) publish(t testing.TB, topic, kind string, data any) {
	t.Helper()
	if err := w.Publish(context.Background(), topic, kind, data); err != nil {
		t.Fatal(err)
	}
}

// eventually polls a condition until it holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	timeout := time.After(within)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

func nilToken(context.Context, string) (*auth.Principal, error) { return nil, nil }

func nilRevalidate(context.Context, *auth.Principal) (*auth.Principal, error) { return nil, nil }
