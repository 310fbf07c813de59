package workflow_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// impatient is a context that has ended.
func impatient() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// begin starts a run of one node of a type.
func (b *bundle) begin(t *testing.T, typ string) workflow.Run {
	t.Helper()
	r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("work", typ, nil)))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// One of two processes is stopped under load, then the other takes over.
func TestARollingStopLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		db, name := testdb.Postgres(t), "t"+id.New()
		var ran tally
		queue := func(c *workflow.Config) {
			c.Queue, c.Slots = workflow.NewAsynqQueue(rdb, name, slog.New(slog.DiscardHandler)), 3
		}
		first, second := setup(t, db, queue, ran.node()), setup(t, db, queue, ran.node())
		w := first.publish(t, counting(3))
		const runs = 60
		var ids []string
		var stopped sync.WaitGroup
		for i := range runs {
			r, err := second.Start(first.ctx, workflow.StartParams{WorkflowID: w})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
			switch i {
			case runs / 3:
				stopped.Go(func() {
					if err := first.StopEngine(context.Background()); err != nil {
						t.Error(err)
					}
				})
			case runs / 2:
				stopped.Wait()
				if err := first.StartEngine(context.Background()); err != nil {
					t.Fatal(err)
				}
				stopped.Go(func() {
					if err := second.StopEngine(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
		}
		stopped.Wait()
		for _, runID := range ids {
			recordedOnce(t, first, first.wait(t, runID))
		}
		ran.once(t, 3*runs)
	})
}

// An engine is started and stopped while hints and starts come in.
func TestStartAndStopUnderLoad(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ran tally
		b := setup(t, db, ran.node(), func(c *workflow.Config) { c.Slots = 3 })
		w := b.publish(t, counting(2))
		const runs = 100
		ids := make(chan string, runs)
		var starters sync.WaitGroup
		for range 4 {
			starters.Go(func() {
				for range runs / 4 {
					r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
					if err != nil {
						t.Error(err)
						return
					}
					ids <- r.ID
				}
			})
		}
		for range 10 {
			if err := b.StopEngine(context.Background()); err != nil {
				t.Error(err)
			}
			if err := b.StartEngine(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		starters.Wait()
		close(ids)
		for runID := range ids {
			recordedOnce(t, b, b.wait(t, runID))
		}
		ran.once(t, 2*runs)
	})
}

// A node has done its work although it was asked to stop: the work counts.
func TestAResultIsKeptEvenIfItComesAfterTheStop(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ran atomic.Int32
		began := make(chan struct{}, 9)
		b := setup(t, db, withNodes(fn("work", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			if ran.Add(1) == 1 {
				<-ctx.Done()
			}
			return "done", nil
		})))
		r := b.begin(t, "work")
		<-began
		if err := b.StopEngine(impatient()); err != nil {
			t.Fatal(err)
		}
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		recordedOnce(t, b, b.wait(t, r.ID))
		if ran.Load() != 1 {
			t.Errorf("the node ran %d times", ran.Load())
		}
	})
}

// What holds up a stop beyond its context does so for a bounded time: a node that
// ignores its context, a carrier of events that is stuck, a database that refuses.
func TestAStopEnds(t *testing.T) {
	t.Parallel()
	ignorant := func(began chan<- struct{}, release <-chan struct{}) func(*workflow.Config) {
		return withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			began <- struct{}{}
			<-release
			return nil, nil
		}))
	}
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		began, release := make(chan struct{}, 9), make(chan struct{})
		b := newBundle(t, testdb.SQLite(t), ignorant(began, release))
		b.stopsInTime(t, func() {
			b.begin(t, "work")
			<-began
		})
		close(release)
	})
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		stuck, release := make(chan struct{}, 99), make(chan struct{})
		b := newBundle(t, testdb.SQLite(t), func(c *workflow.Config) {
			c.Publish = func(_ context.Context, _, kind string, _ any) {
				if kind == workflow.EventNode {
					stuck <- struct{}{}
					<-release
				}
			}
		}, withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) { return nil, nil })))
		b.stopsInTime(t, func() {
			b.begin(t, "work")
			<-stuck
		})
		close(release)
	})
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		began, release := make(chan struct{}, 9), make(chan struct{})
		var away atomic.Bool
		l := &line{refuse: func(query string) bool { return away.Load() }}
		pool, err := store.OpenSQLite(t.Context(), t.TempDir()+"/away.db", l.wrap(nil))
		if err != nil {
			t.Fatal(err)
		}
		b := newBundle(t, migrated(t, pool, store.SQLite, ""), ignorant(began, release))
		b.stopsInTime(t, func() {
			b.begin(t, "work")
			<-began
			away.Store(true)
			close(release)
		})
	})
}

// stopsInTime starts the engine, and stops it without patience when it is busy.
func (b *bundle) stopsInTime(t *testing.T, busy func()) {
	t.Helper()
	if err := b.StartEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
	busy()
	stopped := make(chan error, 1)
	go func() { stopped <- b.StopEngine(impatient()) }()
	select {
	case <-stopped:
	case <-time.After(30 * time.Second):
		t.Error("it never stopped")
	}
}

// tray is a queue that hands out one hint after the other, and tells when it is
// not to do so any more.
type tray struct {
	hints  chan workflow.Hint
	taken  atomic.Int32
	closed chan struct{}
}

func (q *tray) Dispatch(_ context.Context, hints []workflow.Hint) error {
	for _, h := range hints {
		q.hints <- h
	}
	return nil
}

func (q *tray) Serve(ctx context.Context, r workflow.Receiver) error {
	defer close(q.closed)
	for {
		select {
		case h := <-q.hints:
			q.taken.Add(1)
			r.Receive(ctx, h)
		case <-ctx.Done():
			return nil
		}
	}
}

// A process that stops, and has still nodes to wait for, takes no hints from
// those who have room for them; the node of the one in its hands is left to them.
func TestAStoppingProcessTakesNoHints(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		q := &tray{hints: make(chan workflow.Hint, 10), closed: make(chan struct{})}
		began, release := make(chan struct{}, 9), make(chan struct{})
		b := newBundle(t, db, func(c *workflow.Config) { c.Queue, c.Slots = q, 1 },
			withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
				began <- struct{}{}
				<-release
				return nil, nil
			})))
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.begin(t, "work")
		<-began
		waiting := b.begin(t, "work")
		eventually(t, func() bool { return q.taken.Load() == 1 }) // it waits for room
		stopped := make(chan error, 1)
		go func() { stopped <- b.StopEngine(context.Background()) }()
		select {
		case <-q.closed:
		case <-time.After(20 * time.Second):
			t.Error("the queue is still served")
		}
		close(release)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		var ready int
		err := db.NewRaw("SELECT count(*) FROM ?schema.jet_run_node /* across tenants: count */ WHERE run_id = ? AND status = 'ready' AND attempt = 0",
			waiting.ID).Scan(t.Context(), &ready)
		if err != nil || ready != 1 {
			t.Errorf("%d nodes are left to others, %v", ready, err)
		}
	})
}

// The database is out of reach for a moment, just when the process hands back.
func TestAStopOutlivesALostConnection(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(l *line) *store.DB) {
		leaving := nth(1, func(query string) bool {
			return strings.Contains(query, "DELETE FROM") && strings.Contains(query, "jet_worker")
		})
		var disturbed atomic.Bool
		b := newBundle(t, open(&line{refuse: func(query string) bool { return disturbed.Load() && leaving(query) }}))
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		disturbed.Store(true)
		if err := b.StopEngine(context.Background()); err != nil {
			t.Errorf("the stop gave up: %v", err)
		}
		var leases int
		if err := b.db.NewRaw("SELECT count(*) FROM ?schema.jet_worker").Scan(context.Background(), &leases); err != nil || leases != 0 {
			t.Errorf("%d leases are left, %v", leases, err)
		}
	})
}
