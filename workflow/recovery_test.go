package workflow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

func withLease(d time.Duration) func(*workflow.Config) {
	return func(c *workflow.Config) { c.Lease = d }
}

// A process dies inside a node: another one runs the node again, no attempt is
// counted, and what the dead one still brings is discarded.
func TestANodeOfADeadProcessIsRunByAnother(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, release := make(chan struct{}), make(chan struct{})
		dead := newBundle(t, db, withLease(time.Second), withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			close(began)
			<-release
			return "late", nil
		})))
		if err := dead.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		w := dead.publish(t, chain(step("work", "work", nil)))
		r, err := dead.Start(dead.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		abandoned := make(chan struct{})
		go func() {
			dead.Abandon()
			close(abandoned)
		}()
		alive := setup(t, db, withLease(time.Second), withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			return "second", nil
		})))
		alive.ctx = dead.ctx
		d := alive.wait(t, r.ID)
		close(release)
		<-abandoned
		if d.Status != workflow.RunSucceeded || d.Output != "second" {
			t.Errorf("%s with %v", d.Status, d.Output)
		}
		n, err := alive.RunNode(alive.ctx, r.ID, "work")
		if err != nil || n.Attempt != 1 || len(n.Attempts) != 1 {
			t.Errorf("attempt %d with %d records: %v", n.Attempt, len(n.Attempts), err)
		}
	})
}

// A node that loses its process three times is taken for the reason.
func TestACrashLoopFailsTheRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began := make(chan struct{}, 8)
		b := newBundle(t, db, withLease(time.Second), withNodes(fn("work", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		})))
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("work", "work", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			<-began
			b.Abandon()
			if err := b.StartEngine(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		d := b.wait(t, r.ID)
		if d.Status != workflow.RunFailed || d.Error == nil || d.Error.Code != "node_crash_loop" {
			t.Errorf("%s: %+v", d.Status, d.Error)
		}
		if err := b.StopEngine(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A graceful stop that cannot wait hands the node back without an attempt.
func TestStopHandsBackWhatStillRuns(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var tries atomic.Int32
		began := make(chan struct{}, 2)
		b := setup(t, db, withNodes(fn("work", func(ctx context.Context, call *workflow.Call) (any, error) {
			began <- struct{}{}
			if tries.Add(1) == 1 {
				<-ctx.Done()
			}
			return call.Attempt, ctx.Err()
		})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("work", "work", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.StopEngine(now); err != nil {
			t.Fatal(err)
		}
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded || encoded(d.Output) != "1" {
			t.Errorf("%s with attempt %v: %+v", d.Status, d.Output, d.Error)
		}
	})
}

// A process was killed between the commit and the dispatch: nobody heard of the
// row that it left.
func TestALostHintIsSwept(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db) // its engine is not running: the hint goes to a queue nobody reads
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))})
		if err != nil {
			t.Fatal(err)
		}
		alive := setup(t, db)
		alive.ctx = b.ctx
		if d := alive.wait(t, r.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("status %s", d.Status)
		}
	})
}

// The same hint delivered many times runs the node once.
func TestARepeatedHintRunsTheNodeOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ran atomic.Int32
		q := &relay{times: 5}
		b := setup(t, db, func(c *workflow.Config) { c.Queue, c.Slots = q, 2 },
			withNodes(fn("count", func(context.Context, *workflow.Call) (any, error) { return ran.Add(1), nil })))
		g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
		for i := range 20 {
			g.Nodes = append(g.Nodes, step("n"+itoa(i), "count", nil))
			g.Edges = append(g.Edges, edge("start", "n"+itoa(i)))
		}
		if d := b.run(t, b.publish(t, g), nil); d.Status != workflow.RunSucceeded || ran.Load() != 20 {
			t.Errorf("%s after %d nodes", d.Status, ran.Load())
		}
		var records int
		err := db.NewRaw("SELECT count(*) FROM ?schema.jet_run_output /* across tenants: count */ WHERE key <> 'start'").Scan(context.Background(), &records)
		if err != nil || records != 20 {
			t.Errorf("%d records, %v", records, err)
		}
	})
}

// relay is a queue that delivers every hint to everybody, some times.
type relay struct {
	times int

	mu        sync.Mutex
	receivers []workflow.Receiver
}

func (q *relay) Dispatch(ctx context.Context, hints []workflow.Hint) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.receivers {
		for _, h := range hints {
			for range q.times {
				go r.Receive(ctx, h)
			}
		}
	}
	return nil
}

func (q *relay) Serve(ctx context.Context, r workflow.Receiver) error {
	q.mu.Lock()
	q.receivers = append(q.receivers, r)
	q.mu.Unlock()
	<-ctx.Done()
	return nil
}

// While the queue is out of reach, rows are polled.
func TestRunsGoOnWhileTheQueueIsDown(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *workflow.Config) { c.Queue, c.Slots = down{}, 1 })
		g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
		for i := range 10 {
			g.Nodes = append(g.Nodes, step("n"+itoa(i), "transform", map[string]any{"value": i}))
			g.Edges = append(g.Edges, edge("start", "n"+itoa(i)))
		}
		if d := b.run(t, b.publish(t, g), nil); d.Status != workflow.RunSucceeded {
			t.Errorf("status %s", d.Status)
		}
	})
}

// down is a queue that nothing reaches.
type down struct{}

func (down) Dispatch(context.Context, []workflow.Hint) error { return context.DeadlineExceeded }

func (down) Serve(ctx context.Context, r workflow.Receiver) error {
	r.Down(true)
	<-ctx.Done()
	return nil
}
