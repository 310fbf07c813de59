package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/ratelimit"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func open(t *testing.T) (*redis.Client, string) {
	t.Helper()
	rdb := redis.NewClient(testdb.Redis(t))
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, "test-" + id.New()
}

// T138: what one process counts, another one knows.
func TestT138_ProcessesCountTogether(t *testing.T) {
	t.Parallel()
	rdb, prefix := open(t)
	one, two := ratelimit.New(rdb, prefix, slog.New(slog.DiscardHandler)), ratelimit.New(rdb, prefix, slog.New(slog.DiscardHandler))
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			l := one
			if i%2 == 0 {
				l = two
			}
			wait, err := l.Take(t.Context(), "account:ada@example.com", 10, time.Hour)
			switch {
			case err != nil:
				t.Error(err)
			case wait == 0:
				passed.Add(1)
			case wait > time.Hour || wait < 59*time.Minute:
				t.Errorf("wait %v, want about an hour", wait)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 10 {
		t.Errorf("%d attempts passed, want 10", passed.Load())
	}
	if wait, err := one.Take(t.Context(), "account:grace@example.com", 10, time.Hour); err != nil || wait != 0 {
		t.Errorf("another key: %v, %v", wait, err)
	}
	keys, err := rdb.Keys(t.Context(), prefix+"*").Result()
	if err != nil || len(keys) != 2 || strings.Contains(strings.Join(keys, " "), "ada") {
		t.Errorf("the keys are %v, %v", keys, err)
	}
	if err := two.Forget(t.Context(), "account:ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if wait, err := one.Take(t.Context(), "account:ada@example.com", 10, time.Hour); err != nil || wait != 0 {
		t.Errorf("after it was forgotten: %v, %v", wait, err)
	}
}

// Attempts come back one by one, and a key that has all of them is gone.
func TestAttemptsComeBack(t *testing.T) {
	t.Parallel()
	rdb, prefix := open(t)
	l := ratelimit.New(rdb, prefix, slog.New(slog.DiscardHandler))
	const pause = 50 * time.Millisecond
	for range 2 {
		if wait, err := l.Take(t.Context(), "k", 2, pause); err != nil || wait != 0 {
			t.Fatalf("wait %v, %v", wait, err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		wait, err := l.Take(t.Context(), "k", 2, pause)
		if err != nil || wait > pause {
			t.Fatalf("wait %v, %v", wait, err)
		}
		if wait == 0 {
			return
		}
		<-time.After(wait)
	}
	t.Error("no attempt came back")
}

// Without Redis the answer is an error, at once from the second time on, and the log
// has one line of it.
func TestWithoutRedisIsAnError(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	rdb := redis.NewClient(&redis.Options{MaxRetries: -1, Dialer: func(context.Context, string, string) (net.Conn, error) {
		asked.Add(1)
		return nil, errors.New("nobody there")
	}})
	t.Cleanup(func() { _ = rdb.Close() })
	var log bytes.Buffer
	l := ratelimit.New(rdb, "x", slog.New(slog.NewTextHandler(&log, nil)))
	first := int64(0) // the client dials more than once by itself
	for n := range 5 {
		if _, err := l.Take(t.Context(), "k", 1, time.Second); err == nil {
			t.Error("nobody counted")
		}
		if n == 0 {
			first = asked.Load()
		}
		if l.Forget(t.Context(), "k") == nil {
			t.Error("nobody forgot")
		}
	}
	if n := asked.Load(); n != first || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("asked %d times instead of %d, and said\n%s", n, first, &log)
	}
}

// Whoever goes away has tried all the same, and is no sign that Redis does not answer.
func TestWhoGoesAwayIsCounted(t *testing.T) {
	t.Parallel()
	rdb, prefix := open(t)
	l := ratelimit.New(rdb, prefix, slog.New(slog.DiscardHandler))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if wait, err := l.Take(gone, "k", 1, time.Hour); err != nil || wait != 0 {
		t.Errorf("%v, %v", wait, err)
	}
	if wait, err := l.Take(t.Context(), "k", 1, time.Hour); err != nil || wait == 0 {
		t.Errorf("the second attempt: %v, %v", wait, err)
	}
}
