package realtime_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/realtime"
)

// Of many that ask at the same time, in several processes, one has the turn of a
// topic.
func TestATurnIsOnes(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		processes := []realtime.Turns{bus().(realtime.Turns), bus().(realtime.Turns)}
		var turns atomic.Int32
		ask := func(topic string, every time.Duration) {
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					mine, err := processes[i%2].Turn(t.Context(), topic, every)
					if err != nil {
						t.Error(err)
					}
					if mine {
						turns.Add(1)
					}
				})
			}
			all.Wait()
		}
		ask("run:1", time.Hour)
		ask("run:1", time.Hour)
		if n := turns.Load(); n != 1 {
			t.Errorf("%d turns", n)
		}
		ask("run:2", time.Hour)
		if n := turns.Load(); n != 2 {
			t.Errorf("%d turns of two topics", n)
		}
		eventually(t, patience, "the turn never comes again", func() bool {
			ask("run:3", 20*time.Millisecond)
			return turns.Load() >= 5
		})
	})
}
