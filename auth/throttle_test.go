package auth

import (
	"strconv"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(3, time.Second), time.Unix(1_000_000, 0)
	for range 3 {
		if err := th.take(t.Context(), "a", now); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // what is refused does not put the next attempt off
		err := th.take(t.Context(), "a", now)
		if e := problem.Of(err); err == nil || e.Kind != problem.RateLimited || e.RetryAfter != time.Second {
			t.Fatalf("got %v, want RateLimited for a second", err)
		}
	}
	if err := th.take(t.Context(), "b", now); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := th.take(t.Context(), "a", now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
	th.forget(t.Context(), "a")
	for range 3 {
		if err := th.take(t.Context(), "a", now.Add(time.Second)); err != nil {
			t.Errorf("after it was forgotten: %v", err)
		}
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(1, time.Hour), time.Unix(1_000_000, 0)
	th.size = 10
	if err := th.take(t.Context(), "watched", now); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := th.take(t.Context(), strconv.Itoa(i), now); err != nil {
			t.Fatal(err)
		}
		if th.take(t.Context(), "watched", now) == nil {
			t.Fatal("a key that is in use was forgotten")
		}
	}
	if len(th.keys) != 10 || th.order.Len() != 10 {
		t.Errorf("%d keys and %d in order, want 10", len(th.keys), th.order.Len())
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7":             "192.0.2.7",
		"192.0.2.7:80":          "192.0.2.7",
		"::ffff:192.0.2.7":      "192.0.2.7",
		"2001:db8::7":           "2001:db8::/64",
		"[2001:db8::9]:443":     "2001:db8::/64",
		"fe80::1%eth0":          "fe80::/64",
		"2001:db8:0:0:1:2:3:4":  "2001:db8::/64",
		"2001:db8:0:1::1":       "2001:db8:0:1::/64",
		"a socket, not a \x00n": "a socket, not a n",
	} {
		if got := network(address); got != want {
			t.Errorf("%q is of %q, want %q", address, got, want)
		}
	}
}
