package audit

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// background is what runs between [Log.Start] and [Log.Stop].
type background struct {
	loops sync.WaitGroup
	leave context.CancelFunc // ends the loops

	stop chan struct{}      // tells the sinks to end with what they have
	end  context.CancelFunc // their time is over
}

// Start begins to write down denied attempts, to feed the sinks and to drop old
// events, until [Log.Stop]. Changes are recorded without it. It is called once.
func (l *Log) Start() {
	ctx, leave := context.WithCancel(context.Background())
	sinks, end := context.WithCancel(context.Background())
	l.background = &background{leave: leave, stop: make(chan struct{}), end: end}
	for _, o := range l.outlets {
		go o.run(sinks, l.background.stop)
	}
	l.background.loops.Go(func() { l.watch(ctx) })
	if l.retention > 0 {
		l.background.loops.Go(func() { l.retain(ctx) })
	}
}

// Stop writes down what waits, as long as ctx lasts. Errors: that of the database
// for denied attempts that could not be written.
func (l *Log) Stop(ctx context.Context) error {
	b := l.background
	if b == nil {
		return nil
	}
	l.background = nil
	defer b.end()
	b.leave()
	b.loops.Wait()
	err := l.flush(ctx, true)
	close(b.stop)
	for _, o := range l.outlets {
		select {
		case <-o.done:
		case <-ctx.Done(): // a sink that hangs holds up nothing
		}
	}
	return err
}

// watch is the loop that writes down denied attempts.
func (l *Log) watch(ctx context.Context) {
	tick := time.NewTicker(denialPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := l.flush(ctx, false); err != nil && ctx.Err() == nil {
				l.logger.Warn("audit: denied attempts wait for the database", "error", err)
			}
		}
	}
}

// retain is the loop that drops old events.
func (l *Log) retain(ctx context.Context) {
	for pause := time.Minute; ; pause = retainEvery / 48 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)):
		}
		mine, err := l.db.Assume(ctx, "audit retention", retainEvery)
		if err == nil && mine {
			err = l.forget(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.logger.Error("audit: drop old events", "error", err)
		}
	}
}
