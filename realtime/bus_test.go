package realtime_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// started makes a bus and starts it.
func started(t *testing.T, bus realtime.Bus) realtime.Bus {
	t.Helper()
	if b, ok := bus.(realtime.Background); ok {
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := b.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	return bus
}

// inbox collects what a bus delivers.
type inbox struct {
	messages chan realtime.Message
	stop     func()
	last     int64
}

func listen(t *testing.T, bus realtime.Bus, topic string) *inbox {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in := &inbox{messages: make(chan realtime.Message, 10_000)}
	var err error
	in.last, in.stop, err = bus.Watch(ctx, topic, func(m realtime.Message) { in.messages <- m })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.stop)
	return in
}

func (in *inbox) next(t *testing.T) realtime.Message {
	t.Helper()
	select {
	case m := <-in.messages:
		return m
	case <-time.After(patience):
		t.Fatal("no message came")
		return realtime.Message{}
	}
}

func send(t *testing.T, bus realtime.Bus, topic, body string) {
	t.Helper()
	if err := bus.Publish(t.Context(), topic, realtime.Message{Key: "k", Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

func TestBusDeliversToAllWatchers(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := started(t, bus())
		one, two, other := listen(t, b, "run:1"), listen(t, b, "run:1"), listen(t, b, "run:2")
		send(t, b, "run:1", "a\nb \x00ü")
		for _, in := range []*inbox{one, two} {
			if m := in.next(t); m.Seq != in.last+1 || string(m.Body) != "a\nb \x00ü" || m.Key != "k" {
				t.Errorf("got %+v", m)
			}
		}
		one.stop()
		one.stop()
		send(t, b, "run:1", "second")
		send(t, b, "run:2", "third")
		if m := two.next(t); m.Seq != two.last+2 {
			t.Errorf("got %+v", m)
		}
		if m := other.next(t); m.Seq != other.last+1 {
			t.Errorf("got %+v", m)
		}
		if len(one.messages) > 0 {
			t.Error("a stopped watcher got a message")
		}
	})
}

func TestBusKeepsOrderUnderConcurrency(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b, other := started(t, bus()), bus()
		if other != b {
			started(t, other)
		}
		in := listen(t, b, "run:1")
		var publishers sync.WaitGroup
		for p := range 4 {
			from := b
			if p%2 == 1 {
				from = other
			}
			publishers.Go(func() {
				for i := range 250 {
					if err := from.Publish(t.Context(), "run:1", realtime.Message{Body: fmt.Appendf(nil, "%d %d", p, i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		next := map[int]int{}
		for n := range int64(1000) {
			m := in.next(t)
			if m.Seq != in.last+n+1 {
				t.Fatalf("number %d, want %d", m.Seq, in.last+n+1)
			}
			var p, i int
			if _, err := fmt.Sscanf(string(m.Body), "%d %d", &p, &i); err != nil || i != next[p] {
				t.Fatalf("publisher %d: got %d, want %d (%v)", p, i, next[p], err)
			}
			next[p]++
		}
	})
}

func TestBusReadsInPieces(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := started(t, bus())
		in := listen(t, b, "run:1")
		for i := range 5 {
			send(t, b, "run:1", fmt.Sprint(i))
			in.next(t)
		}
		for _, c := range []struct {
			after, first int64
			limit, count int
		}{
			{in.last, in.last + 1, 2, 2},
			{in.last + 3, in.last + 4, 9, 2},
			{in.last + 5, 0, 9, 0},
			{0, in.last + 1, 9, 5},
		} {
			h, err := b.Read(t.Context(), "run:1", c.after, c.limit)
			if err != nil || h.Base != in.last || h.Last != in.last+5 || len(h.Messages) != c.count || c.count > 0 && h.Messages[0].Seq != c.first {
				t.Errorf("after %d limit %d: %+v, %v", c.after, c.limit, h, err)
			}
		}
	})
}

// What was forgotten begins anew at a higher number, so that nobody takes the
// new messages for the old.
func TestBusForgetsAndGoesOnRising(t *testing.T) {
	t.Parallel()
	const age = 50 * time.Millisecond
	forgets := func(t *testing.T, b realtime.Bus, pass func(time.Duration)) {
		retain(b, realtime.Retention{Age: age})
		started(t, b)
		in := listen(t, b, "run:1")
		for range 3 {
			send(t, b, "run:1", "x")
			in.next(t)
		}
		in.stop()
		pass(13 * age)
		send(t, b, "run:2", "somebody else")
		h, err := b.Read(t.Context(), "run:1", in.last, 10)
		if err != nil || len(h.Messages) > 0 || h.Base < in.last+3 {
			t.Errorf("%+v, %v; want nothing, from %d", h, err, in.last+3)
		}
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		forgets(t, realtime.NewMemoryBus(), func(d time.Duration) { <-time.After(d) })
	})
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, fast func(time.Duration)) {
		forgets(t, onRedis(rdb)(), fast)
	})
}

// The log of a topic is forgotten before its number; its bytes are counted anew.
func TestRedisBusCountsBytesOfTheLogThatIsThere(t *testing.T) {
	t.Parallel()
	const age = 100 * time.Millisecond
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, fast func(time.Duration)) {
		b := onRedis(rdb)()
		retain(b, realtime.Retention{Age: age, Bytes: 10_000})
		started(t, b)
		in := listen(t, b, "run:1")
		for range 2 {
			for range 3 {
				send(t, b, "run:1", strings.Repeat("x", 3000))
				in.next(t)
			}
			h, err := b.Read(t.Context(), "run:1", 0, 10)
			if err != nil || h.Base != in.last || len(h.Messages) != 3 {
				t.Errorf("%d messages from %d, %v; want 3 from %d", len(h.Messages), h.Base, err, in.last)
			}
			fast(2 * age)
		}
	})
}

func TestMemoryBusIsBoundedOverAllTopics(t *testing.T) {
	t.Parallel()
	b := realtime.NewMemoryBus()
	b.Total = 100_000
	watched := listen(t, b, "run:watched")
	send(t, b, "run:watched", "x")
	for i := range 1000 {
		send(t, b, fmt.Sprint("run:", i), string(make([]byte, 1000)))
	}
	kept := 0
	for i := range 1000 { // the newest first: reading keeps a topic too
		h, err := b.Read(t.Context(), fmt.Sprint("run:", 999-i), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		kept += len(h.Messages)
	}
	if kept == 0 || kept > 100 {
		t.Errorf("%d messages of 1,000 bytes are kept", kept)
	}
	send(t, b, "run:watched", "y")
	for n := range int64(2) {
		if m := watched.next(t); m.Seq != watched.last+n+1 {
			t.Errorf("the watched topic went from %d to %d", watched.last, m.Seq)
		}
	}
}

func TestStoppedRedisBusRefuses(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		bus := onRedis(rdb)
		b, witness := bus().(*realtime.RedisBus), started(t, bus())
		in := listen(t, witness, "run:1")
		send(t, b, "run:1", "before the start")
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		send(t, b, "run:1", "before the stop")
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"before the start", "before the stop"} {
			if m := in.next(t); string(m.Body) != want {
				t.Errorf("got %q, want %q", m.Body, want)
			}
		}
		if err := b.Publish(t.Context(), "run:1", realtime.Message{Body: []byte("x")}); !problem.Is(err, problem.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}
