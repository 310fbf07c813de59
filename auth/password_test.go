package auth

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

func TestHashRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHasher(cost{memory: 64, passes: 1, threads: 1})
	text, err := h.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := parseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"correct horse battery": true, "Correct horse battery": false, "": false} {
		if got, err := h.matches(t.Context(), stored, password); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", password, got, err, want)
		}
	}
	if again, _ := h.hash(t.Context(), "correct horse battery"); again == text {
		t.Error("two hashes of one password are equal: no salt")
	}
}

// A hash that another program made, from the tests of the reference
// implementation (phc-winner-argon2, src/test.c).
func TestHashOfTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	stored, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := newHasher(defaultCost()).matches(t.Context(), stored, "password"); !ok || err != nil {
		t.Errorf("not recognised: %v", err)
	}
}

func TestParseHashRefuses(t *testing.T) {
	t.Parallel()
	const salt, hash = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, text := range []string{
		"",
		"$2b$12$abcdefghijklmnopqrstuv",
		"$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=065536,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=65536,t=2,p=1,x=2$" + salt + "$" + hash,
		"$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + hash,
		"$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=65536,t=99,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + hash + "$",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + hash + "=",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "\n$" + hash,
		"$argon2id$v=19$m=65536,t=2,p=1$$" + hash,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$",
	} {
		if _, err := parseHash(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		if h.String() != text {
			t.Errorf("%q is also written %q", text, h)
		}
		if h.memory > maxMemory || h.passes > maxPasses || h.threads > maxThreads || len(h.hash) > maxBytes {
			t.Errorf("%q costs too much", text)
		}
	})
}

// However many sign in, the hashes at one time are as many as there are slots,
// and the queue is bounded.
func TestHasherIsBounded(t *testing.T) {
	t.Parallel()
	h := newHasher(defaultCost())
	h.slots = make(chan struct{}, 2)
	started, release := make(chan struct{}, 1000), make(chan struct{})
	h.derive = func(string, []byte, cost, uint32) []byte {
		started <- struct{}{}
		<-release
		return nil
	}
	const callers = 2 + maxQueued
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := h.hash(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	<-started
	for late := time.Now().Add(10 * time.Second); h.queued.Load() < callers; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("%d of %d have come", h.queued.Load(), callers)
		}
	}
	_, err := h.hash(t.Context(), "x")
	if e := problem.Of(err); err == nil || e.Kind != problem.Unavailable || e.RetryAfter == 0 {
		t.Errorf("one too many got %v, want Unavailable with a time to come back", err)
	}
	if len(started) != 0 {
		t.Errorf("%d more than the slots were started", len(started))
	}
	close(release)
	wg.Wait()
	if h.queued.Load() != 0 {
		t.Errorf("%d are still counted", h.queued.Load())
	}
}

func TestHasherGivesUpWithItsCaller(t *testing.T) {
	t.Parallel()
	h := newHasher(defaultCost())
	var computed atomic.Bool
	h.derive = func(string, []byte, cost, uint32) []byte { computed.Store(true); return nil }
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ok, err := h.matches(ctx, h.decoy, "x")
	if ok || !problem.Is(err, problem.Unavailable) || computed.Load() {
		t.Errorf("got %v, %v, computed %v, want nothing done", ok, err, computed.Load())
	}
}

func TestDecoyMatchesNothing(t *testing.T) {
	t.Parallel()
	h := newHasher(cost{memory: 64, passes: 1, threads: 1})
	for _, password := range []string{"", "password", strings.Repeat("x", MaxPassword+1)} {
		if ok, err := h.matches(t.Context(), h.decoy, password); ok || err != nil {
			t.Errorf("%.20q: %v, %v", password, ok, err)
		}
	}
}
