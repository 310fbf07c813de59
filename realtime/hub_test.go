package realtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

func TestEventReachesSubscribers(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		first, start := w.watch(t, "ann", "run:1")
		second, _ := w.watch(t, "ann", "run:1")
		other, _ := w.watch(t, "ann", "run:2")

		w.publish(t, "run:1", "run.updated", map[string]any{"status": "done <ü>"})
		for _, s := range []*socket{first, second} {
			e := s.want("event")
			if e.Topic != "run:1" || e.Type != "run.updated" || e.Seq != start+1 {
				t.Errorf("got %+v", e)
			}
			var data struct{ Status string }
			if err := json.Unmarshal(e.Data, &data); err != nil || data.Status != "done <ü>" {
				t.Errorf("data %s", e.Data)
			}
			if at, err := time.Parse(time.RFC3339, e.Time); err != nil || time.Since(at) > time.Minute || at.Location() != time.UTC {
				t.Errorf("time %q", e.Time)
			}
		}
		other.quiet()
	})
}

func TestSequenceRisesByOneInOrder(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		s, seq := w.watch(t, "ann", "run:1")
		for i := range 200 {
			w.publish(t, "run:1", "tick", i)
		}
		for i := range 200 {
			s.wantEvent(seq+int64(i)+1, fmt.Sprint(i))
		}
	})
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		leaver, _ := w.watch(t, "ann", "run:1")
		stayer, _ := w.watch(t, "ann", "run:1")
		leaver.send(`{"id":"u","op":"unsubscribe","topic":"run:1"}`)
		if f := leaver.want("ok"); f.ID != "u" {
			t.Errorf("got %+v", f)
		}
		w.publish(t, "run:1", "tick", 1)
		stayer.want("event")
		leaver.quiet()
		leaver.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
		seq := leaver.want("ok").Seq
		w.publish(t, "run:1", "tick", 2)
		leaver.wantEvent(seq+1, "2")
	})
}

func TestRequestsThatFail(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	s, _ := w.watch(t, "ann", "run:1")
	for _, c := range []struct{ send, id, code string }{
		{`{"id":"1","op":"subscribe","topic":"run:9"}`, "1", "not_found"},
		{`{"id":"2","op":"subscribe","topic":"run"}`, "2", "topic_invalid"},
		{`{"id":"3","op":"subscribe","topic":"run:1"}`, "3", "already_subscribed"},
		{`{"id":"4","op":"subscribe","topic":"run:2","since":-1}`, "", "frame_invalid"},
		{`{"id":"5","op":"unsubscribe","topic":"run:2"}`, "5", "not_subscribed"},
		{`{"id":"6","op":"dance"}`, "6", "op_unknown"},
		{`{"id":"7","op":"send","topic":"run:1","type":"x","data":1}`, "7", "input_not_accepted"},
		{`{"id":"8","op":"auth","token":"ann"}`, "8", "already_authenticated"},
		{`{"id":9,"op":"ping"}`, "", "frame_invalid"},
		{`[]`, "", "frame_invalid"},
		{`{`, "", "frame_invalid"},
		{`{}`, "", "frame_invalid"},
		{`{"op":"ping","id":"` + strings.Repeat("x", 65) + `"}`, "", "frame_invalid"},
	} {
		s.send(c.send)
		if f := s.want("error"); f.ID != c.id || f.Code != c.code || f.Detail == "" {
			t.Errorf("%s: got %+v", c.send, f)
		}
	}
	s.quiet()
}

func TestCredentialInCookieOrHeader(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	for _, headers := range [][]string{
		{"Cookie", "session=ann", "Origin", w.url},
		{"Authorization", "Bearer ann"},
	} {
		s := dial(t, w.url, headers...)
		s.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
		s.want("ok")
	}
	_, response, err := tryDial(t, w.url, "Authorization", "Bearer eve")
	if err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a bad credential: %v, %v", response, err)
	}
	// A browser shows a page no status of an upgrade.
	dial(t, w.url, "Cookie", "session=eve", "Origin", w.url).wantClose(realtime.CloseUnauthenticated)
}

func TestPublishRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	for name, c := range map[string]struct {
		event realtime.Event
		kind  problem.Kind
	}{
		"topic":    {realtime.Event{Topic: "run:*", Type: "x"}, problem.Invalid},
		"no type":  {realtime.Event{Topic: "run:1"}, problem.Invalid},
		"type":     {realtime.Event{Topic: "run:1", Type: `x"`}, problem.Invalid},
		"key":      {realtime.Event{Topic: "run:1", Type: "x", Key: "a b"}, problem.Invalid},
		"data":     {realtime.Event{Topic: "run:1", Type: "x", Data: func() {}}, problem.Invalid},
		"too much": {realtime.Event{Topic: "run:1", Type: "x", Data: strings.Repeat("x", 256<<10)}, problem.TooLarge},
	} {
		if err := w.Emit(t.Context(), c.event); problem.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStopTellsClientsToComeBack(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		s, seq := w.watch(t, "ann", "run:1")
		stranger := dial(t, w.url)
		w.publish(t, "run:1", "tick", 1)
		s.wantEvent(seq+1, "1")
		stopped := make(chan error, 2)
		for range 2 {
			go func() { stopped <- w.Stop(t.Context()) }()
		}
		s.wantClose(realtime.CloseRestart)
		stranger.wantClose(realtime.CloseRestart)
		for range 2 {
			if err := <-stopped; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
		if _, response, err := tryDial(t, w.url); err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a stopped hub accepted: %v", err)
		}
		if err := w.Start(t.Context()); !problem.Is(err, problem.Unavailable) {
			t.Errorf("a stopped hub started: %v", err)
		}
	})
}

func TestStopCutsOffWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	_, _ = w.watch(t, "ann", "run:1") // reads no more, so it never answers the close
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stop took %v", took)
	}
}

func TestStartAndStopWithoutConnections(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		if err := w.Start(t.Context()); err != nil {
			t.Errorf("a second start: %v", err)
		}
	})
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	good := func() realtime.Config {
		d := &directory{}
		return realtime.Config{
			AuthenticateToken: nilToken, Authorize: d.authorize, Revalidate: nilRevalidate,
		}
	}
	for field, spoil := range map[string]func(*realtime.Config){
		"AuthenticateToken": func(c *realtime.Config) { c.AuthenticateToken = nil },
		"Authorize":         func(c *realtime.Config) { c.Authorize = nil },
		"Revalidate":        func(c *realtime.Config) { c.Revalidate = nil },
		"AllowedOrigins":    func(c *realtime.Config) { c.AllowedOrigins = []string{"https://*.example.com"} },
		"Recheck":           func(c *realtime.Config) { c.Recheck = 2 * time.Second },
		"QueueSize":         func(c *realtime.Config) { c.QueueSize = -1 },
	} {
		cfg := good()
		spoil(&cfg)
		if _, err := realtime.New(cfg); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := realtime.New(good()); err != nil {
		t.Error(err)
	}
}

// wrapper is a host's middleware that offers only Unwrap.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// withholder is a framework's writer that sends the status when it is told to.
type withholder struct {
	http.ResponseWriter
	http.Hijacker
	status int
}

func (w *withholder) WriteHeader(status int) { w.status = status }
func (w *withholder) WriteHeaderNow()        { w.ResponseWriter.WriteHeader(w.status) }

func TestBehindMiddleware(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"only Unwrap":     func(rw http.ResponseWriter) http.ResponseWriter { return wrapper{wrapper{rw}} },
		"withheld status": func(rw http.ResponseWriter) http.ResponseWriter { return &withholder{rw, rw.(http.Hijacker), 0} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, nil)
			mux := http.NewServeMux()
			mux.Handle("/admin/ws", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel() // the connection must not hang on the request
				w.ServeHTTP(wrap(rw), r.WithContext(ctx))
			}))
			server := httptest.NewServer(mux)
			defer server.Close()
			s := dial(t, server.URL+"/admin/ws", "Authorization", "Bearer ann")
			s.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
			seq := s.want("ok").Seq
			w.publish(t, "run:1", "tick", 1)
			s.wantEvent(seq+1, "1")
		})
	}
}

func TestWriterThatCannotBeHijacked(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		r.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	if recorder.Code != http.StatusNotImplemented {
		t.Errorf("got %d", recorder.Code)
	}
}

func TestWithoutUpgrade(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	response, err := http.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("got %s", response.Status)
	}
}

// Two processes: what one publishes, the other's clients see, in one sequence.
func TestTwoHubsOnOneRedis(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		bus := onRedis(rdb)
		one, two := setup(t, bus()), setup(t, bus())
		here, seq := one.watch(t, "ann", "run:1")
		there, same := two.watch(t, "ann", "run:1")
		if seq != same {
			t.Fatalf("positions %d and %d", seq, same)
		}
		for i := range 100 {
			one.publish(t, "run:1", "from.one", 1)
			two.publish(t, "run:1", "from.two", 2)
			_ = i
		}
		var orders [2][]string
		for i, s := range []*socket{here, there} {
			for n := range int64(200) {
				e := s.want("event")
				if e.Seq != seq+n+1 {
					t.Fatalf("hub %d: got %d, want %d", i, e.Seq, seq+n+1)
				}
				orders[i] = append(orders[i], e.Type)
			}
		}
		if strings.Join(orders[0], " ") != strings.Join(orders[1], " ") {
			t.Error("the hubs saw different orders")
		}
		// A client that moves to the other process goes on where it was.
		moved := one.enter(t, "ann")
		moved.send(fmt.Sprintf(`{"id":"s","op":"subscribe","topic":"run:1","since":%d}`, seq+150))
		moved.want("ok")
		for n := range int64(50) {
			if e := moved.want("event"); e.Seq != seq+151+n {
				t.Fatalf("resumed at %d, want %d", e.Seq, seq+151+n)
			}
		}
	})
}
