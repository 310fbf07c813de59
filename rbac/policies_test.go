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

func (s *source) policies(limit int, age time.Duration) *policies {
	c := newPolicies(limit, s.look, s.load)
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
	p := &policy{version: s.version.Load(), ground: new(ground)}
	if s.during != nil {
		s.during()
	}
	return p, nil
}

func mustGet(t *testing.T, c *policies, tenantID string) *policy {
	t.Helper()
	p, err := c.get(t.Context(), tenantID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoliciesReadAVersionOnceInAWhile(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(10, policyAge)
	began := time.Now()
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 2_000 {
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

func TestPoliciesFollowTheVersion(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(10, 0) // every policy is too old at once
	first := mustGet(t, c, "a")
	if mustGet(t, c, "a") != first || s.loads.Load() != 1 {
		t.Error("a policy of the same version is loaded again")
	}
	s.version.Store(2)
	if got := mustGet(t, c, "a"); got.version != 2 {
		t.Errorf("version %d", got.version)
	}
}

func TestPoliciesForgetWhatWasLoadedDuringAChange(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(10, time.Hour)
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

func TestPoliciesAreBoundedAndKeepWhatIsUsed(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(4, time.Hour)
	kept := mustGet(t, c, "kept")
	for i := range 50 {
		mustGet(t, c, fmt.Sprint(i))
		if mustGet(t, c, "kept") != kept {
			t.Fatal("the policy that was used all the time is dropped")
		}
		if len(c.slots) > 4 || c.order.Len() != len(c.slots) {
			t.Fatalf("%d policies are kept", len(c.slots))
		}
	}
}

// What was decided by a policy that invalidate cannot reach any more must not
// stand.
func TestPoliciesEndWhenTheyAreDropped(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(1, time.Hour)
	dropped := mustGet(t, c, "a")
	mustGet(t, c, "b")
	if c.stands(&dropped.ground.lease) {
		t.Error("a dropped policy stands")
	}
	s.during = func() {
		s.during = nil
		mustGet(t, c, "b") // takes the only place while "a" is loaded
	}
	if late := mustGet(t, c, "a"); c.stands(&late.ground.lease) {
		t.Error("a policy that was dropped while it was loaded stands")
	}
}

func TestPoliciesFailClosedAndRecover(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(10, 0)
	mustGet(t, c, "a")
	down := errors.New("down")
	s.fail.Store(&down)
	if p, err := c.get(t.Context(), "a"); p != nil || !errors.Is(err, down) {
		t.Errorf("while the database is down: %v %v", p, err)
	}
	s.fail.Store(nil)
	mustGet(t, c, "a")
}

func TestPoliciesLetGoOfWhoStopsWaiting(t *testing.T) {
	t.Parallel()
	var s source
	c := s.policies(10, time.Hour)
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
