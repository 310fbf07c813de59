package realtime

import (
	"context"
	_ "embed"
	"strings"
	"time"
)

//go:embed bus_redis_presence.lua
var redisPresenceScript string

// Tell implements [Roster], by the clock of Redis.
func (b *RedisBus) Tell(ctx context.Context, topic string, there, gone []string, age time.Duration) error {
	args := make([]any, 0, 2+len(there)+len(gone))
	args = append(args, age.Milliseconds(), len(there))
	for _, actor := range append(there, gone...) {
		args = append(args, b.sender.publisher+" "+actor)
	}
	if err := b.presence.Run(ctx, b.rdb, []string{b.presenceKey(topic)}, args...).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Present implements [Roster].
func (b *RedisBus) Present(ctx context.Context, topic string) ([]string, error) {
	there, err := b.presence.Run(ctx, b.rdb, []string{b.presenceKey(topic)}, 0, 0).StringSlice()
	if err != nil {
		return nil, unavailable(err)
	}
	for i, member := range there {
		_, there[i], _ = strings.Cut(member, " ")
	}
	return there, nil
}

func (b *RedisBus) presenceKey(topic string) string { return b.channel(topic) + ":who" }
