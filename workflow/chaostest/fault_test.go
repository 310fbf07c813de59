//go:build unix

package chaostest

import (
	"context"
	"math/rand/v2"
	"os"
	"time"
)

// fault is something that happens to the workers or to what they share.
type fault struct {
	name string
	make func(s *scene, w *worker)
}

func faults() []fault {
	return []fault{
		{"kill", func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.kill(w)
		}},
		{"empty Redis", func(s *scene, _ *worker) { s.emptyRedis() }},
		{"pause", func(s *scene, w *worker) { s.fleet.pause(w, lease+lease/2) }},
		{"stop", func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.stop(w)
		}},
		{"cut connections", func(s *scene, w *worker) { s.cut(w) }},
	}
}

// disturb makes faults at random moments, each kind as often as the others,
// until the context ends.
func (s *scene) disturb(ctx context.Context, random *rand.Rand) {
	all := faults()
	for {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, f := range all {
			pause := time.NewTimer(time.Duration(100+random.IntN(400)) * time.Millisecond)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
			running := s.fleet.running()
			w := running[random.IntN(len(running))]
			select {
			case <-w.ready:
			default:
				continue // it has not even begun
			}
			f.make(s, w)
			s.faults[f.name]++
			s.allMade.Store(len(s.faults) == len(all))
		}
	}
}

// emptyRedis takes away every hint. A Redis that the tests were given may be
// somebody else's as well, so only the test's own database is emptied there.
func (s *scene) emptyRedis() {
	empty := s.rdb.FlushAll
	if os.Getenv("JETADMIN_TEST_REDIS") != "" {
		empty = s.rdb.FlushDB
	}
	if err := empty(s.t.Context()).Err(); err != nil {
		s.t.Errorf("empty Redis: %v", err)
	}
}

// cut ends the connections of a worker's engine to PostgreSQL, in the middle of
// whatever they are doing.
func (s *scene) cut(w *worker) {
	_, err := s.db.NewRaw(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?`, w.name).Exec(s.t.Context())
	if err != nil {
		s.t.Errorf("cut the connections of %s: %v", w.name, err)
	}
}
