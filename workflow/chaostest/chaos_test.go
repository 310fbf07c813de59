//go:build unix

package chaostest

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The size of the short form of TestChaos.
const (
	shortRuns = 150
	openRuns  = 60 // at a time
)

// All faults, at random, while runs go on.
func TestChaos(t *testing.T) {
	runs := number(t, "JETADMIN_CHAOS_RUNS", shortRuns)
	seed := number(t, "JETADMIN_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("JETADMIN_CHAOS_RUNS=%d JETADMIN_CHAOS_SEED=%d", runs, seed)
	s := newScene(t)
	s.workers(3)
	var workflows []string
	for _, g := range graphs() {
		workflows = append(workflows, s.publish(g))
	}

	began := time.Now()
	made := newTally(len(faults()))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var disturbers sync.WaitGroup
	for i := range 2 { // so that faults meet
		disturbers.Go(func() { s.disturb(ctx, rand.New(rand.NewPCG(uint64(seed), uint64(i))), made.add) })
	}
	for s.count < runs || !made.all.Load() {
		if !s.ended(openRuns) {
			break
		}
		s.begin(workflows[s.count%len(workflows)])
	}
	s.ended(0)
	cancel()
	disturbers.Wait()
	took := time.Since(began)
	s.fleet.stopAll()
	v := s.judge()
	t.Logf("%d runs in %s (%.0f/s)", s.count, took.Round(time.Millisecond), float64(s.count)/took.Seconds())
	t.Logf("%d faults: %v", made.sum(), made.byName)
	t.Log(v)
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// tally is how often each fault was made.
type tally struct {
	kinds  int
	all    atomic.Bool // each of them at least once
	mu     sync.Mutex
	byName map[string]int
}

func newTally(kinds int) *tally { return &tally{kinds: kinds, byName: map[string]int{}} }

func (y *tally) add(name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.byName[name]++
	y.all.Store(len(y.byName) == y.kinds)
}

func (y *tally) sum() (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, times := range y.byName {
		n += times
	}
	return n
}
