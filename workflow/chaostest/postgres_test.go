//go:build unix

package chaostest

import (
	"testing"
	"time"
)

// PostgreSQL crashes under load, twice: nothing is lost, no transition is made
// twice, no node is repeated, and the engine goes on by itself.
func TestPostgreSQLCrashes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2)
	var workflows []string
	for _, g := range graphs() {
		workflows = append(workflows, s.publish(g))
	}
	for range 2 {
		for range 20 {
			s.begin(workflows[s.count%len(workflows)])
		}
		s.begun(s.count)
		s.crashPostgres(lease + lease/2) // every lease runs out meanwhile
		back := time.Now()
		s.ended(0)
		t.Logf("%d runs had ended %s after it was back", s.count, time.Since(back).Round(time.Millisecond))
	}
	s.fleet.stopAll()
	// A process that the machine let stand still meanwhile may have lost a node; no
	// other may.
	t.Log(s.judge())
}

// The connections of every worker are cut, again and again.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(2, steady)
	for _, g := range graphs() {
		w := s.publish(g)
		for range 6 {
			s.begin(w)
			for _, w := range s.fleet.running() {
				s.cut(w)
			}
		}
	}
	s.ended(0)
	s.fleet.stopAll()
	if v := s.judge(); v.repeated != 0 || v.losses != 0 {
		t.Error(v)
	}
}
