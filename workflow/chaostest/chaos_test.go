//go:build unix

package chaostest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// The size of the short form.
const (
	shortRuns = 200
	openRuns  = 40 // at a time
	workers   = 3
	slots     = 4
	lease     = 2 * time.Second
	nodeTakes = 120 * time.Millisecond // at most
)

// stuck is how long nothing may end before the test gives up.
const stuck = time.Minute

func TestChaos(t *testing.T) {
	runs := number(t, "JETADMIN_CHAOS_RUNS", shortRuns)
	seed := number(t, "JETADMIN_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("JETADMIN_CHAOS_RUNS=%d JETADMIN_CHAOS_SEED=%d", runs, seed)
	s := newScene(t)
	s.fleet = startFleet(t, order{Place: s.place, Lease: lease, Slots: slots, AtMost: nodeTakes}, workers)

	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.disturb(ctx, rand.New(rand.NewPCG(uint64(seed), 0)))
	}()
	runs = s.run(runs)
	cancel()
	<-done
	s.fleet.stopAll()
	t.Logf("%d runs in %s: %v", runs, time.Since(began).Round(time.Millisecond), s.faults)
	s.judge()
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// scene is the databases, a service that defines and starts but runs no nodes,
// and the workers.
type scene struct {
	t     *testing.T
	place place
	db    *store.DB
	rdb   *redis.Client
	fleet *fleet

	ctx       context.Context // of the tenant's owner
	service   *workflow.Service
	workflows []string

	faults  map[string]int // how often each was made
	allMade atomic.Bool    // each at least once
}

func newScene(t *testing.T) *scene {
	t.Helper()
	dsn, schema := testdb.PostgresSchema(t)
	options := testdb.Redis(t)
	s := &scene{t: t, faults: map[string]int{}, place: place{
		DSN: dsn, Schema: schema, Queue: "chaos" + id.New(),
		Redis: redisPlace{Addr: options.Addr, Username: options.Username, Password: options.Password, DB: options.DB},
	}}
	var err error
	if s.db, err = s.place.open("test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	s.rdb = s.place.Redis.open()
	t.Cleanup(func() { _ = s.rdb.Close() })
	if err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.exec(`CREATE TABLE ?schema.ledger (seq bigserial PRIMARY KEY, run_id text NOT NULL, key text NOT NULL,
		idempotency_key text NOT NULL, attempt integer NOT NULL, worker text NOT NULL, began_at timestamptz NOT NULL DEFAULT clock_timestamp())`)
	s.ctx = newTenant(t, s.db)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	s.service, err = newService(workflow.Config{
		DB: s.db, Logger: logger, Slots: -1, Nodes: []workflow.Node{order{}.entry(s.db)},
		Queue: workflow.NewAsynqQueue(s.rdb, s.place.Queue, logger),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range graphs() {
		s.workflows = append(s.workflows, s.publish(g))
	}
	return s
}

func (s *scene) publish(g workflow.Graph) string {
	s.t.Helper()
	w, err := s.service.Create(s.ctx, workflow.NewWorkflow{Name: id.New(), Draft: g})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.service.Publish(s.ctx, w.ID, 0); err != nil {
		s.t.Fatal(err)
	}
	return w.ID
}

// run starts runs, some at a time and more than that many when every fault has
// not been made yet, until all of them have ended.
func (s *scene) run(runs int) (started int) {
	s.t.Helper()
	ended, progress := 0, time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ended < started || started < runs {
		<-tick.C
		for ; (started < runs || !s.allMade.Load()) && started-ended < openRuns; started++ {
			if _, err := s.service.Start(s.ctx, workflow.StartParams{WorkflowID: s.workflows[started%len(s.workflows)]}); err != nil {
				s.t.Fatal(err)
			}
		}
		before := ended
		ended = s.count("SELECT count(*) FROM ?schema.jet_run /* across tenants: count */ WHERE finished_at IS NOT NULL")
		if ended > before {
			progress = time.Now()
		}
		if time.Since(progress) > stuck {
			s.t.Errorf("nothing has ended for %s: %d of %d runs are stuck", stuck, started-ended, started)
			return started
		}
	}
	return started
}

func (s *scene) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.db.NewRaw(query, args...).Exec(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) count(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.db.NewRaw(query, args...).Scan(s.t.Context(), &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
