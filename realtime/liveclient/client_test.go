package liveclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

func TestEventsComeInOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := dial(t, w.server.URL, quick())
	from := c.watch("run:1", liveclient.Now).Seq
	for i := range 300 {
		w.publish("run:1", i)
	}
	for i := range 300 {
		m := c.want(liveclient.Event)
		if m.Seq != from+1+int64(i) || string(m.Data) != fmt.Sprint(i) || m.Type != "tick" || m.Topic != "run:1" || time.Since(m.Time) > time.Hour {
			t.Fatalf("event %d is %+v", i, m)
		}
	}
	late := dial(t, w.server.URL, liveclient.Options{Header: http.Header{"Authorization": {"Bearer ann"}}, Once: true})
	if m := late.watch("run:1", 0); m.Seq != from {
		t.Errorf("everything begins at %d, want %d", m.Seq, from)
	}
	for i := range 300 {
		if m := late.want(liveclient.Event); m.Seq != from+1+int64(i) {
			t.Fatalf("event %d is %+v", i, m)
		}
	}
}

// A server that restarts again and again costs no event, and brings none twice.
func TestRestartsCostNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := dial(t, w.server.URL, quick())
	from := c.watch("run:1", liveclient.Now).Seq
	seen := int64(0)
	for range 5 {
		for range 20 {
			w.publish("run:1", "before")
		}
		w.end()
		w.begin()
		w.publish("run:1", "after")
		for range 21 {
			seen++
			if m := c.want(liveclient.Event); m.Seq != from+seen {
				t.Fatalf("event %d is %+v", from+seen, m)
			}
		}
	}
}

// cutter is a proxy that tears its connections.
type cutter struct {
	net.Listener
	to string

	mu    sync.Mutex
	conns []net.Conn
}

func cut(t *testing.T, to string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{Listener: listener, to: strings.TrimPrefix(to, "http://")}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			in, err := p.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			pumps.Go(func() { pump(in, out) })
			pumps.Go(func() { pump(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = p.Close()
		p.tear()
		pumps.Wait()
	})
	return p
}

func pump(from, to net.Conn) {
	buffer := make([]byte, 100) // so that frames are torn in the middle
	for {
		n, err := from.Read(buffer)
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

func (p *cutter) tear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func TestTornConnectionsCostNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	proxy := cut(t, w.server.URL)
	c := dial(t, "ws://"+proxy.Addr().String(), quick())
	from := c.watch("run:1", liveclient.Now).Seq
	const rounds = 10
	seen := int64(0)
	take := func(n int) {
		t.Helper()
		for range n {
			seen++
			if m := c.want(liveclient.Event); m.Seq != from+seen {
				t.Fatalf("event %d is %+v", from+seen, m)
			}
		}
	}
	for range rounds {
		for i := range 50 {
			w.publish("run:1", strings.Repeat("x", 10*i))
		}
		take(10)
		proxy.tear()
		w.publish("run:1", "after")
		take(41)
	}
	if n := w.upgrade.Load(); n <= rounds {
		t.Errorf("only %d connections were made", n)
	}
}

func TestWhatIsNotKeptIsAGap(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bus = realtime.NewMemoryBus()
	w.bus.Retention.Count = 10
	w.end()
	w.begin()
	c := dial(t, w.server.URL, quick())
	from := c.watch("run:1", liveclient.Now).Seq
	for range 30 {
		w.publish("run:1", 1)
	}
	late := dial(t, w.server.URL, quick())
	late.watch("run:1", from)
	gap := late.want(liveclient.Gap)
	if gap.From != from+1 || gap.Seq < from+19 {
		t.Errorf("after %d comes %+v", from, gap)
	}
	if m := late.want(liveclient.Event); m.Seq != gap.Seq+1 {
		t.Errorf("after %+v comes %+v", gap, m)
	}
}

// Who does not take messages holds few of them, and gets the rest when he does.
func TestSlowCallerLosesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	options := quick()
	options.Buffer = 4
	c := dial(t, w.server.URL, options)
	from := c.watch("run:1", liveclient.Now).Seq
	const events, size = 300, 3000
	for range events {
		w.publish("run:1", strings.Repeat("x", size))
	}
	for i := range events {
		if m := c.want(liveclient.Event); m.Seq != from+1+int64(i) {
			t.Fatalf("event %d is %+v", i, m)
		}
	}
}

func TestTheServerEndsASlowCallerWhoComesBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bus = realtime.NewMemoryBus()
	w.bus.Retention.Bytes = 64 << 20
	w.end()
	w.begin(func(c *realtime.Config) { c.QueueSize, c.QueueBytes = 8, 256<<10 })
	options := quick()
	options.Buffer = 1
	c := dial(t, w.server.URL, options)
	from := c.watch("run:1", liveclient.Now).Seq
	const events = 150
	for range events {
		w.publish("run:1", strings.Repeat("x", 200<<10)) // more than any buffer of a connection
	}
	for i := range events {
		if m := c.want(liveclient.Event); m.Seq != from+1+int64(i) {
			t.Fatalf("event %d is %d", from+1+int64(i), m.Seq)
		}
	}
	if w.upgrade.Load() < 2 {
		t.Error("the server never ended the connection")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.refuse("run:2", problem.Missing("run"))
	c := dial(t, w.server.URL, quick())
	c.watch("run:1", liveclient.Now)
	if err := c.Subscribe("run:2", 0); err != nil {
		t.Fatal(err)
	}
	var refused *liveclient.RefusedError
	if m := c.want(liveclient.Ended); m.Topic != "run:2" || !errors.As(m.Err, &refused) || refused.Code != "not_found" {
		t.Errorf("got %+v", m)
	}
	w.refuse("run:1", problem.New(problem.Forbidden, "", "no"))
	if m := c.want(liveclient.Ended); m.Topic != "run:1" || !errors.As(m.Err, &refused) || refused.Code != "subscription_ended" {
		t.Errorf("got %+v", m)
	}
	w.refuse("run:1", nil)
	w.refuse("run:2", nil)
	c.watch("run:1", liveclient.Now) // both may be asked for again
	c.watch("run:2", 0)
}

// A server that cannot say is asked again.
func TestFailuresAreAskedAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.refuse("run:1", errors.New("database is down"))
	c := dial(t, w.server.URL, quick())
	if err := c.Subscribe("run:1", liveclient.Now); err != nil {
		t.Fatal(err)
	}
	c.watch("run:2", liveclient.Now)
	w.refuse("run:1", nil)
	if m := c.want(liveclient.Subscribed); m.Topic != "run:1" {
		t.Errorf("got %+v", m)
	}
	once := quick()
	once.Once = true
	w.refuse("run:1", errors.New("database is down"))
	c = dial(t, w.server.URL, once)
	if err := c.Subscribe("run:1", liveclient.Now); err != nil {
		t.Fatal(err)
	}
	if m := c.want(liveclient.Ended); m.Topic != "run:1" {
		t.Errorf("got %+v", m)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := dial(t, w.server.URL, quick())
	c.watch("run:1", liveclient.Now)
	w.publish("run:1", "old")
	if err := c.Unsubscribe("run:1"); err != nil {
		t.Fatal(err)
	}
	for i := range 50 { // more than once a connection may be told
		from := c.watch("run:1", liveclient.Now).Seq
		w.publish("run:1", i)
		if m := c.want(liveclient.Event); string(m.Data) != fmt.Sprint(i) || m.Seq <= from {
			t.Fatalf("got %+v", m)
		}
		if err := c.Unsubscribe("run:1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Unsubscribe("run:1"); !problem.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := dial(t, w.server.URL, quick())
	c.watch("run:1", liveclient.Now)
	for topic, want := range map[string]problem.Kind{"run:1": problem.Conflict, "run:*": problem.Invalid, "": problem.Invalid} {
		if err := c.Subscribe(topic, 0); !problem.Is(err, want) {
			t.Errorf("%q: %v", topic, err)
		}
	}
	if err := c.Subscribe("run:2", -2); !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"", "host", "ftp://host", "ws://", "ws://host/?token=x", "ws://user:hunter2@host/", "ws://host/?", ":"} {
		_, err := liveclient.Dial(t.Context(), url, quick())
		if !problem.Is(err, problem.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
	_, err := liveclient.Dial(t.Context(), "", liveclient.Options{Backoff: -1, Buffer: -1, MaxBackoff: -2})
	if len(problem.Of(err).Faults) != 4 {
		t.Errorf("the faults are %v", err)
	}
}

// A credential that is refused, or over, ends the client for good.
func TestEndOfTheCredentialEndsTheClient(t *testing.T) {
	t.Parallel()
	w := setup(t)
	eve := quick()
	eve.Token = "eve"
	for name, options := range map[string]liveclient.Options{
		"token":  eve,
		"header": {Header: http.Header{"Authorization": {"Bearer eve"}}},
		"none":   {},
	} {
		if _, err := liveclient.Dial(t.Context(), w.server.URL, options); !problem.Is(err, problem.Unauthenticated) || strings.Contains(err.Error(), "eve") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := dial(t, w.server.URL, quick())
	c.watch("run:1", liveclient.Now)
	made := w.upgrade.Load()
	w.signOut("ann")
	err := c.end()
	if end, ok := errors.AsType[*liveclient.CloseError](err); !problem.Is(err, problem.Unauthenticated) || !ok || end.Code != realtime.CloseUnauthenticated {
		t.Errorf("got %v", err)
	}
	if err := c.Subscribe("run:2", 0); !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	if w.upgrade.Load() != made {
		t.Error("it has tried again")
	}
}

func TestOnceEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	w := setup(t)
	options := quick()
	options.Once = true
	c := dial(t, w.server.URL, options)
	c.watch("run:1", liveclient.Now)
	w.end()
	err := c.end()
	if end, ok := errors.AsType[*liveclient.CloseError](err); !problem.Is(err, problem.Unavailable) || !ok || end.Code != realtime.CloseRestart {
		t.Errorf("got %v", err)
	}
	w.begin()
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	w := setup(t)
	options := quick()
	options.Buffer = 1
	for name, before := range map[string]func(c *watcher){
		"at rest":   func(*watcher) {},
		"not taken": func(*watcher) { w.publish("run:1", 1); w.publish("run:1", 2); w.publish("run:1", 3) },
		"twice":     func(c *watcher) { c.Close() },
	} {
		c := dial(t, w.server.URL, options)
		c.watch("run:1", liveclient.Now)
		before(c)
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: Close took %v", name, took)
		}
		if err := c.end(); !errors.Is(err, liveclient.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := dial(t, w.server.URL, options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for m, err := range c.All(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v and %v", m, err)
		}
	}
}
