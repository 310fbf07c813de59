package audit

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Sink gets every event after its change was committed, in the process that made
// the change, in the order of the commits as far as they follow each other.
//
// A sink never holds up a change: events wait in a queue of [SinkQueue], and are
// lost to the sink, counted and logged, when that is full or the process dies.
// The record itself loses nothing: [Log.Export] gives what a sink has missed.
type Sink interface {
	// Write takes one event of a tenant ("" = of none). An error, or a panic, is a
	// loss. ctx ends when the App is stopped and its time for that is over. It is
	// called by one goroutine.
	Write(ctx context.Context, tenantID string, e Event) error
}

// SinkFunc is a function as a [Sink].
type SinkFunc func(ctx context.Context, tenantID string, e Event) error

// Write calls f.
func (f SinkFunc) Write(ctx context.Context, tenantID string, e Event) error {
	return f(ctx, tenantID, e)
}

// SlogSink is a [Sink] that logs every event, denied attempts as warnings.
func SlogSink(logger *slog.Logger) Sink {
	return SinkFunc(func(ctx context.Context, tenantID string, e Event) error {
		level := slog.LevelInfo
		if e.Action == Denied {
			level = slog.LevelWarn
		}
		logger.LogAttrs(ctx, level, "audit: "+e.Action, slog.String("tenantId", tenantID), slog.Int64("seq", e.Seq), slog.Time("at", e.Time),
			slog.String("actor", e.Actor), slog.String("onBehalfOf", e.OnBehalfOf), slog.String("objectType", e.ObjectType),
			slog.String("objectId", e.ObjectID), slog.String("requestId", e.RequestID), slog.String("detail", string(e.Detail)), slog.String("hash", e.Hash))
		return nil
	})
}

// SinkQueue is how many events wait for a sink.
const SinkQueue = 1024

// lossPause is how often losses are logged.
const lossPause = time.Minute

type told struct {
	tenantID string
	event    Event
}

// outlet is a sink with its queue.
type outlet struct {
	sink   Sink
	number int
	queue  chan told
	done   chan struct{}
	lost   atomic.Int64
	logger *slog.Logger

	mu     sync.Mutex
	logged time.Time // when losses were last told of
	known  int64     // which were
}

func newOutlet(sink Sink, number int, logger *slog.Logger) *outlet {
	return &outlet{sink: sink, number: number, queue: make(chan told, SinkQueue), done: make(chan struct{}), logger: logger}
}

// offer never waits.
func (o *outlet) offer(t told) {
	select {
	case o.queue <- t:
	default:
		o.lost.Add(1)
		o.report(false) // the sink may hang
	}
}

// run hands events over until stop; then what still waits, while ctx lasts.
func (o *outlet) run(ctx context.Context, stop <-chan struct{}) {
	defer close(o.done)
	defer o.report(true)
	for {
		select {
		case t := <-o.queue:
			o.write(ctx, t)
		case <-stop:
			o.drain(ctx)
			return
		}
	}
}

func (o *outlet) drain(ctx context.Context) {
	for {
		select {
		case t := <-o.queue:
			if ctx.Err() != nil {
				o.lost.Add(1)
				continue
			}
			o.write(ctx, t)
		default:
			return
		}
	}
}

func (o *outlet) write(ctx context.Context, t told) {
	if err := o.attempt(ctx, t); err != nil {
		o.lost.Add(1)
		if o.due() {
			o.logger.Warn("audit: a sink failed", "sink", o.number, "error", err)
		}
	}
	o.report(false)
}

func (o *outlet) attempt(ctx context.Context, t told) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return o.sink.Write(ctx, t.tenantID, t.event)
}

func (o *outlet) due() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.logged) >= lossPause
}

// report logs what was lost since the last time.
func (o *outlet) report(last bool) {
	o.mu.Lock()
	lost, known := o.lost.Load(), o.known
	if lost == known || !last && time.Since(o.logged) < lossPause {
		o.mu.Unlock()
		return
	}
	o.known, o.logged = lost, time.Now()
	o.mu.Unlock()
	o.logger.Warn("audit: a sink has missed events, they are in the record", "sink", o.number, "missed", lost-known, "missedInAll", lost)
}

// Missed is how many events were lost to sinks in this process, each counted for
// each sink.
func (l *Log) Missed() int64 {
	var missed int64
	for _, o := range l.outlets {
		missed += o.lost.Load()
	}
	return missed
}
