package workflow_test

import (
	"context"
	"database/sql"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

func migrated(t *testing.T, pool *sql.DB, dialect store.Dialect, schema string) *store.DB {
	t.Helper()
	t.Cleanup(func() { _ = pool.Close() })
	db, err := store.New(pool, dialect, schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// tally counts how often each node of each run was executed.
type tally struct {
	mu    sync.Mutex
	times map[string]int // by idempotency key
}

func (y *tally) node() func(*workflow.Config) {
	return withNodes(fn("count", func(_ context.Context, call *workflow.Call) (any, error) {
		y.mu.Lock()
		defer y.mu.Unlock()
		if y.times == nil {
			y.times = map[string]int{}
		}
		y.times[call.IdempotencyKey]++
		return call.Attempt, nil
	}))
}

func (y *tally) read() map[string]int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return maps.Clone(y.times)
}

// once checks that the nodes ran, each one time.
func (y *tally) once(t *testing.T, nodes int) {
	t.Helper()
	times := y.read()
	if len(times) != nodes {
		t.Errorf("%d nodes ran, want %d", len(times), nodes)
	}
	for key, n := range times {
		if n != 1 {
			t.Errorf("%s ran %d times", key, n)
		}
	}
}

// recordedOnce checks that every node of a run succeeded with one record and no
// attempt beyond the first.
func recordedOnce(t *testing.T, b *bundle, d workflow.RunDetail) {
	t.Helper()
	if d.Status != workflow.RunSucceeded {
		t.Errorf("status %s: %+v", d.Status, d.Error)
	}
	for _, n := range d.Nodes {
		detail, err := b.RunNode(b.ctx, d.ID, n.Key)
		if err != nil || n.Status != workflow.NodeSucceeded || n.Attempt != 1 || len(detail.Attempts) != 1 {
			t.Errorf("node %s is %s with attempt %d and %d records: %v", n.Key, n.Status, n.Attempt, len(detail.Attempts), err)
		}
	}
}

func counting(n int) workflow.Graph {
	var nodes []workflow.GraphNode
	for i := range n {
		nodes = append(nodes, step("n"+itoa(i), "count", nil))
	}
	return chain(nodes...)
}

// diamond is two branches and a join that reads both.
func diamond() workflow.Graph {
	return workflow.Graph{
		Nodes: []workflow.GraphNode{step("start", "start", nil), step("a", "count", nil), step("b", "count", nil),
			step("join", "transform", map[string]any{"value": "{{ steps.a + steps.b }}"})},
		Edges: []workflow.Edge{edge("start", "a"), edge("start", "b"), edge("a", "join"), edge("b", "join")},
	}
}

// An answer of the database is lost, or a statement never arrives, at each point
// of a node's way. The lease of the process is alive, so no other process would
// ever help.
func TestANodeDoesNotStrayInALiveProcess(t *testing.T) {
	t.Parallel()
	claim, load, outputs := has("UPDATE", "jet_run_node", "attempt = n.attempt + 1"), has("d.input", "jet_run_data"), has("SELECT", "jet_run_output", "IN (")
	for name, disturbed := range map[string]func() *line{
		"the-answer-to-the-claim-is-lost": func() *line { return &line{swallow: nth(1, claim)} },
		"the-claim-does-not-arrive":       func() *line { return &line{refuse: nth(1, claim)} },
		"the-run-cannot-be-read":          func() *line { return &line{refuse: nth(1, load)} },
		"nor-be-handed-back": func() *line {
			first, back := nth(1, load), nth(1, has("UPDATE", "attempt = attempt - 1"))
			return &line{refuse: func(query string) bool { return first(query) || back(query) }}
		},
		"the-earlier-outputs-cannot-be-read": func() *line { return &line{refuse: nth(1, outputs)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
				var ran tally
				b := setup(t, open(disturbed()), ran.node(), withLease(time.Second))
				recordedOnce(t, b, b.run(t, b.publish(t, diamond()), nil))
				ran.once(t, 2)
			})
		})
	}
}

// The commit of a result is the most delicate moment. Its answer may be lost, or
// it may be lost itself: the result counts once, everybody hears of it once, and
// the worker goes on without a pause.
func TestAResultIsStoredOnceWhateverHappensToItsCommit(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]fate{"answer-lost": answerLost, "cut": cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
				var results, ends atomic.Int32
				var ran tally
				b := setup(t, open(&line{commit: func(statements string) fate {
					if isResult(statements) && results.Add(1)%2 == 1 {
						return what
					}
					return arrives
				}}), ran.node(), func(c *workflow.Config) {
					c.Lease = time.Minute // nothing is left to the net below
					c.Hooks.AfterEnd = func(context.Context, workflow.Run) { ends.Add(1) }
				})
				d := b.run(t, b.publish(t, counting(4)), nil)
				recordedOnce(t, b, d)
				ran.once(t, 4)
				if err := b.StopEngine(context.Background()); err != nil {
					t.Error(err)
				}
				if results.Load() < 4 {
					t.Errorf("%d commits of results were disturbed", results.Load())
				}
				told := map[string]int{}
				for _, e := range b.events.of("run:" + d.ID) {
					told[encoded(e.data)]++
				}
				for event, n := range told {
					if n != 1 {
						t.Errorf("%d times %s", n, event)
					}
				}
				if len(told) < 11 || ends.Load() != 1 {
					t.Errorf("%d events, want at least 11; %d ends were told", len(told), ends.Load())
				}
			})
		})
	}
}

// isResult tells a transaction that stores a result from one that starts a run.
func isResult(statements string) bool {
	return strings.Contains(statements, "jet_run_output AS o ") && strings.Contains(statements, "UPDATE ")
}

// A process that cannot renew its lease takes nothing from anybody, least of all
// from itself.
func TestAProcessWithoutALeaseJudgesNobody(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
		var mute atomic.Bool
		var looks, judged atomic.Int32
		db := open(&line{refuse: func(query string) bool {
			switch {
			case strings.Contains(query, "what is due"):
				looks.Add(1)
			case strings.Contains(query, "nodes of dead processes"):
				judged.Add(1)
			}
			return mute.Load() && strings.Contains(query, "UPDATE") && strings.Contains(query, "jet_worker SET expires_at")
		}})
		began, release := make(chan struct{}, 9), make(chan struct{})
		b := setup(t, db, withLease(time.Second), withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			began <- struct{}{}
			<-release
			return nil, nil
		})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("work", "work", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		mute.Store(true)
		eventually(t, func() bool { // the lease ran out
			var live int
			err := db.NewRaw("SELECT count(*) FROM ?schema.jet_worker WHERE expires_at > "+db.Dialect.Now()).Scan(t.Context(), &live)
			return err == nil && live == 0
		})
		asked, before := looks.Load(), judged.Load()
		eventually(t, func() bool { return looks.Load() > asked+3 }) // each of them saw a lease that has run out
		if n := judged.Load() - before; n > 3 {                      // a round that was under way
			t.Errorf("it has judged in %d statements", n)
		}
		mute.Store(false)
		close(release)
		recordedOnce(t, b, b.wait(t, r.ID))
		if len(began) > 0 {
			t.Errorf("the node was taken from its process %d times", len(began))
		}
	})
}

// A timer whose version this build cannot read holds up nothing but itself.
func TestATimerThatCannotBeServedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		old := newBundle(t, db, withNodes(fn("gone", func(context.Context, *workflow.Call) (any, error) { return nil, nil })))
		if err := old.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		w := old.publish(t, chain(step("nap", "delay", map[string]any{"duration": "100ms"}), step("gone", "gone", nil)))
		r, err := old.Start(old.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			d, err := old.Run(old.ctx, r.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		old.Abandon()
		b := setup(t, db)
		b.ctx, b.tenant = old.ctx, old.tenant
		other := b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
		tx, err := db.DB.DB.BeginTx(b.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		swept, err := b.StartTx(b.ctx, tx, workflow.StartParams{WorkflowID: other})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, swept.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("status %s", d.Status)
		}
	})
}

func TestAMessageThatTwoServicesGetRunsOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ran tally
		q := &relay{times: 2}
		var services []*bundle
		for range 2 {
			services = append(services, setup(t, db, ran.node(), func(c *workflow.Config) { c.Queue, c.Slots = q, 2 }))
		}
		g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
		for i := range 60 {
			g.Nodes = append(g.Nodes, step("n"+itoa(i), "count", nil))
			g.Edges = append(g.Edges, edge("start", "n"+itoa(i)))
		}
		recordedOnce(t, services[0], services[0].run(t, services[0].publish(t, g), nil))
		ran.once(t, 60)
	})
}

// A result that the database does not take fails its node, and no other that is
// stored together with it.
func TestAResultThatTheDatabaseRefusesFailsItsNodeAlone(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
		b := setup(t, open(&line{spoil: has("INSERT", "jet_run_output", "poison")}), withNodes(
			fn("say", func(_ context.Context, call *workflow.Call) (any, error) {
				if call.Input["bad"] == true {
					return "poison", nil
				}
				return "fine", nil
			}),
		))
		flow := b.publish(t, chain(step("say", "say", nil)))
		var ids []string
		for i := range 40 {
			r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: flow, Input: map[string]any{"bad": i == 20}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		for i, runID := range ids {
			d := b.wait(t, runID)
			if i == 20 {
				if d.Status != workflow.RunFailed || d.Error.Code != "node_result_refused" {
					t.Errorf("the refused run is %s with %+v", d.Status, d.Error)
				}
			} else if d.Status != workflow.RunSucceeded {
				t.Errorf("run %d is %s with %+v", i, d.Status, d.Error)
			}
		}
	})
}
