package throttle

import (
	"strconv"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	th, now := New(Config{Burst: 3, Pause: time.Second}), time.Unix(1_000_000, 0)
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
	th, now := New(Config{Burst: 1, Pause: time.Second}), time.Unix(1_000_000, 0)
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
	th, now := New(Config{Burst: 1, Pause: time.Hour}), time.Unix(1_000_000, 0)
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
