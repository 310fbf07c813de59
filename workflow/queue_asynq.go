package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/jetadmin/jetadmin/internal/id"
)

const (
	asynqTask = "jetadmin:node"

	// asynqPoll is how long an idle server sleeps between looks at the queue: the
	// worst case of what the queue adds to a start.
	asynqPoll = 200 * time.Millisecond

	// epochCheck is how often the queue is asked whether it is still the one that
	// the hints were given to.
	epochCheck = time.Second

	// asynqReceivers is how many hints wait for room at a time; each holds no
	// worker of the engine. As many can be claimed together.
	asynqReceivers = 16

	// asynqEnqueuers is how many hints are handed over at a time.
	asynqEnqueuers = 8

	// asynqRetries is beyond reach: a hint whose process died is delivered again,
	// and harmless by then, but never moved to Asynq's archive, which nobody empties.
	asynqRetries = 1 << 20
)

// NewAsynqQueue returns a queue on Redis that several processes share. Asynq
// carries hints only: its retries, leases, archive and scheduler decide nothing.
// The name keeps apart what shares a Redis without sharing a database. The client
// stays the caller's, who closes it after the App has stopped.
func NewAsynqQueue(rdb redis.UniversalClient, name string, logger *slog.Logger) Queue {
	return &asynqQueueing{rdb: rdb, name: name, client: asynq.NewClientFromRedisClient(rdb), logger: logger}
}

type asynqQueueing struct {
	rdb    redis.UniversalClient
	name   string
	client *asynq.Client
	logger *slog.Logger
}

// Dispatch enqueues some hints at a time: Asynq takes them one by one, and each
// costs a trip to Redis.
func (q *asynqQueueing) Dispatch(ctx context.Context, hints []Hint) error {
	if len(hints) == 1 { // as most often
		return q.enqueue(ctx, hints[0])
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(asynqEnqueuers)
	for share := range slices.Chunk(hints, len(hints)/asynqEnqueuers+1) {
		g.Go(func() error {
			for _, h := range share {
				if err := q.enqueue(ctx, h); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (q *asynqQueueing) enqueue(ctx context.Context, h Hint) error {
	task := asynq.NewTask(asynqTask, []byte(h.TenantID+h.NodeID))
	_, err := q.client.EnqueueContext(ctx, task, asynq.Queue(q.name), asynq.MaxRetry(asynqRetries), asynq.Timeout(24*time.Hour))
	if err != nil {
		return fmt.Errorf("enqueue a hint: %w", err)
	}
	return nil
}

func (q *asynqQueueing) Serve(ctx context.Context, r Receiver) error {
	// A server that cannot reach Redis refuses to start: wait until it can.
	for q.rdb.Ping(ctx).Err() != nil {
		r.Down(true)
		if !sleep(ctx, epochCheck) {
			return nil
		}
	}
	server := asynq.NewServerFromRedisClient(q.rdb, asynq.Config{
		BaseContext:              func() context.Context { return ctx },
		Concurrency:              asynqReceivers,
		HealthCheckInterval:      time.Hour,
		DelayedTaskCheckInterval: time.Minute, // nothing is ever scheduled with Asynq
		JanitorInterval:          time.Hour,
		Logger:                   asynqLog{q.logger},
		Queues:                   map[string]int{q.name: 1},
		ShutdownTimeout:          time.Second,
		TaskCheckInterval:        asynqPoll,
	})
	handler := asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		if p := string(t.Payload()); len(p) == 72 {
			r.Receive(ctx, Hint{TenantID: p[:36], NodeID: p[36:]})
		}
		return nil
	})
	if err := server.Start(handler); err != nil {
		return fmt.Errorf("start the Asynq server: %w", err)
	}
	q.watch(ctx, r)
	server.Shutdown()
	return nil
}

// watch notices that Redis is down, and that it came back empty: then the epoch
// that was left in it is gone, or another process has put a new one there.
func (q *asynqQueueing) watch(ctx context.Context, r Receiver) {
	epoch := ""
	for {
		found, err := q.epoch(ctx)
		if ctx.Err() != nil {
			return
		}
		r.Down(err != nil)
		if err == nil {
			if epoch != "" && found != epoch {
				r.Lost()
			}
			epoch = found
		}
		if !sleep(ctx, epochCheck) {
			return
		}
	}
}

// epoch reads the mark in Redis, leaving one when there is none.
func (q *asynqQueueing) epoch(ctx context.Context) (string, error) {
	key := q.name + ":epoch"
	found, err := q.rdb.Get(ctx, key).Result()
	if !errors.Is(err, redis.Nil) {
		return found, err
	}
	if err := q.rdb.SetNX(ctx, key, id.New(), 0).Err(); err != nil {
		return "", err
	}
	return q.rdb.Get(ctx, key).Result()
}

// sleep waits, and reports whether the context is still alive afterwards.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// asynqLog passes Asynq's own log on, one level down: what it reports as errors
// costs us latency, not runs.
type asynqLog struct{ *slog.Logger }

func (l asynqLog) Debug(args ...any) {}
func (l asynqLog) Info(args ...any)  { l.Logger.Debug("asynq: " + join(args)) }
func (l asynqLog) Warn(args ...any)  { l.Logger.Info("asynq: " + join(args)) }
func (l asynqLog) Error(args ...any) { l.Logger.Warn("asynq: " + join(args)) }

// Fatal must not end the host's process, which is what Asynq's own would do.
func (l asynqLog) Fatal(args ...any) { l.Logger.Error("asynq: " + join(args)) }

func join(args []any) string { return strings.TrimSuffix(fmt.Sprintln(args...), "\n") }
