package workflow_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// audience says which topics are watched, and counts the questions.
type audience struct {
	mu      sync.Mutex
	watched map[string]bool
	asked   atomic.Int64
}

func (a *audience) of(_ context.Context, topics []string) []bool {
	a.asked.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := make([]bool, len(topics))
	for i, topic := range topics {
		answer[i] = a.watched[topic]
	}
	return answer
}

func TestEventsAreMadeForWatchersOnly(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		a := &audience{watched: map[string]bool{}}
		b := setup(t, db, func(cfg *workflow.Config) { cfg.Watched = a.of })
		flow := b.publish(t, chain(step("a", "transform", map[string]any{"value": "1"})))
		alone := b.run(t, flow, nil)

		begin, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("wait", "delay", map[string]any{"duration": "300ms"})))})
		if err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		a.watched["run:"+begin.ID] = true
		a.mu.Unlock()
		b.wait(t, begin.ID)
		eventually(t, func() bool {
			events := ofKind(b.events.of("run:"+begin.ID), workflow.EventRun)
			if len(events) == 0 {
				return false
			}
			last, _ := events[len(events)-1].data.(workflow.RunEvent)
			return last.Status == workflow.RunSucceeded
		})
		if events := b.events.of("run:" + alone.ID); len(events) > 0 {
			t.Errorf("nobody watched, and there were %s", encoded(events))
		}
		if a.asked.Load() == 0 {
			t.Error("nobody was asked")
		}
	})
}

// A person who has started a run and watches it a moment later misses nothing.
func TestEventsOfARunStartedByAPersonAreKept(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t), func(cfg *workflow.Config) {
		cfg.Watched = (&audience{}).of
		cfg.Authorize = func(ctx context.Context, _ auth.Permission, _ string) (*auth.Principal, error) {
			return auth.FromContext(ctx), nil
		}
	})
	flow := b.publish(t, chain())
	person := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: "u", TenantID: b.tenant})
	run, err := b.Start(person, workflow.StartParams{WorkflowID: flow})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(b.events.of("run:"+run.ID)) == 1 })
}

func TestEventsSurviveABadHost(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(cfg *workflow.Config) {
		cfg.Watched = func(context.Context, []string) []bool { panic("in Watched") }
		publish := cfg.Publish
		cfg.Publish = func(ctx context.Context, topic, kind string, data any) {
			publish(ctx, topic, kind, data)
			if strings.HasPrefix(topic, "run:") {
				panic("in Publish")
			}
		}
		cfg.Logger = slog.New(slog.DiscardHandler)
	})
	run := b.run(t, b.publish(t, chain()), nil)
	eventually(t, func() bool { return len(b.events.of("run:"+run.ID)) >= 2 })
}

// stuck is a carrier of events that takes one and then waits.
type stuck struct {
	*recorder
	first, goOn chan struct{}
	once        sync.Once
}

func (s *stuck) publish(ctx context.Context, topic, kind string, data any) {
	s.once.Do(func() { close(s.first); <-s.goOn })
	s.recorder.publish(ctx, topic, kind, data)
}

func newStuck() *stuck {
	return &stuck{recorder: &recorder{}, first: make(chan struct{}), goOn: make(chan struct{})}
}

func TestEventsCoalesceWhenTheyPileUp(t *testing.T) {
	t.Parallel()
	s := newStuck()
	o := workflow.NewOutlet(s.publish)
	o.Node("run", "first", workflow.NodeReady, 1)
	<-s.first
	const nodes, rounds = 100, 50
	for round := range rounds {
		for n := range nodes {
			o.Node("run", "n"+itoa(n), workflow.NodeRunning, round+1)
		}
		o.Log("run", round)
	}
	for i := range 1000 {
		o.Log("run", rounds+i)
	}
	close(s.goOn)
	o.Flush(t.Context())

	seen, last, lines, dropped := 0, map[string]int{}, 0, 0
	for _, e := range s.of("run:run") {
		switch data := e.data.(type) {
		case workflow.NodeEvent:
			seen++
			if data.Attempt < last[data.Key] {
				t.Errorf("%s goes back from %d to %d", data.Key, last[data.Key], data.Attempt)
			}
			last[data.Key] = data.Attempt
		case workflow.LogEvent:
			if data.Dropped == 0 && data.Seq != lines {
				t.Errorf("line %d comes as number %d", data.Seq, lines)
			}
			lines++
			dropped += data.Dropped
		}
	}
	for n := range nodes {
		if last["n"+itoa(n)] != rounds {
			t.Errorf("the last state of node %d is of round %d", n, last["n"+itoa(n)])
		}
	}
	if seen > 2*nodes {
		t.Errorf("%d states were sent for %d nodes", seen, nodes)
	}
	if lines--; lines+dropped != rounds+1000 || lines > 300 {
		t.Errorf("%d lines were sent, %d left out", lines, dropped)
	}
}

func TestEventsAreBoundedWhenNobodyCarriesThem(t *testing.T) {
	t.Parallel()
	s := newStuck()
	o := workflow.NewOutlet(s.publish)
	o.Node("first", "n", workflow.NodeReady, 1)
	<-s.first
	for run := range 3000 {
		for n := range 60 {
			o.Node("run"+itoa(run), "n"+itoa(n), workflow.NodeRunning, 1)
		}
	}
	if n := o.Waiting(); n > 110_000 {
		t.Errorf("%d events wait", n)
	}
	close(s.goOn)
	o.Flush(t.Context())
	if len(s.of("run:run2999")) != 60 || len(s.of("run:run0")) != 0 {
		t.Error("the newest were dropped, not the oldest")
	}
}

// A few long lines take as much memory as many short ones.
func TestEventsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := newStuck()
	o := workflow.NewOutlet(s.publish)
	o.Node("first", "n", workflow.NodeReady, 1)
	<-s.first
	line := strings.Repeat("x", 8<<10)
	for run := range 100 {
		for range 100 {
			o.Line("run"+itoa(run), line)
		}
	}
	if n := o.Waiting() * len(line); n > 33<<20 || n < 24<<20 {
		t.Errorf("%d bytes wait", n)
	}
	close(s.goOn)
	o.Flush(t.Context())
	if len(s.of("run:run99")) != 100 || len(s.of("run:run0")) != 0 {
		t.Error("the newest were dropped, not the oldest")
	}
}

// What an event costs the engine, by who watches.
func BenchmarkEvent(b *testing.B) {
	runs := make([]string, 1000)
	for i := range runs {
		runs[i] = id.New()
	}
	keys := make([]string, 10)
	for i := range keys {
		keys[i] = "node" + itoa(i)
	}
	bench := func(watched func(context.Context, []string) []bool) func(*testing.B) {
		return func(b *testing.B) {
			o := workflow.NewOutlet(func(context.Context, string, string, any) {})
			o.Watched(watched)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				o.Node(runs[i/20%len(runs)], keys[i%10], workflow.NodeRunning, 1)
			}
			o.Flush(context.Background())
		}
	}
	b.Run("nobody watches", bench(func(_ context.Context, topics []string) []bool { return make([]bool, len(topics)) }))
	b.Run("all watched", bench(nil))
}
