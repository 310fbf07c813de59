package realtime_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/realtime"
)

// link is a network between a bus and its Redis that a test can cut.
type link struct {
	listener net.Listener
	target   string

	mute  atomic.Bool  // what Redis answers does not arrive
	taken atomic.Int64 // answers that end with the one of the publish script
	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
	open  sync.WaitGroup
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.open.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		l.open.Wait()
	})
	return l
}

func (l *link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		l.mu.Lock()
		if l.down {
			_, _ = in.Close(), out.Close()
		} else {
			l.conns[in], l.conns[out] = struct{}{}, struct{}{}
			l.open.Go(func() { l.carry(answers{in, l}, out) })
			l.open.Go(func() { l.carry(out, in) })
		}
		l.mu.Unlock()
	}
}

func (l *link) carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}

// answers is the way back, which can be mute.
type answers struct {
	net.Conn
	link *link
}

func (a answers) Write(p []byte) (int, error) {
	if a.link.mute.Load() {
		return len(p), nil
	}
	n, err := a.Conn.Write(p)
	if bytes.HasSuffix(p, []byte(":1\r\n")) {
		a.link.taken.Add(1)
	}
	return n, err
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// behindLink makes a world whose Redis is reached over a link of its own, and a
// bus on the same Redis that is not.
func behindLink(t *testing.T, rdb redis.UniversalClient, retention realtime.Retention) (w *world, l *link, direct realtime.Bus) {
	t.Helper()
	options := rdb.(*redis.Client).Options()
	l = newLink(t, options.Addr)
	remote := redis.NewClient(&redis.Options{Addr: l.listener.Addr().String(), DB: options.DB})
	t.Cleanup(func() { _ = remote.Close() })
	prefix := "test:" + id.New()
	onto := func(rdb redis.UniversalClient) *realtime.RedisBus {
		b := realtime.NewRedisBus(rdb, prefix)
		b.Logger, b.Retention = slog.New(slog.DiscardHandler), retention
		return b
	}
	return setup(t, onto(remote)), l, started(t, onto(rdb))
}

func event(i int) realtime.Message {
	return realtime.Message{Body: fmt.Appendf(nil, `"type":"tick","data":%d}`, i)}
}

func TestLostRedisIsMadeGood(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, direct := behindLink(t, rdb, realtime.Retention{})
		s, seq := w.watch(t, "ann", "run:1")
		w.publish(t, "run:1", "tick", 0)
		s.wantEvent(seq+1, "0")
		for round := range 3 {
			l.cut()
			for i := range 20 {
				if err := direct.Publish(t.Context(), "run:1", event(i)); err != nil {
					t.Fatal(err)
				}
			}
			l.mend()
			for i := range 20 {
				s.wantEvent(seq+int64(round*20+i)+2, fmt.Sprint(i))
			}
		}
	})
}

func TestLostRedisBeyondHistoryIsAGap(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, direct := behindLink(t, rdb, realtime.Retention{Count: 5})
		s, seq := w.watch(t, "ann", "run:1")
		witness := listen(t, direct, "run:1")
		l.cut()
		for i := range 20 {
			if err := direct.Publish(t.Context(), "run:1", event(i)); err != nil {
				t.Fatal(err)
			}
			witness.next(t)
		}
		l.mend()
		if g := s.want("gap"); g.From != seq+1 || g.To != seq+15 {
			t.Errorf("gap %+v, want from %d to %d", g, seq+1, seq+15)
		}
		for i := 15; i < 20; i++ {
			s.wantEvent(seq+int64(i)+1, fmt.Sprint(i))
		}
	})
}

// What is published while Redis is away arrives later, once, in order.
func TestPublishWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, direct := behindLink(t, rdb, realtime.Retention{})
		s, seq := w.watch(t, "ann", "run:1")
		witness := listen(t, direct, "run:1")
		const burst = 200 // fewer than may wait for a socket
		for round := range 3 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range burst {
					_ = w.Publish(context.Background(), "run:1", "tick", i)
				}
			}()
			l.cut() // in the middle of it
			<-done
			l.mend()
			for i := range burst {
				s.wantEvent(seq+int64(round*burst+i)+1, fmt.Sprint(i))
				witness.next(t)
			}
		}
	})
}

// Redis took a message, but its answer was lost: sending it again adds nothing.
func TestPublishWithLostAnswer(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, direct := behindLink(t, rdb, realtime.Retention{})
		witness := listen(t, direct, "run:1")
		w.publish(t, "run:1", "tick", "first")
		witness.next(t)
		eventually(t, patience, "the sender waits for nothing", func() bool { return l.taken.Load() == 1 })
		l.mute.Store(true)
		w.publish(t, "run:1", "tick", "answer lost")
		witness.next(t)
		l.cut()
		l.mute.Store(false)
		l.mend()
		w.publish(t, "run:1", "tick", "last")
		if m := witness.next(t); m.Seq != witness.last+3 || !strings.Contains(string(m.Body), "last") {
			t.Errorf("got %d %s, want %d", m.Seq-witness.last, m.Body, 3)
		}
	})
}

// More than can be kept while Redis is away: the watchers learn that they miss
// something.
func TestPublishTooMuchWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, direct := behindLink(t, rdb, realtime.Retention{})
		witness := listen(t, direct, "run:2")
		s, seq := w.watch(t, "ann", "run:2")
		l.cut()
		large := strings.Repeat("x", 250_000)
		for range 200 { // 16 MB may be on their way, and as much may wait
			w.publish(t, "run:1", "tick", large)
		}
		w.publish(t, "run:2", "tick", large)
		l.mend()
		if m := witness.next(t); m.Seq != witness.last+1 || m.Body != nil {
			t.Errorf("got %d with %d bytes, want a lost %d", m.Seq, len(m.Body), witness.last+1)
		}
		if g := s.want("gap"); g.From != seq+1 || g.To != seq+1 {
			t.Errorf("got %+v, want a gap at %d", g, seq+1)
		}
	})
}

// Redis loses everything: watchers get a gap, and numbers go on rising.
func TestFlushedRedisIsAGap(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, _, _ := behindLink(t, rdb, realtime.Retention{})
		s, seq := w.watch(t, "ann", "run:1")
		w.publish(t, "run:1", "tick", 1)
		s.wantEvent(seq+1, "1")
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		w.publish(t, "run:1", "tick", 2)
		g := s.want("gap")
		if g.From != seq+2 || g.To < g.From {
			t.Errorf("got %+v, want a gap from %d", g, seq+2)
		}
		s.wantEvent(g.To+1, "2")
		again, _ := w.resume(t, "run:1", seq+1)
		if g := again.want("gap"); g.From != seq+2 {
			t.Errorf("a resume: got %+v, want a gap from %d", g, seq+2)
		}
		again.wantEvent(g.To+1, "2")
	})
}

func TestSubscribeWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		w, l, _ := behindLink(t, rdb, realtime.Retention{})
		s := w.enter(t, "ann")
		l.cut()
		s.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
		if f := s.want("error"); f.Code != "realtime_unavailable" {
			t.Errorf("got %+v", f)
		}
		l.mend()
		eventually(t, patience, "subscribed", func() bool {
			s.send(`{"id":"s","op":"subscribe","topic":"run:1"}`)
			f, err := s.receive()
			return err == nil && f.Op == "ok"
		})
	})
}
