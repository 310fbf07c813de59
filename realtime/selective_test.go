package realtime_test

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/realtime"
)

func onDemand(cfg *realtime.Config) { cfg.OnDemand = []string{"run"} }

func (w *world) wanted(topics ...string) []bool { return w.Wanted(context.Background(), topics) }

// What nobody in any process watches, or may come back to, need not be published.
func TestWantedIsWhatSomebodyWatches(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		here, there := setup(t, bus(), onDemand), setup(t, bus(), onDemand)
		if got := here.wanted("run:1", "run:2"); slices.Contains(got, true) {
			t.Errorf("nobody watches, wanted is %v", got)
		}
		watcher, seq := there.watch(t, "ann", "run:2")
		if got := here.wanted("run:1", "run:2"); !slices.Equal(got, []bool{false, true}) {
			t.Errorf("somebody watches the second elsewhere, wanted is %v", got)
		}
		// He goes away, and comes back for what he has missed.
		watcher.close()
		if got := here.wanted("run:2"); !got[0] {
			t.Error("a topic that somebody may come back to is not wanted")
		}
		here.publish(t, "run:2", "tick", 1)
		again, position := there.resume(t, "run:2", seq)
		if position != seq {
			t.Errorf("goes on from %d, want %d", position, seq)
		}
		again.wantEvent(seq+1, "1")
	})
}

// Who asks for everything is told when that may not be all.
func TestSinceZeroTellsOfEventsThatNobodyKept(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus(), onDemand)
		first, position := w.resume(t, "run:1", 0)
		if gap := first.want("gap"); gap.From != position || gap.To != position {
			t.Errorf("the gap is %+v, the position %d", gap, position)
		}
		w.publish(t, "run:1", "tick", 1)
		first.wantEvent(position+1, "1")

		w.publish(t, "run:2", "tick", 1) // begun by its first event: all is there
		eventually(t, patience, "the event is on the bus", func() bool { return w.wanted("run:2")[0] })
		second, position := w.resume(t, "run:2", 0)
		second.wantEvent(position+1, "1")
		second.quiet()
	})
}

// A wiped Redis has forgotten the number of the topic, and still knows who listens.
func TestWantedSurvivesTheLossOfRedis(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	rdb := redis.NewClient(server)
	t.Cleanup(func() { _ = rdb.Close() })
	w := setup(t, onRedis(rdb)(), onDemand)
	w.watch(t, "ann", "run:1")
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if got := w.wanted("run:1", "run:2"); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("wanted is %v", got)
	}
}

func BenchmarkWanted(b *testing.B) {
	topics := make([]string, 100)
	for i := range topics {
		topics[i] = "run:" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	each := func(b *testing.B, bus realtime.Bus) {
		w := setup(b, bus)
		for b.Loop() {
			w.wanted(topics...)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(topics)), "ns/topic")
	}
	b.Run("memory", func(b *testing.B) { each(b, realtime.NewMemoryBus()) })
	b.Run("redis", func(b *testing.B) {
		rdb := redis.NewClient(testdb.Redis(b))
		b.Cleanup(func() { _ = rdb.Close() })
		each(b, realtime.NewRedisBus(rdb, "bench"))
	})
}

// close goes away without a word.
func (s *socket) close() { _ = s.ws.CloseNow() }

// countingBus counts what a hub asks of its bus.
type countingBus struct {
	*realtime.MemoryBus
	watches, reads atomic.Int64
}

func (b *countingBus) Watch(ctx context.Context, topic string, deliver func(realtime.Message)) (int64, func(), error) {
	b.watches.Add(1)
	return b.MemoryBus.Watch(ctx, topic, deliver)
}

func (b *countingBus) Read(ctx context.Context, topic string, after int64, limit int) (realtime.History, error) {
	b.reads.Add(1)
	return b.MemoryBus.Read(ctx, topic, after, limit)
}

// A thousand watchers of a topic in a process cost what one does.
func TestAThousandWatchersAreOneOfTheBus(t *testing.T) {
	t.Parallel()
	bus := &countingBus{MemoryBus: realtime.NewMemoryBus()}
	w := setup(t, bus, func(cfg *realtime.Config) { cfg.MaxPerCredential, cfg.Recheck = 2000, time.Second })
	const watchers = 1000
	sockets := make([]*socket, watchers)
	var seq int64
	for i := range sockets {
		sockets[i], seq = w.watch(t, "ann", "run:1")
	}
	for i := range 5 {
		w.publish(t, "run:1", "tick", i)
	}
	for _, s := range sockets {
		for i := range 5 {
			s.wantEvent(seq+int64(i)+1, strconv.Itoa(i))
		}
	}
	if bus.watches.Load() != 1 || bus.reads.Load() != 0 {
		t.Errorf("%d watchers were %d of the bus and read %d times", watchers, bus.watches.Load(), bus.reads.Load())
	}
}
