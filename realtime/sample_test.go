package realtime_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/realtime"
)

// sampled counts the samples made for topics of the kind "run".
func sampled(made *atomic.Int64) func(*realtime.Config) {
	return func(cfg *realtime.Config) {
		cfg.Samples = map[string]func(context.Context, realtime.Topic) (realtime.Event, error){
			"run": func(_ context.Context, topic realtime.Topic) (realtime.Event, error) {
				if made.Add(1) == 2 {
					panic("once")
				}
				return realtime.Event{Type: "sample", Key: "sample", Data: topic.ID}, nil
			},
		}
	}
}

func TestSamplesAreMadeWhileSomebodyWatches(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		var made atomic.Int64
		one, two := setup(t, bus(), sampled(&made)), setup(t, bus(), sampled(&made))
		_, _ = one.watch(t, "ann", "tenant:1")
		if made.Load() != 0 {
			t.Fatal("a sample was made for another kind of topic")
		}
		began := time.Now()
		first, seq := one.watch(t, "ann", "run:1")
		second, _ := two.watch(t, "ann", "run:1")
		var last int64
		for range 3 {
			last = first.want("event").Seq
		}
		// A second apart from each other, whichever process makes them.
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("three samples came within %s", took)
		}
		// Two processes make as many as one does: the one that panics, and the next.
		if n := made.Load(); n > (last-seq)+2 {
			t.Errorf("%d samples were made for %d events", n, last-seq)
		}
		second.want("event")
		first.close()
		second.close()
		var before int64
		eventually(t, patience, "nobody makes samples", func() bool {
			before = made.Load()
			<-time.After(1500 * time.Millisecond)
			return made.Load() == before
		})
	})
}
