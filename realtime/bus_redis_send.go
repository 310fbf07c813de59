package realtime

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
)

// What the sender holds while Redis is away. Beyond it a topic loses messages,
// and is remembered for saying so.
const (
	sendBatch    = 128
	sendMessages = 8192
	sendBytes    = 16 << 20
	sendLost     = 1 << 16 // topics
)

var errStopped = errors.New("the bus is stopped")

// redisSender is the publishing half of a [RedisBus].
type redisSender struct {
	bus       *RedisBus
	publisher string // names this process in the state of topics
	number    int64  // of the last message taken; only run uses it
	loaded    bool   // the script is at Redis, as far as run knows
	wake      chan struct{}
	done      chan struct{}

	mu       sync.Mutex
	queue    []redisMessage
	bytes    int
	lost     map[string]struct{} // topics that have to use up a number
	stopping bool
}

type redisMessage struct {
	topic  string
	number int64
	Message
}

func newRedisSender(b *RedisBus) *redisSender {
	return &redisSender{
		bus: b, publisher: "p" + id.New(), wake: make(chan struct{}, 1), done: make(chan struct{}),
		lost: map[string]struct{}{},
	}
}

func (s *redisSender) enqueue(topic string, m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return unavailable(errStopped)
	case len(s.queue) < sendMessages && s.bytes+len(m.Body) <= sendBytes:
		s.queue = append(s.queue, redisMessage{topic: topic, Message: m})
		s.bytes += len(m.Body)
	default:
		if _, known := s.lost[topic]; !known && len(s.lost) == sendLost {
			return unavailable(errors.New("too many messages wait for Redis"))
		}
		s.lost[topic] = struct{}{}
	}
	signal(s.wake)
	return nil
}

// run sends until it was told to drain and is through, or ctx ends.
func (s *redisSender) run(ctx context.Context) {
	defer close(s.done)
	for {
		batch, stopping := s.take()
		switch {
		case len(batch) > 0:
			s.send(ctx, batch)
		case stopping:
			return
		default:
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// take removes the next messages from the queue. The numbers used up for lost
// ones come when it is empty.
func (s *redisSender) take() (batch []redisMessage, stopping bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.queue), sendBatch)
	batch = append(batch, s.queue[:n]...)
	for _, m := range batch {
		s.bytes -= len(m.Body)
	}
	if n == len(s.queue) {
		s.queue = nil
	} else {
		s.queue = s.queue[n:]
	}
	for topic := range s.lost {
		if len(s.queue) > 0 || len(batch) == sendBatch {
			break
		}
		batch = append(batch, redisMessage{topic: topic})
		delete(s.lost, topic)
	}
	s.renumber(batch)
	return batch, s.stopping
}

func (s *redisSender) renumber(batch []redisMessage) {
	for i := range batch {
		s.number++
		batch[i].number = s.number
	}
}

// send tries until all of the batch is in Redis.
func (s *redisSender) send(ctx context.Context, batch []redisMessage) {
	for wait := time.Duration(0); ; wait = longer(wait + 10*time.Millisecond) {
		if !pause(ctx, wait) {
			return
		}
		var err error
		if batch, err = s.try(ctx, batch); len(batch) == 0 {
			return
		}
		if wait > 100*time.Millisecond {
			s.bus.logger().WarnContext(ctx, "realtime: cannot publish, will try again", "error", err, "messages", len(batch))
		}
	}
}

// try sends a batch in one round trip and returns what has to be sent again.
//
// A message whose answer was lost keeps its number, by which the script knows
// it. One that Redis refused was certainly not accepted; it and those after it
// get new numbers, since a later one of the same topic may have been accepted.
func (s *redisSender) try(ctx context.Context, batch []redisMessage) (again []redisMessage, failure error) {
	// Before, not after the first refusal: another process may load it in the
	// middle of the batch, and later messages would overtake.
	if !s.loaded {
		if err := s.bus.publish.Load(ctx, s.bus.rdb).Err(); err != nil {
			return batch, err
		}
		s.loaded = true
	}
	pipe := s.bus.rdb.Pipeline()
	answers := make([]*redis.Cmd, len(batch))
	for i, m := range batch {
		answers[i] = s.bus.publish.EvalSha(ctx, pipe, append(s.bus.keys(m.topic), s.bus.seenKey(m.topic, s.publisher)), s.arguments(m)...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	refused := false
	for i, answer := range answers {
		err := answer.Err()
		switch {
		case err == nil:
		case passes(err):
			again = append(again, batch[i])
			refused, failure = refused || answered(err), err
			s.loaded = false // lost with what went wrong, possibly
		default:
			s.bus.logger().ErrorContext(ctx, "realtime: message refused by Redis", "topic", batch[i].topic, "error", err)
		}
	}
	if refused {
		s.renumber(again)
	}
	return again, failure
}

func (s *redisSender) arguments(m redisMessage) []any {
	limit := s.bus.Retention.withDefaults()
	return []any{
		s.bus.channel(m.topic), m.Key, m.Body, limit.Count, limit.Bytes,
		limit.Age.Milliseconds(), (stateAges * limit.Age).Milliseconds(), m.number,
	}
}

// drain refuses further messages and waits until all are sent.
func (s *redisSender) drain(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	signal(s.wake)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// answered reports whether err is Redis' own answer to a command.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// passes reports whether err may be gone by the next attempt.
func passes(err error) bool {
	if !answered(err) {
		return true
	}
	for _, state := range []string{"NOSCRIPT", "LOADING", "READONLY", "OOM", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "NOREPLICAS"} {
		if strings.HasPrefix(err.Error(), state) {
			return true
		}
	}
	return false
}

// signal wakes who waits on a channel of one place.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
