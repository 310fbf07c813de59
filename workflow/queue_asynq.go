package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/safelog"
)

const (
	asynqTask = "jetadmin:node"

	// asynqPoll is how long an idle server sleeps between looks at the queue: the
	// worst case of what the queue adds to a start.
	asynqPoll = 200 * time.Millisecond

	// asynqCheck is how often Redis is asked whether it is there.
	asynqCheck = time.Second

	// asynqReceivers is how many hints are followed up at a time.
	asynqReceivers = 4

	// asynqHints is how many hints of a tenant lie in Redis at most. More would say
	// nothing new, and hold up those of others.
	asynqHints = 16

	// asynqWaking is how many processes are woken at most by what one tells. Others
	// that have room see the rows within a second.
	asynqWaking = 4

	// asynqPlaces is how many of a tenant's places are tried for a hint.
	asynqPlaces = 3

	// asynqRetries is beyond reach: a hint whose process died is delivered again,
	// and harmless by then, but never moved to Asynq's archive, which nobody empties.
	asynqRetries = 1 << 20
)

// NewAsynqQueue returns a queue on Redis by which several processes tell each
// other of work. Asynq carries hints only: its retries, leases, archive and
// scheduler decide nothing, and what Redis forgets costs a second.
// The name keeps apart what shares a Redis without sharing a database. The client
// stays the caller's, who closes it after the App has stopped.
func NewAsynqQueue(rdb redis.UniversalClient, name string, logger *slog.Logger) Queue {
	return &asynqQueueing{rdb: rdb, name: name, client: asynq.NewClientFromRedisClient(rdb), logger: safelog.New(logger)}
}

type asynqQueueing struct {
	rdb    redis.UniversalClient
	name   string
	client *asynq.Client
	logger *slog.Logger
}

// Dispatch enqueues hints: for a tenant with many nodes several, so that several
// processes help.
func (q *asynqQueueing) Dispatch(ctx context.Context, hints []Hint) error {
	for _, h := range hints {
		for range min(h.Nodes, asynqWaking) {
			if err := q.enqueue(ctx, h.TenantID); err != nil {
				return fmt.Errorf("enqueue a hint: %w", err)
			}
		}
	}
	return nil
}

// enqueue puts a hint in one of the places of the tenant. That some places are
// taken for long, by a process that died or has no room, must not silence it: so
// it tries several. When all are taken, enough hints are there.
func (q *asynqQueueing) enqueue(ctx context.Context, tenantID string) error {
	task := asynq.NewTask(asynqTask, []byte(tenantID))
	place := rand.N(asynqHints)
	for i := range asynqPlaces {
		taskID := tenantID + ":" + strconv.Itoa((place+i)%asynqHints)
		_, err := q.client.EnqueueContext(ctx, task, asynq.Queue(q.name), asynq.TaskID(taskID), asynq.MaxRetry(asynqRetries), asynq.Timeout(24*time.Hour))
		if !errors.Is(err, asynq.ErrTaskIDConflict) {
			return err
		}
	}
	return nil
}

func (q *asynqQueueing) Serve(ctx context.Context, r Receiver) error {
	// A server that cannot reach Redis refuses to start: wait until it can.
	for q.rdb.Ping(ctx).Err() != nil {
		r.Down(true)
		if !sleep(ctx, asynqCheck) {
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
		if tenantID := string(t.Payload()); id.Valid(tenantID) {
			r.Receive(ctx, Hint{TenantID: tenantID, Nodes: 1})
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

// watch notices that Redis is down.
func (q *asynqQueueing) watch(ctx context.Context, r Receiver) {
	for ctx.Err() == nil {
		err := q.rdb.Ping(ctx).Err()
		if ctx.Err() == nil {
			r.Down(err != nil)
		}
		sleep(ctx, asynqCheck)
	}
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
