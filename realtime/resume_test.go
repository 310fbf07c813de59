package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/realtime"
)

// resume subscribes from a position and returns the socket and the position the
// server goes on from.
func (w *world) resume(t *testing.T, topic string, since int64) (*socket, int64) {
	t.Helper()
	s := w.enter(t, "ann")
	s.send(fmt.Sprintf(`{"id":"s","op":"subscribe","topic":%q,"since":%d}`, topic, since))
	return s, s.want("ok").Seq
}

func TestResumeGetsWhatWasMissed(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		s, seq := w.watch(t, "ann", "run:1")
		w.publish(t, "run:1", "tick", 1)
		s.wantEvent(seq+1, "1")
		if err := s.ws.CloseNow(); err != nil {
			t.Fatal(err)
		}
		for i := 2; i <= 300; i++ {
			w.publish(t, "run:1", "tick", i)
		}
		again, position := w.resume(t, "run:1", seq+1)
		if position != seq+1 {
			t.Errorf("goes on from %d, want %d", position, seq+1)
		}
		for i := 2; i <= 300; i++ {
			again.wantEvent(seq+int64(i), fmt.Sprint(i))
		}
		w.publish(t, "run:1", "tick", "live")
		again.wantEvent(seq+301, `"live"`)
	})
}

func TestResumeWhileEventsArrive(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus(), func(c *realtime.Config) { c.QueueSize = 2000 })
		_, seq := w.watch(t, "ann", "run:1")
		published := make(chan error, 1)
		go func() {
			var failed error
			for i := range 900 {
				if err := w.Publish(t.Context(), "run:1", "tick", i); err != nil {
					failed = err
				}
			}
			published <- failed
		}()
		for range 5 {
			s, _ := w.resume(t, "run:1", seq)
			for i := range int64(900) {
				s.wantEvent(seq+i+1, fmt.Sprint(i))
			}
		}
		if err := <-published; err != nil {
			t.Error(err)
		}
	})
}

func TestSinceZeroGivesAllThereIs(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		fresh, _ := w.resume(t, "run:2", 0)
		fresh.quiet()
		_, seq := w.watch(t, "ann", "run:1")
		w.publish(t, "run:1", "tick", 1)
		w.publish(t, "run:1", "tick", 2)
		s, position := w.resume(t, "run:1", 0)
		if position != seq {
			t.Errorf("goes on from %d, want %d", position, seq)
		}
		s.wantEvent(seq+1, "1")
		s.wantEvent(seq+2, "2")
		s.quiet()
	})
}

func TestGapWhenHistoryIsShorter(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := bus()
		retain(b, realtime.Retention{Count: 3})
		w := setup(t, b)
		watcher, seq := w.watch(t, "ann", "run:1")
		for i := 1; i <= 10; i++ {
			w.publish(t, "run:1", "tick", i)
			watcher.wantEvent(seq+int64(i), fmt.Sprint(i)) // all of it is in history now
		}
		for _, since := range []int64{seq, seq + 2, seq - 1000, 0} {
			s, position := w.resume(t, "run:1", since)
			if since == 0 {
				since = seq
			}
			if g := s.want("gap"); g.From != since+1 || g.To != seq+7 || g.Topic != "run:1" || position != since {
				t.Errorf("since %d: position %d, gap %+v; want from %d to %d", since, position, g, since+1, seq+7)
			}
			for i := 8; i <= 10; i++ {
				s.wantEvent(seq+int64(i), fmt.Sprint(i))
			}
			s.quiet()
		}
		s, _ := w.resume(t, "run:1", seq+7)
		s.wantEvent(seq+8, "8")
	})
}

func TestGapForANumberThatNeverWas(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		_, seq := w.watch(t, "ann", "run:1")
		s, position := w.resume(t, "run:1", seq+1_000_000)
		if g := s.want("gap"); g.To != seq || position != seq {
			t.Errorf("position %d, gap %+v, want both at %d", position, g, seq)
		}
		w.publish(t, "run:1", "tick", 1)
		s.wantEvent(seq+1, "1")
	})
}

func TestHistoryIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := bus()
		retain(b, realtime.Retention{Bytes: 10_000})
		w := setup(t, b)
		watcher, seq := w.watch(t, "ann", "run:1")
		for range 10 {
			w.publish(t, "run:1", "tick", strings.Repeat("x", 3000))
			watcher.want("event")
		}
		s, _ := w.resume(t, "run:1", seq)
		if g := s.want("gap"); g.To != seq+7 {
			t.Errorf("gap %+v, want to %d", g, seq+7)
		}
	})
}

func retain(b realtime.Bus, r realtime.Retention) {
	switch b := b.(type) {
	case *realtime.MemoryBus:
		b.Retention = r
	case *realtime.RedisBus:
		b.Retention = r
	}
}
