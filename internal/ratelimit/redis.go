// Package ratelimit counts attempts on a Redis, for all processes together.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long an answer is waited for: a log-in must not hang because
// Redis does. When it was not worth it, nothing is asked for as long as rest.
const (
	patience = 500 * time.Millisecond
	rest     = time.Second
)

// errResting is the answer while nothing is asked.
var errResting = errors.New("redis did not answer just now")

// take is the generic cell rate algorithm (GCRA) on the clock of Redis: a key holds
// the time, in microseconds, at which all of its attempts are back. It returns how
// long to wait, 0 when the attempt is counted.
const take = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local pause, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full + pause - burst * pause - now
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', full + pause), 'PX', math.ceil((full + pause - now) / 1000) + 1)
return 0
`

// Limiter is the limiter that throttles share. It is safe for concurrent use.
type Limiter struct {
	rdb    redis.UniversalClient
	prefix string
	logger *slog.Logger
	script *redis.Script
	until  atomic.Int64 // nothing is asked before, in nanoseconds
}

// New returns a limiter whose keys begin with prefix. It makes no connection, and
// tells the logger when Redis does not answer.
func New(rdb redis.UniversalClient, prefix string, logger *slog.Logger) *Limiter {
	return &Limiter{rdb: rdb, prefix: prefix, logger: logger, script: redis.NewScript(take)}
}

// Take counts an attempt on a key that may be tried burst times at once, then once
// per pause. It returns 0, or how long to wait before the next one.
func (l *Limiter) Take(ctx context.Context, key string, burst int, pause time.Duration) (time.Duration, error) {
	var wait int64
	err := l.ask(ctx, func(ctx context.Context) (err error) {
		wait, err = l.script.Run(ctx, l.rdb, []string{l.name(key)}, pause.Microseconds(), burst).Int64()
		return err
	})
	return time.Duration(wait) * time.Microsecond, err
}

// Forget gives a key all of its attempts back.
func (l *Limiter) Forget(ctx context.Context, key string) error {
	return l.ask(ctx, func(ctx context.Context) error { return l.rdb.Del(ctx, l.name(key)).Err() })
}

// ask asks Redis, unless it did not answer just now: else every call would wait for it
// as long, and say so in the log. A caller who goes away takes no attempt back and is
// no sign that Redis does not answer.
func (l *Limiter) ask(ctx context.Context, question func(context.Context) error) error {
	if time.Now().UnixNano() < l.until.Load() {
		return errResting
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := question(limited)
	if err != nil {
		was, now := l.until.Load(), time.Now()
		if l.until.CompareAndSwap(was, now.Add(rest).UnixNano()) && was < now.UnixNano() {
			l.logger.WarnContext(ctx, "attempts are counted in each process only: redis did not answer", "error", err)
		}
	}
	return err
}

// name hides what is counted, an e-mail address say, and gives it one length.
func (l *Limiter) name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return l.prefix + ":limit:" + hex.EncodeToString(sum[:16])
}
