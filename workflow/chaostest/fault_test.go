//go:build unix

package chaostest

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

// fault is something that happens to a worker, or to what they share.
type fault struct {
	name   string
	worker func(s *scene, w *worker) // to a worker, which it leaves
	shared func(s *scene, random *rand.Rand)
}

func faults() []fault {
	return []fault{
		{name: "kill", worker: func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.kill(w)
		}},
		{name: "kill before a commit", worker: func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.condemn(w, dieBeforeCommit)
		}},
		{name: "kill after a commit", worker: func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.condemn(w, dieAfterCommit)
		}},
		{name: "pause", worker: func(s *scene, w *worker) {
			s.fleet.pause(w, lease+lease/2)
			s.fleet.leave(w)
		}},
		{name: "stop", worker: func(s *scene, w *worker) {
			s.fleet.add()
			s.fleet.stop(w)
		}},
		{name: "cut connections", worker: func(s *scene, w *worker) {
			s.cut(w)
			s.fleet.leave(w)
		}},
		{name: "empty Redis", shared: func(s *scene, _ *rand.Rand) { s.emptyRedis() }},
		{name: "stop Redis", shared: func(s *scene, random *rand.Rand) {
			s.redis.Crash()
			<-time.After(time.Duration(500+random.IntN(1500)) * time.Millisecond)
			s.redis.Start()
		}},
		{name: "crash PostgreSQL", shared: func(s *scene, random *rand.Rand) {
			s.crashPostgres(time.Duration(random.IntN(1000)) * time.Millisecond)
		}},
		{name: "repeat hints", shared: func(s *scene, _ *rand.Rand) { s.repeatHints() }},
	}
}

// disturb makes faults at random moments, each kind as often as the others, until
// the context ends. made hears of each. A run must have ended between two: on a
// machine that is too slow for the faults nothing else would ever happen.
func (s *scene) disturb(ctx context.Context, random *rand.Rand, made func(name string)) {
	all, last := faults(), int64(0)
	for {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, f := range all {
			pause := time.NewTimer(time.Duration(100+random.IntN(300)) * time.Millisecond)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
			if before := s.progress.Load(); before > last && s.make(f, random) {
				made(f.name)
				last = before
			}
		}
	}
}

// make makes a fault, if it can be made just now.
func (s *scene) make(f fault, random *rand.Rand) bool {
	if f.worker != nil {
		w := s.fleet.take(random.IntN)
		if w == nil {
			return false
		}
		f.worker(s, w)
		return true
	}
	if !s.servers.TryLock() {
		return false
	}
	defer s.servers.Unlock()
	f.shared(s, random)
	return true
}

// crashPostgres takes the database away for a while.
func (s *scene) crashPostgres(away time.Duration) {
	from := time.Now()
	s.postgres.Crash()
	<-time.After(away)
	s.postgres.Start()
	s.fleet.noteOutage("", from)
}

// emptyRedis takes away every hint.
func (s *scene) emptyRedis() {
	s.insist("empty Redis", func() error { return s.rdb.FlushAll(s.t.Context()).Err() })
}

// insist does what the servers may refuse for a second after they were away:
// go-redis answers with the error of its last attempt to connect.
func (s *scene) insist(what string, do func() error) {
	var err error
	for range 50 {
		if err = do(); err == nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	s.t.Errorf("%s: %v", what, err)
}

// cut ends the connections of a worker's engine to PostgreSQL, in the middle of
// whatever they are doing. The server may be away: then they are cut already.
func (s *scene) cut(w *worker) {
	from := time.Now()
	_, _ = s.db.NewRaw(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?`, w.name).Exec(s.t.Context())
	s.fleet.noteOutage(w.name, from)
}

// repeatHints sends hints again that were sent before, some times each, also where
// no node is ready.
func (s *scene) repeatHints() {
	var hints []workflow.Hint
	err := s.db.NewRaw(`SELECT tenant_id, 5 AS nodes FROM ?schema.jet_run_node /* across tenants: hints */
		ORDER BY id DESC LIMIT 50`).Scan(s.t.Context(), &hints)
	if err != nil {
		s.t.Errorf("repeat hints: %v", err)
	}
	for range 5 {
		s.insist("repeat hints", func() error { return s.queue.Dispatch(s.t.Context(), hints) })
	}
}
