// Package ratelimit counts attempts on a Redis, for all processes together.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long an answer is waited for: a log-in must not hang because
// Redis does.
const patience = 500 * time.Millisecond

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

// Limiter is the limiter that package auth asks for. It is safe for concurrent use.
type Limiter struct {
	rdb    redis.UniversalClient
	prefix string
	script *redis.Script
}

// New returns a limiter whose keys begin with prefix. It makes no connection.
func New(rdb redis.UniversalClient, prefix string) *Limiter {
	return &Limiter{rdb: rdb, prefix: prefix, script: redis.NewScript(take)}
}

// Take counts an attempt on a key that may be tried burst times at once, then once
// per pause. It returns 0, or how long to wait before the next one.
func (l *Limiter) Take(ctx context.Context, key string, burst int, pause time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wait, err := l.script.Run(ctx, l.rdb, []string{l.name(key)}, pause.Microseconds(), burst).Int64()
	return time.Duration(wait) * time.Microsecond, err
}

// Forget gives a key all of its attempts back.
func (l *Limiter) Forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.rdb.Del(ctx, l.name(key)).Err()
}

// name hides what is counted, an e-mail address say, and gives it one length.
func (l *Limiter) name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return l.prefix + ":limit:" + hex.EncodeToString(sum[:16])
}
