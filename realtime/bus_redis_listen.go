package realtime

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// heartbeat is how long the connection to Redis may be silent before it is
// asked for a sign of life, and how long that may take.
const heartbeat = 3 * time.Second

// redisListener is the watching half of a [RedisBus]. One goroutine receives,
// one tells Redis which channels are wanted, and a topic that has to catch up
// does so in one of its own.
type redisListener struct {
	bus     *RedisBus
	reads   chan struct{} // bounds the topics that catch up at once
	changed chan struct{}

	link sync.Mutex // guards pubsub, and the order of what is asked of it; taken first
	// pubsub is the connection; nil while there is none.
	pubsub *redis.PubSub

	mu      sync.Mutex
	topics  map[string]*redisTopic // by channel
	changes map[string]struct{}    // channels whose subscription may have to change
	closed  bool
}

func newRedisListener(b *RedisBus) *redisListener {
	return &redisListener{
		bus: b, reads: make(chan struct{}, 16), changed: make(chan struct{}, 1),
		topics: map[string]*redisTopic{}, changes: map[string]struct{}{},
	}
}

func (l *redisListener) watch(ctx context.Context, topic string, deliver func(Message)) (int64, func(), error) {
	channel, w := l.bus.channel(topic), &redisWatcher{deliver: deliver}
	l.mu.Lock()
	t, ok := l.topics[channel]
	if !ok {
		t = newRedisTopic(topic)
		l.topics[channel] = t
		l.change(channel)
	}
	t.users++
	l.mu.Unlock()

	stop := sync.OnceFunc(func() { l.unwatch(channel, t, w) })
	select {
	case <-t.ready:
		return t.join(w), stop, nil
	case <-ctx.Done():
		stop()
		return 0, nil, unavailable(ctx.Err())
	}
}

func (l *redisListener) unwatch(channel string, t *redisTopic, w *redisWatcher) {
	t.leave(w)
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.users--; t.users == 0 {
		close(t.abandoned)
		delete(l.topics, channel)
		l.change(channel)
	}
}

// change notes a channel for follow; l.mu is held.
func (l *redisListener) change(channel string) {
	l.changes[channel] = struct{}{}
	signal(l.changed)
}

// renewal is how often the numbers of watched topics are kept from expiring.
const renewal = 20 * time.Second

// follow keeps the subscriptions at Redis to those that are wanted. What fails
// here is made good by the next connection, which begins with all of them.
func (l *redisListener) follow(ctx context.Context) {
	renew := time.NewTicker(renewal)
	defer renew.Stop()
	var catching sync.WaitGroup
	defer catching.Wait()
	for {
		select {
		case <-l.changed:
		case <-renew.C:
			for _, t := range l.lost(ctx) {
				if t.begin() {
					catching.Go(func() { l.catchUp(ctx, t) })
				}
			}
			continue
		case <-ctx.Done():
			return
		}
		l.link.Lock()
		wanted, unwanted := l.takeChanges()
		if l.pubsub != nil && len(unwanted) > 0 {
			_ = l.pubsub.Unsubscribe(ctx, unwanted...)
		}
		if l.pubsub != nil && len(wanted) > 0 {
			_ = l.pubsub.Subscribe(ctx, wanted...)
		}
		l.link.Unlock()
	}
}

// lost prolongs the numbers of watched topics and returns the topics that have
// none any more: to publishers they look as if nobody watched.
func (l *redisListener) lost(ctx context.Context) []*redisTopic {
	l.mu.Lock()
	topics := make([]*redisTopic, 0, len(l.topics))
	for _, t := range l.topics {
		topics = append(topics, t)
	}
	l.mu.Unlock()
	if len(topics) == 0 {
		return nil
	}
	age := stateAges * l.bus.Retention.withDefaults().Age
	pipe := l.bus.rdb.Pipeline()
	prolonged := make([]*redis.BoolCmd, len(topics))
	for i, t := range topics {
		prolonged[i] = pipe.PExpire(ctx, l.bus.keys(t.name)[0], age)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	lost := topics[:0]
	for i, t := range topics {
		if there, err := prolonged[i].Result(); err == nil && !there {
			lost = append(lost, t)
		}
	}
	return lost
}

func (l *redisListener) takeChanges() (wanted, unwanted []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for channel := range l.changes {
		if _, ok := l.topics[channel]; ok {
			wanted = append(wanted, channel)
		} else {
			unwanted = append(unwanted, channel)
		}
	}
	clear(l.changes)
	return wanted, unwanted
}

// run receives until ctx ends, over one connection after the other.
func (l *redisListener) run(ctx context.Context) {
	var catching sync.WaitGroup
	defer catching.Wait()
	for wait := 20 * time.Millisecond; ctx.Err() == nil; {
		began := time.Now()
		pubsub := l.connect(ctx)
		if pubsub == nil {
			return
		}
		err := l.receive(ctx, pubsub, &catching)
		_ = pubsub.Close()
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > heartbeat {
			wait = 20 * time.Millisecond
		}
		l.bus.logger().WarnContext(ctx, "realtime: lost the connection to Redis", "error", err)
		pause(ctx, wait)
		wait = longer(wait)
	}
}

// connect begins a connection with the subscriptions that are wanted now; nil
// when the listener was hung up.
func (l *redisListener) connect(ctx context.Context) *redis.PubSub {
	l.link.Lock()
	defer l.link.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	channels := make([]string, 0, len(l.topics))
	for channel := range l.topics {
		channels = append(channels, channel)
	}
	clear(l.changes)
	l.mu.Unlock()
	// Errors show at the first receive.
	l.pubsub = l.bus.rdb.Subscribe(ctx, channels...)
	return l.pubsub
}

// hangUp ends the connection, which ends receive.
func (l *redisListener) hangUp() {
	l.link.Lock()
	defer l.link.Unlock()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if l.pubsub != nil {
		_ = l.pubsub.Close()
	}
}

func (l *redisListener) receive(ctx context.Context, pubsub *redis.PubSub, catching *sync.WaitGroup) error {
	asked := false
	for {
		received, err := pubsub.ReceiveTimeout(ctx, heartbeat)
		if silent(err) && !asked {
			asked = true
			if err = pubsub.Ping(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		asked = false
		switch m := received.(type) {
		case *redis.Message:
			if t := l.topic(m.Channel); t != nil && t.receive(parsePayload(m.Payload)) {
				catching.Go(func() { l.catchUp(ctx, t) })
			}
		case *redis.Subscription:
			// The first confirmation, or one after a lost connection: in both cases
			// only the log tells what was published before.
			if t := l.topic(m.Channel); t != nil && m.Kind == "subscribe" && t.begin() {
				catching.Go(func() { l.catchUp(ctx, t) })
			}
		}
	}
}

func silent(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func (l *redisListener) topic(channel string) *redisTopic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topics[channel]
}

// catchUp reads the log until the topic has all that was announced.
func (l *redisListener) catchUp(ctx context.Context, t *redisTopic) {
	const chunk = 256
	for wait := 20 * time.Millisecond; ; {
		after, floor := t.position()
		limit := chunk
		if after == unknown {
			after, limit = 0, 0
		}
		l.reads <- struct{}{}
		h, err := l.bus.history(ctx, t.name, after, limit, floor)
		<-l.reads
		if err == nil {
			if t.fill(h, len(h.Messages) < limit) {
				return
			}
			continue
		}
		select {
		case <-t.abandoned:
			return
		default:
		}
		if !pause(ctx, wait) {
			return
		}
		wait = longer(wait)
	}
}

// parsePayload reads "<seq> <key>\n<body>"; see bus_redis_publish.lua.
func parsePayload(payload string) Message {
	head, body, _ := strings.Cut(payload, "\n")
	number, key, _ := strings.Cut(head, " ")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return Message{}
	}
	m := Message{Seq: seq, Key: key}
	if body != "" {
		m.Body = []byte(body)
	}
	return m
}
