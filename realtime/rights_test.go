package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/realtime"
)

// T128: an upgrade from elsewhere is refused, and so is a credential in the URL.
func TestT128_ForeignOriginIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) {
		c.AllowedOrigins = []string{"https://App.example.com:443", "http://dev.example.com:3000"}
	})
	cookie := []string{"Cookie", "session=ann"}
	for name, c := range map[string]struct {
		headers []string
		path    string
		status  int
	}{
		"own page":              {append(cookie, "Origin", w.url), "", 0},
		"own page behind TLS":   {append(cookie, "Origin", "https://"+w.host), "", 0},
		"allowed":               {append(cookie, "Origin", "https://app.example.com"), "", 0},
		"allowed with port":     {append(cookie, "Origin", "http://dev.example.com:3000"), "", 0},
		"program without":       {nil, "", 0},
		"cookie without origin": {cookie, "", 403},
		"foreign":               {append(cookie, "Origin", "https://evil.example.com"), "", 403},
		"foreign, no cookie":    {[]string{"Origin", "https://evil.example.com"}, "", 403},
		"null":                  {append(cookie, "Origin", "null"), "", 403},
		"empty":                 {append(cookie, "Origin", ""), "", 403},
		"longer name":           {append(cookie, "Origin", "https://app.example.com.evil.com"), "", 403},
		"shorter name":          {append(cookie, "Origin", "https://example.com"), "", 403},
		"prefix":                {append(cookie, "Origin", "https://evilapp.example.com"), "", 403},
		"other scheme":          {append(cookie, "Origin", "http://app.example.com"), "", 403},
		"other port":            {append(cookie, "Origin", "https://app.example.com:8443"), "", 403},
		"host as user":          {append(cookie, "Origin", "http://"+w.host+"@evil.com"), "", 403},
		"with a path":           {append(cookie, "Origin", w.url+"/"), "", 403},
		"two":                   {append(cookie, "Origin", w.url, "Origin", w.url), "", 403},
		"token in the URL":      {nil, "/?token=ann", 400},
		"any query":             {nil, "/?", 400},
	} {
		_, response, err := tryDial(t, w.url+c.path, c.headers...)
		if c.status == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.status != 0 && (err == nil || response.StatusCode != c.status || response.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: %v, want %d", name, response, c.status)
		}
	}
}

// T129: whatever goes wrong in sign-in, the connection has no rights and closes.
func TestT129_FailedAuthHasNoRights(t *testing.T) {
	t.Parallel()
	subscribe := `{"id":"s","op":"subscribe","topic":"run:1"}`
	for name, c := range map[string]struct {
		send []string
		bad  func(string) (*auth.Principal, error)
	}{
		"wrong token":        {[]string{`{"id":"1","op":"auth","token":"eve"}`, subscribe}, nil},
		"no token":           {[]string{`{"id":"1","op":"auth"}`, subscribe}, nil},
		"skipped":            {[]string{subscribe}, nil},
		"ping first":         {[]string{`{"op":"ping"}`, subscribe}, nil},
		"not JSON":           {[]string{`token=ann`, subscribe}, nil},
		"array":              {[]string{`["auth","ann"]`, subscribe}, nil},
		"token of a number":  {[]string{`{"id":"1","op":"auth","token":1}`, subscribe}, nil},
		"nobody":             {[]string{`{"id":"1","op":"auth","token":"ann"}`, subscribe}, func(string) (*auth.Principal, error) { return nil, nil }},
		"error midway":       {[]string{`{"id":"1","op":"auth","token":"ann"}`, subscribe}, func(string) (*auth.Principal, error) { return &auth.Principal{}, errors.New("database is down") }},
		"panic midway":       {[]string{`{"id":"1","op":"auth","token":"ann"}`, subscribe}, func(string) (*auth.Principal, error) { panic("boom") }},
		"never":              {nil, nil},
		"begun, not ended":   {[]string{`{"id":"1","op":"auth","token":"` + strings.Repeat("x", 300)}, nil},
		"longer than a peek": {[]string{`{"id":"1","op":"auth","token":"` + strings.Repeat("x", 8000) + `"}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, nil, func(cfg *realtime.Config) {
				cfg.AuthTimeout = 200 * time.Millisecond
				if c.bad != nil {
					cfg.AuthenticateToken = func(_ context.Context, token string) (*auth.Principal, error) { return c.bad(token) }
				}
			})
			s := dial(t, w.url)
			for _, text := range c.send {
				_ = s.trySend(text) // the server may have closed already
			}
			for {
				f, err := s.receive()
				if err != nil {
					break
				}
				if f.Op != "error" {
					t.Errorf("got %+v", f)
				}
			}
		})
	}
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		w := setup(t, nil, func(cfg *realtime.Config) { cfg.AuthTimeout = 50 * time.Millisecond })
		s := dial(t, w.url)
		s.wantClose(realtime.CloseUnauthenticated)
	})
	t.Run("slow check", func(t *testing.T) {
		t.Parallel()
		w := setup(t, nil, func(cfg *realtime.Config) {
			cfg.AuthTimeout = 50 * time.Millisecond
			cfg.AuthenticateToken = func(ctx context.Context, _ string) (*auth.Principal, error) {
				<-ctx.Done()
				return &auth.Principal{UserID: "ann"}, nil // comes back too late, with a principal
			}
		})
		s := dial(t, w.url)
		s.send(`{"id":"1","op":"auth","token":"ann"}`)
		s.send(subscribe)
		s.wantClose(realtime.CloseUnauthenticated)
	})
	t.Run("panic at the upgrade", func(t *testing.T) {
		t.Parallel()
		w := setup(t, nil, func(cfg *realtime.Config) {
			cfg.Authenticate = func(*http.Request) (*auth.Principal, error) { panic("boom") }
		})
		if _, response, err := tryDial(t, w.url); err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %v", response)
		}
	})
}

// T129: who cannot be recognised now is told to come back, and has no rights.
func TestT129_FailedCheckIsNotABadCredential(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func() error{
		"error": func() error { return errors.New("database is down") },
		"panic": func() error { panic("boom") },
	} {
		w := setup(t, nil)
		w.breakWith(fault)
		s := dial(t, w.url)
		s.send(`{"id":"1","op":"auth","token":"ann"}`)
		t.Log(name)
		s.wantClose(realtime.CloseTryLater)
	}
}

// T130: no way into a topic without the right to it.
func TestT130_ForeignTopicIsRefused(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		w.allow("bob", "run:2")
		s := w.enter(t, "bob")
		for _, topic := range []string{"run:1", "tenant:1", "run:*", "*", "run:", ":1", "*:1", "run:%", "run:1\\u0000", "RUN:1", "run:1 ", "run:../1", "run:1:2"} {
			s.send(`{"id":"s","op":"subscribe","topic":"` + topic + `"}`)
			if f := s.want("error"); f.ID != "s" {
				t.Errorf("%s: %+v", topic, f)
			}
		}
		w.publish(t, "run:1", "secret", 1)
		s.quiet()

		s.send(`{"id":"s","op":"subscribe","topic":"run:2"}`)
		s.want("ok")
		w.forbid("bob", "run:2")
		for since := range 2 {
			again := w.enter(t, "bob")
			again.send(`{"id":"s","op":"subscribe","topic":"run:2"` + []string{``, `,"since":0`}[since] + `}`)
			again.want("error")
		}
	})
}

// T131: who loses a right loses the subscriptions within a second.
func TestT131_LostRightEndsWithinASecond(t *testing.T) {
	t.Parallel()
	within := func(t *testing.T, what func(w *world), ended func(s *socket)) {
		t.Helper()
		w := setup(t, nil)
		s, _ := w.watch(t, "ann", "run:1")
		s.send(`{"id":"s","op":"subscribe","topic":"run:2"}`)
		s.want("ok")
		began := time.Now()
		what(w)
		ended(s)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		w.publish(t, "run:1", "secret", 1)
		if f, err := s.receiveAfterPing(); err == nil && f.Op == "event" {
			t.Errorf("received %+v", f)
		}
	}
	t.Run("topic", func(t *testing.T) {
		t.Parallel()
		within(t, func(w *world) { w.forbid("ann", "run:1") }, func(s *socket) {
			if f := s.want("error"); f.ID != "" || f.Topic != "run:1" || f.Code != "subscription_ended" {
				t.Errorf("got %+v", f)
			}
		})
	})
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		within(t, func(w *world) { w.signOut("ann") }, func(s *socket) { s.wantClose(realtime.CloseUnauthenticated) })
	})
	t.Run("check fails", func(t *testing.T) {
		t.Parallel()
		within(t, func(w *world) { w.breakWith(func() error { return errors.New("database is down") }) },
			func(s *socket) { s.wantClose(realtime.CloseTryLater) })
	})
	t.Run("check panics", func(t *testing.T) {
		t.Parallel()
		within(t, func(w *world) { w.breakWith(func() error { panic("boom") }) },
			func(s *socket) { s.wantClose(realtime.CloseTryLater) })
	})
}

// A topic that is lost does not take the others of the connection with it.
func TestT131_OtherSubscriptionsStay(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	s, _ := w.watch(t, "ann", "run:1")
	s.send(`{"id":"s","op":"subscribe","topic":"run:2"}`)
	seq := s.want("ok").Seq
	w.forbid("ann", "run:1")
	s.want("error")
	w.publish(t, "run:2", "tick", 1)
	s.wantEvent(seq+1, "1")
	w.allow("ann", "run:1")
	s.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
	s.want("ok")
}

// T131: what already waits for a slow reader is taken back.
func TestT131_LostRightTakesBackWhatWaits(t *testing.T) {
	t.Parallel()
	var checks atomic.Int64
	w := setup(t, nil, func(c *realtime.Config) {
		c.QueueBytes = 64 << 20
		authorize := c.Authorize
		c.Authorize = func(ctx context.Context, who *auth.Principal, topic realtime.Topic) (*auth.Principal, error) {
			checks.Add(1)
			return authorize(ctx, who, topic)
		}
	})
	s, _ := w.watch(t, "ann", "run:1")
	s.send(`{"id":"s","op":"subscribe","topic":"run:2"}`)
	s.want("ok")
	const events = 150
	for range events {
		w.publish(t, "run:1", "big", strings.Repeat("x", 200<<10))
	}
	w.forbid("ann", "run:1")
	before := checks.Load()
	eventually(t, patience, "the rights are checked twice over", func() bool { return checks.Load() > before+4 })
	received := 0
	for f, err := s.receive(); f.Op != "error"; f, err = s.receive() {
		if err != nil {
			t.Fatal(err)
		}
		received++
	}
	if received >= events {
		t.Errorf("all %d events arrived", received)
	}
	s.quiet()
}

// A check that hangs ends its connection and no other.
func TestT131_HangingCheckEndsTheConnection(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	w := setup(t, nil, func(c *realtime.Config) {
		revalidate := c.Revalidate
		c.Revalidate = func(ctx context.Context, who *auth.Principal) (*auth.Principal, error) {
			if who.UserID == "ann" && hang.Load() {
				<-release // deaf to ctx
			}
			return revalidate(ctx, who)
		}
	})
	w.allow("bob", "run:1")
	hung, _ := w.watch(t, "ann", "run:1")
	other, seq := w.watch(t, "bob", "run:1")
	hang.Store(true)
	hung.wantClose(realtime.CloseTryLater)
	w.publish(t, "run:1", "tick", 1)
	other.wantEvent(seq+1, "1")
}

// receiveAfterPing receives the next frame that is not the answer to a ping.
func (s *socket) receiveAfterPing() (frame, error) {
	if err := s.trySend(`{"op":"ping"}`); err != nil {
		return frame{}, err
	}
	return s.receive()
}

// T131: checks that take their time keep nobody unchecked for long. Here each of
// 100 hangs as long as it may, and 8 go on at once: one after the other they would
// take 25 seconds.
func TestT131_HangingChecksOfManyEndThemAll(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	var sockets []*socket
	for i := range 100 {
		token := fmt.Sprintf("user%d", i)
		w.allow(token, "run:1")
		s, _ := w.watch(t, token, "run:1")
		sockets = append(sockets, s)
	}
	began := time.Now()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	w.breakWith(func() error { <-hang; return errors.New("too late") })
	for _, s := range sockets {
		s.wantClose(realtime.CloseTryLater)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the last was not checked for %v", took)
	}
}

// T132: a credential cannot watch without bounds over many connections: each
// topic is asked about twice a second.
func TestT132_TopicsOfACredentialAreCounted(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxTopics = 2 })
	w.allow("ann", "run:1", "run:2", "run:3", "run:4", "run:5", "run:6")
	watch := func(topics ...string) *socket {
		s := w.enter(t, "ann")
		for _, topic := range topics {
			s.send(`{"op":"subscribe","topic":"` + topic + `"}`)
			s.want("ok")
		}
		return s
	}
	var all []*socket
	for _, topics := range [][2]string{{"run:1", "run:2"}, {"run:2", "run:1"}, {"run:3", "run:4"}, {"run:4", "run:3"}} {
		all = append(all, watch(topics[0], topics[1]))
	}
	all = append(all, watch("run:5", "run:6"))
	ended := make(chan struct{}, len(all))
	for _, s := range all {
		go func() {
			if _, err := s.receive(); websocket.CloseStatus(err) == websocket.StatusCode(realtime.CloseTopics) {
				ended <- struct{}{}
			}
		}()
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("all of them go on")
	}
	w.enter(t, "ann").quiet()
}
