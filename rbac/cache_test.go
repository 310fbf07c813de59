package rbac

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// source counts how often the database would be asked.
type source struct {
	version atomic.Int64
	looks   atomic.Int64 // version reads
	loads   atomic.Int64
	fail    atomic.Pointer[error]
	during  func() // runs in the middle of a load
}

func (s *source) cache(limit int, age time.Duration) *cache {
	c := newCache(limit, s.look, s.load)
	c.age = age
	return c
}

func (s *source) look(context.Context, string) (int64, error) {
	s.looks.Add(1)
	if err := s.fail.Load(); err != nil {
		return 0, *err
	}
	return s.version.Load(), nil
}

func (s *source) load(context.Context, string) (*policy, error) {
	s.loads.Add(1)
	if err := s.fail.Load(); err != nil {
		return nil, *err
	}
	p := &policy{version: s.version.Load()}
	if s.during != nil {
		s.during()
	}
	return p, nil
}

func mustGet(t *testing.T, c *cache, tenantID string) *policy {
	t.Helper()
	p, err := c.get(t.Context(), tenantID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCacheReadsAVersionOnceInAWhile(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(10, policyAge)
	began := time.Now()
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 20_000 {
				if _, err := c.get(t.Context(), "a"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	most := int64(time.Since(began)/policyAge) + 1
	if s.loads.Load() != 1 || s.looks.Load() > most {
		t.Errorf("%d loads, %d looks at the version, want 1 and at most %d", s.loads.Load(), s.looks.Load(), most)
	}
}

func TestCacheFollowsTheVersion(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(10, 0) // every policy is too old at once
	first := mustGet(t, c, "a")
	if mustGet(t, c, "a") != first || s.loads.Load() != 1 {
		t.Error("a policy of the same version is loaded again")
	}
	s.version.Store(2)
	if got := mustGet(t, c, "a"); got.version != 2 {
		t.Errorf("version %d", got.version)
	}
}

func TestCacheForgetsWhatWasLoadedDuringAChange(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(10, time.Hour)
	s.during = func() { // the change is committed after the load has read
		s.during = nil
		s.version.Store(2)
		c.invalidate("a")
	}
	mustGet(t, c, "a")
	if got := mustGet(t, c, "a"); got.version != 2 {
		t.Errorf("version %d after a change to 2", got.version)
	}
	mustGet(t, c, "a")
	if s.loads.Load() != 2 {
		t.Errorf("%d loads", s.loads.Load())
	}
}

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(4, time.Hour)
	kept := mustGet(t, c, "kept")
	for i := range 50 {
		mustGet(t, c, fmt.Sprint(i))
		c.shard("kept").slots["kept"].used.Store(c.now()) // a use, without waiting for a second
		n := 0
		for i := range c.shards {
			n += len(c.shards[i].slots)
		}
		if n > 4 {
			t.Fatalf("%d policies are kept", n)
		}
	}
	if mustGet(t, c, "kept") != kept {
		t.Error("the policy that was used all the time is dropped")
	}
}

func TestCacheFailsClosedAndRecovers(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(10, 0)
	mustGet(t, c, "a")
	down := errors.New("down")
	s.fail.Store(&down)
	if p, err := c.get(t.Context(), "a"); p != nil || !errors.Is(err, down) {
		t.Errorf("while the database is down: %v %v", p, err)
	}
	s.fail.Store(nil)
	mustGet(t, c, "a")
}

func TestCacheLetsGoOfWhoStopsWaiting(t *testing.T) {
	t.Parallel()
	var s source
	c := s.cache(10, time.Hour)
	loading, release := make(chan struct{}), make(chan struct{})
	s.during = func() { close(loading); <-release }
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.get(context.WithoutCancel(t.Context()), "a"); err != nil {
			t.Error(err)
		}
	})
	<-loading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	first.Wait()
}
