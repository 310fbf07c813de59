package realtime

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/problem"
)

//go:embed bus_redis_publish.lua
var redisPublishScript string

//go:embed bus_redis_read.lua
var redisReadScript string

//go:embed bus_redis_turn.lua
var redisTurnScript string

// stateAges is how many times longer the number of a topic is kept than its
// history. When the number is gone too, the topic begins anew, at a higher one.
const stateAges = 12

// RedisBus is a [Bus] between processes: a stream per topic for those that come
// back, and pub/sub for those that are there. Each process receives only the
// topics it watches.
//
// Publish puts the message in a queue that is sent in batches, so that nobody
// waits for Redis. When the connection is lost, both directions come back by
// themselves: publishers send what they queued, watchers read what they missed.
// What can no longer be sent or read shows as a number left out.
//
// It needs Redis 5. Processes of one installation share a prefix; another
// installation on the same Redis needs another one, whatever its database.
type RedisBus struct {
	// Logger receives failures of Redis. Default: slog.Default().
	Logger *slog.Logger

	// Retention limits a topic. It must not be changed once the bus is used.
	Retention Retention

	rdb     redis.UniversalClient
	prefix  string
	publish *redis.Script
	read    *redis.Script
	turn    *redis.Script

	presence *redis.Script

	sender   *redisSender
	listener *redisListener
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// NewRedisBus makes a bus on keys and channels that begin with prefix; "" is
// "jetadmin:live". The client stays the caller's.
func NewRedisBus(rdb redis.UniversalClient, prefix string) *RedisBus {
	if prefix == "" {
		prefix = "jetadmin:live"
	}
	b := &RedisBus{
		rdb: rdb, prefix: prefix,
		publish: redis.NewScript(redisPublishScript), read: redis.NewScript(redisReadScript), turn: redis.NewScript(redisTurnScript),
		presence: redis.NewScript(redisPresenceScript),
	}
	b.sender, b.listener = newRedisSender(b), newRedisListener(b)
	return b
}

// Start implements [Background]. It does not wait for Redis.
func (b *RedisBus) Start(ctx context.Context) error {
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.running.Go(func() { b.sender.run(ctx) })
	b.running.Go(func() { b.listener.run(ctx) })
	b.running.Go(func() { b.listener.follow(ctx) })
	return nil
}

// Stop implements [Background]. A command that Redis does not answer is waited
// for as long as the client's own timeouts say.
func (b *RedisBus) Stop(ctx context.Context) error {
	if b.cancel == nil {
		return nil
	}
	err := b.sender.drain(ctx)
	b.cancel()
	b.listener.hangUp()
	b.running.Wait()
	return err
}

// Publish implements [Bus].
func (b *RedisBus) Publish(_ context.Context, topic string, m Message) error {
	return b.sender.enqueue(topic, m)
}

// Watch implements [Bus]. It waits until Redis has confirmed, as long as ctx allows.
func (b *RedisBus) Watch(ctx context.Context, topic string, deliver func(Message)) (int64, func(), error) {
	return b.listener.watch(ctx, topic, deliver)
}

// Read implements [Bus].
func (b *RedisBus) Read(ctx context.Context, topic string, after int64, limit int) (History, error) {
	return b.history(ctx, topic, after, limit, 0)
}

// Wanted implements [Selective], in one round trip. A topic is wanted as long as
// it has a number, which outlives its watchers, or has a subscriber at Redis,
// which outlives the loss of its number.
func (b *RedisBus) Wanted(ctx context.Context, topics []string) ([]bool, error) {
	pipe := b.rdb.Pipeline()
	numbered := make([]*redis.IntCmd, len(topics))
	channels := make([]string, len(topics))
	for i, topic := range topics {
		numbered[i] = pipe.Exists(ctx, b.keys(topic)[0])
		channels[i] = b.channel(topic)
	}
	subscribers := pipe.PubSubNumSub(ctx, channels...)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable(err)
	}
	wanted := make([]bool, len(topics))
	for i := range topics {
		wanted[i] = numbered[i].Val() > 0 || subscribers.Val()[channels[i]] > 0
	}
	return wanted, nil
}

// Turn implements [Turns], by the clock of Redis.
func (b *RedisBus) Turn(ctx context.Context, topic string, every time.Duration) (bool, error) {
	mine, err := b.turn.Run(ctx, b.rdb, []string{b.turnKey(topic)}, every.Milliseconds()).Bool()
	if err != nil {
		return false, unavailable(err)
	}
	return mine, nil
}

// history reads a topic whose number is known to have reached floor.
func (b *RedisBus) history(ctx context.Context, topic string, after int64, limit int, floor int64) (History, error) {
	age := stateAges * b.Retention.withDefaults().Age
	answer, err := b.read.Run(ctx, b.rdb, b.keys(topic), after+1, limit, age.Milliseconds(), floor).Slice()
	if err != nil {
		return History{}, unavailable(err)
	}
	h, err := parseHistory(answer)
	if err != nil {
		return History{}, unavailable(err)
	}
	return h, nil
}

// keys share a hash tag, so that one script may use both on a cluster.
func (b *RedisBus) keys(topic string) []string {
	channel := b.channel(topic)
	return []string{channel + ":state", channel + ":log"}
}

func (b *RedisBus) seenKey(topic, publisher string) string {
	return b.channel(topic) + ":from:" + publisher
}

func (b *RedisBus) turnKey(topic string) string { return b.channel(topic) + ":turn" }

func (b *RedisBus) channel(topic string) string { return b.prefix + ":{" + topic + "}" }

func (b *RedisBus) logger() *slog.Logger {
	if b.Logger != nil {
		return b.Logger
	}
	return slog.Default()
}

func unavailable(cause error) error {
	return problem.New(problem.Unavailable, "realtime_unavailable", "live events are not available at the moment").Because(cause)
}

var errAnswer = errors.New("unexpected answer of the read script")

func parseHistory(answer []any) (h History, err error) {
	if len(answer) != 4 {
		return h, errAnswer
	}
	if h.Base, err = parseNumber(answer[0]); err != nil {
		return h, err
	}
	if h.Last, err = parseNumber(answer[1]); err != nil {
		return h, err
	}
	began, _ := answer[3].(int64)
	h.Partial = began == 1
	entries, _ := answer[2].([]any)
	for _, entry := range entries {
		m, err := parseEntry(entry)
		if err != nil {
			return h, err
		}
		h.Messages = append(h.Messages, m)
	}
	return h, nil
}

func parseNumber(v any) (int64, error) {
	s, _ := v.(string)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return n, nil
}

// parseEntry reads an entry of the log: ["<seq>-0", ["k", key, "b", body]].
func parseEntry(v any) (Message, error) {
	entry, _ := v.([]any)
	if len(entry) != 2 {
		return Message{}, errAnswer
	}
	name, _ := entry[0].(string)
	fields, _ := entry[1].([]any)
	if len(fields) != 4 || len(name) < 3 {
		return Message{}, errAnswer
	}
	key, _ := fields[1].(string)
	body, _ := fields[3].(string)
	seq, err := parseNumber(name[:len(name)-len("-0")])
	return Message{Seq: seq, Key: key, Body: []byte(body)}, err
}

// pause waits, not at all for 0, and reports whether it was not cut short by ctx.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// longer is the next wait of a series of attempts.
func longer(d time.Duration) time.Duration { return min(2*d, time.Second) }
