package throttle

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	th, now := New(Config{Rate: Rate{3, time.Second}}), time.Unix(1_000_000, 0)
	for range 3 {
		if err := th.Take(t.Context(), "a", now); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // what is refused does not put the next attempt off
		err := th.Take(t.Context(), "a", now)
		if e := problem.Of(err); err == nil || e.Kind != problem.RateLimited || e.RetryAfter != time.Second {
			t.Fatalf("got %v, want RateLimited for a second", err)
		}
	}
	if err := th.Take(t.Context(), "b", now); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := th.Take(t.Context(), "a", now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
	th.Forget(t.Context(), "a")
	for range 3 {
		if err := th.Take(t.Context(), "a", now.Add(time.Second)); err != nil {
			t.Errorf("after it was forgotten: %v", err)
		}
	}
}

// To ask whether a key is open counts nothing, and a refusal lasts as long as it said.
func TestOpenCountsNothing(t *testing.T) {
	t.Parallel()
	th, now := New(Config{Rate: Rate{1, time.Second}}), time.Unix(1_000_000, 0)
	for range 5 {
		if err := th.Open("a", now); err != nil {
			t.Fatal(err)
		}
	}
	if err := th.Take(t.Context(), "a", now); err != nil {
		t.Fatal(err)
	}
	if err := th.Open("a", now); err != nil {
		t.Errorf("nothing was refused yet: %v", err)
	}
	if th.Take(t.Context(), "a", now) == nil {
		t.Fatal("not refused")
	}
	if e := problem.Of(th.Open("a", now)); e == nil || e.Kind != problem.RateLimited || e.RetryAfter != time.Second {
		t.Errorf("got %v, want RateLimited for a second", e)
	}
	if err := th.Open("b", now); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := th.Open("a", now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th, now := New(Config{Rate: Rate{1, time.Hour}}), time.Unix(1_000_000, 0)
	th.size = 10
	if err := th.Take(t.Context(), "watched", now); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := th.Take(t.Context(), strconv.Itoa(i), now); err != nil {
			t.Fatal(err)
		}
		if th.Take(t.Context(), "watched", now) == nil {
			t.Fatal("a key that is in use was forgotten")
		}
	}
	if len(th.keys) != 10 || th.order.Len() != 10 {
		t.Errorf("%d keys and %d in order, want 10", len(th.keys), th.order.Len())
	}
}

// shared is a limiter of all processes.
type shared struct {
	err  error
	keys []string
}

func (s *shared) Take(_ context.Context, key string, burst int, pause time.Duration) (time.Duration, error) {
	s.keys = append(s.keys, key)
	return time.Duration(burst) * pause, s.err
}

func (s *shared) Forget(context.Context, string) error { return s.err }

// The shared limiter decides; while it fails, the process counts its own.
func TestASharedLimiterThatFails(t *testing.T) {
	t.Parallel()
	l, now := &shared{}, time.Unix(1_000_000, 0)
	th := New(Config{Name: "x", Rate: PerMinute(2), Code: "too_many_xs", What: "xs", Shared: l})
	err := th.TakeAt(t.Context(), Rate{3, time.Second}, "a", now)
	if e := problem.Of(err); err == nil || e.Code != "too_many_xs" || e.Message != "too many xs" || e.RetryAfter != 3*time.Second {
		t.Errorf("the shared one says no: %+v", err)
	}
	if len(l.keys) != 1 || l.keys[0] != "x:a" {
		t.Errorf("asked for %q", l.keys)
	}
	l.err = errors.New("down")
	for n := range 3 {
		if err := th.Take(t.Context(), "b", now); (err == nil) != (n < 2) {
			t.Errorf("attempt %d: %v", n+1, err)
		}
	}
	th.Forget(t.Context(), "b")
	if err := th.Take(t.Context(), "b", now); err != nil {
		t.Errorf("after it was forgotten: %v", err)
	}
}

// Sparing counts what is bad alone, by network.
func TestSparing(t *testing.T) {
	t.Parallel()
	th, now := New(Config{Rate: Rate{2, time.Second}}), time.Unix(1_000_000, 0)
	judged := 0
	judge := func(from string, kind problem.Kind) error {
		ip, _ := netip.ParseAddr(from)
		return th.Sparing(t.Context(), ip, "", func() time.Time { return now }, func() error {
			if judged++; kind == "" {
				return nil
			}
			return problem.New(kind, "bad", "bad")
		}, problem.NotFound, problem.Unauthenticated)
	}
	for range 9 { // these count nothing
		if err := judge("192.0.2.1", ""); err != nil {
			t.Error(err)
		}
		for _, from := range []string{"192.0.2.1", "127.0.0.1", "::1", "::ffff:127.0.0.1", ""} {
			kind := problem.NotFound
			if from == "192.0.2.1" {
				kind = problem.Conflict
			}
			if err := judge(from, kind); !problem.Is(err, kind) {
				t.Errorf("%q: %v", from, err)
			}
		}
	}
	judged = 0
	for n := range 9 {
		kind := []problem.Kind{problem.NotFound, problem.Unauthenticated}[n%2]
		if err := judge("::ffff:192.0.2.1", kind); n < 3 && !problem.Is(err, kind) || n >= 3 && !problem.Is(err, problem.RateLimited) {
			t.Errorf("bad number %d: %v", n+1, err)
		}
	}
	if err := judge("192.0.2.1", ""); !problem.Is(err, problem.RateLimited) || judged != 3 {
		t.Errorf("%d were judged, then %v", judged, err)
	}
	if err := judge("192.0.2.2", ""); err != nil {
		t.Errorf("another network: %v", err)
	}
	if now = now.Add(time.Second); judge("192.0.2.1", "") != nil {
		t.Error("a second later")
	}
}
