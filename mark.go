package jetadmin

import (
	"context"
	"crypto/rand"
	"fmt"
)

// redisMark gives an entry of this App's Redis by which it is known, to keep
// datasources out of it; no key without a Redis.
func (a *App) redisMark(ctx context.Context) (key, value string, err error) {
	if a.cfg.Redis == nil {
		return "", "", nil
	}
	key = a.cfg.RedisPrefix + ":mark"
	if err = a.cfg.Redis.SetNX(ctx, key, rand.Text(), 0).Err(); err == nil {
		value, err = a.cfg.Redis.Get(ctx, key).Result()
	}
	if err != nil {
		return "", "", fmt.Errorf("mark the Redis of the application: %w", err)
	}
	return key, value, nil
}
