//go:build unix

package chaostest

import (
	"slices"
	"testing"
	"time"
)

// hints counts those that lie in Redis.
func (s *scene) hints() int {
	n, err := s.rdb.LLen(s.t.Context(), "asynq:{"+s.place.Queue+"}:pending").Result()
	if err != nil {
		return 0
	}
	return int(n)
}

// Redis is emptied while every worker is busy and more is ready: nothing is lost.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(1, steady)
	w := s.publish(holding(false))
	for range slots {
		s.begin(w)
	}
	s.begun(slots)
	for range 50 {
		s.begin(w)
	}
	s.until("hints to be in Redis", func() bool { return s.hints() > 0 })
	s.emptyRedis()
	s.release("")
	s.ended(0)
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 0 || v.losses != 0 {
		t.Error(v)
	}
}

// Redis goes away: runs go on from SQL. It comes back, empty: they go on as before.
func TestRedisIsStopped(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2, steady)
	w := s.publish(newGraph("a>b", "a>c", "a>d", "b>e", "c>e", "d>e"))
	begin := func(n int) {
		t.Helper()
		var starts []time.Duration
		for range n {
			asked := time.Now()
			r := s.begin(w)
			s.until("the first node", func() bool {
				for _, e := range readLedger(t, s.dir) {
					if e.RunID == r {
						starts = append(starts, e.At.Sub(asked))
						return true
					}
				}
				return false
			})
		}
		slices.Sort(starts)
		t.Logf("first node after: median %s, slowest %s of %d", starts[n/2].Round(time.Millisecond), starts[n-1].Round(time.Millisecond), n)
	}
	begin(10)
	s.redis.Crash()
	begin(20)
	s.ended(0) // without Redis
	s.redis.Start()
	begin(10)
	s.ended(0)
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 0 || v.losses != 0 {
		t.Error(v)
	}
}

// Every hint is delivered many times, before and after its node has run.
func TestHintsAreRepeated(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2, steady)
	for _, g := range graphs() {
		w := s.publish(g)
		for range 4 {
			s.begin(w)
			s.repeatHints()
		}
	}
	for range 5 {
		s.repeatHints()
	}
	s.ended(0)
	s.repeatHints()
	s.until("the hints to be used up", func() bool { return s.hints() == 0 })
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 0 || v.losses != 0 {
		t.Error(v)
	}
}
