package realtime_test

import (
	"fmt"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// past asks from a position on.
func (w *world) past(t *testing.T, topic string, since int64) realtime.Past {
	t.Helper()
	p, err := w.Past(t.Context(), topic, since)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Whoever asks again and again gets what a connection gets, each event once.
func TestPastInPieces(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus(), func(c *realtime.Config) { c.OnDemand = []string{"run"} })
		first := w.past(t, "run:1", 0)
		if len(first.Events) > 0 || !first.Gap {
			t.Errorf("nobody watched before, and %+v is there", first)
		}
		watcher, seq := w.watch(t, "ann", "run:1")
		if first.Last != seq {
			t.Errorf("asks on from %d, the topic is at %d", first.Last, seq)
		}
		const total = 450 // three pieces
		for i := range total {
			w.publish(t, "run:1", "tick", i)
			watcher.wantEvent(seq+int64(i)+1, fmt.Sprint(i))
		}
		since, n := seq, 0
		for range 3 {
			p := w.past(t, "run:1", since)
			for _, e := range p.Events {
				if e.Seq != seq+int64(n)+1 || e.Type != "tick" || string(e.Data) != fmt.Sprint(n) || e.Time.IsZero() {
					t.Fatalf("event %d is %+v", n, e)
				}
				n++
			}
			if p.Gap {
				t.Errorf("a gap after %d events", n)
			}
			since = p.Last
		}
		if n != total || since != seq+total {
			t.Errorf("%d events, up to %d", n, since-seq)
		}
		if p := w.past(t, "run:1", since); len(p.Events) > 0 || p.Last != since || p.Gap {
			t.Errorf("then there is %+v", p)
		}
	})
}

func TestPastTellsOfGaps(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := bus()
		retain(b, realtime.Retention{Count: 3})
		w := setup(t, b)
		watcher, seq := w.watch(t, "ann", "run:1")
		for i := range 10 {
			w.publish(t, "run:1", "tick", i)
			watcher.wantEvent(seq+int64(i)+1, fmt.Sprint(i))
		}
		for since, want := range map[int64]struct {
			events int
			gap    bool
		}{0: {3, true}, seq: {3, true}, seq + 7: {3, false}, seq + 9: {1, false}, seq + 10: {0, false}, seq + 100: {0, true}} {
			if p := w.past(t, "run:1", since); len(p.Events) != want.events || p.Gap != want.gap || p.Last != seq+10 {
				t.Errorf("since %d: %d events, gap %t, up to %d; want %+v up to 10", since-seq, len(p.Events), p.Gap, p.Last-seq, want)
			}
		}
		if _, err := w.Past(t.Context(), "run", 0); problem.KindOf(err) != problem.Invalid {
			t.Errorf("a name that is none gives %v", err)
		}
	})
}
