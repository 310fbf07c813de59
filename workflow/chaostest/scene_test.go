//go:build unix

package chaostest

import (
	"context"
	"log/slog"
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

// The size of what tests do.
const (
	lease     = 2 * time.Second
	slots     = 4
	nodeTakes = 60 * time.Millisecond // at most
)

// stuck is how long nothing may end before a test gives up.
const stuck = 2 * time.Minute

// scene is servers of the test's own, a service that defines and starts but runs
// no nodes, and the workers.
type scene struct {
	t     testing.TB
	dir   string // of the ledger
	place place
	db    *store.DB
	rdb   *redis.Client
	fleet *fleet

	servers         sync.Mutex // held while one of them is away
	postgres, redis *testdb.Server

	ctx     context.Context // of the tenant's owner
	queue   workflow.Queue
	service *workflow.Service
	count   int // of the runs that were started

	progress atomic.Int64 // runs that were seen to have ended
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), place: place{Schema: "chaos", Queue: "chaos" + id.New()}}
	s.postgres, s.place.DSN = testdb.OwnPostgres(t)
	s.redis, s.place.Redis.Addr = testdb.OwnRedis(t)
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
	s.ctx = newTenant(t, s.db)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	s.queue = workflow.NewAsynqQueue(s.rdb, s.place.Queue, logger)
	s.service, err = newService(workflow.Config{
		DB: s.db, Logger: logger, Slots: -1, Nodes: order{}.nodes(nil), Queue: s.queue,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// steady is for tests in which no process may lose a node: a lease that outlasts
// whatever else the machine is busy with.
func steady(o *order) { o.Lease = stuck }

// workers starts some, as most tests have them.
func (s *scene) workers(n int, change ...func(*order)) {
	s.t.Helper()
	o := order{Place: s.place, Ledger: s.dir, Lease: lease, Slots: slots, AtMost: nodeTakes}
	for _, c := range change {
		c(&o)
	}
	s.fleet = startFleet(s.t, o, n)
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

// begin starts a run, as often as it takes: the database may be away. The
// idempotency key makes all of these one start.
func (s *scene) begin(workflowID string) (runID string) {
	s.t.Helper()
	s.count++
	p := workflow.StartParams{WorkflowID: workflowID, IdempotencyKey: id.New()}
	for deadline := time.Now().Add(stuck); ; <-time.After(20 * time.Millisecond) {
		r, err := s.service.Start(s.ctx, p)
		if err == nil {
			return r.ID
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("a run cannot be started: %v", err)
		}
	}
}

// ended waits for the end of all runs but some. It fails the test, and reports
// so, when nothing ends any more.
func (s *scene) ended(but int) bool {
	s.t.Helper()
	n := s.count - but
	last, progress := -1, time.Now()
	for {
		ended, err := s.number("SELECT count(*) FROM ?schema.jet_run /* across tenants: count */ WHERE finished_at IS NOT NULL AND enclosing IS NULL")
		if err == nil {
			s.progress.Store(int64(ended))
		}
		if err == nil && ended >= n {
			return true
		}
		if err == nil && ended > last {
			last, progress = ended, time.Now()
		}
		if time.Since(progress) > stuck {
			s.t.Errorf("nothing has ended for %s: %d of %d runs are stuck\n%s", stuck, n-last, n, s.leftovers())
			return false
		}
		<-time.After(20 * time.Millisecond)
	}
}

// leftovers describes what is still open, for whoever has to find out why.
func (s *scene) leftovers() (text string) {
	_ = s.db.NewRaw(`SELECT coalesce(string_agg(line, chr(10)), '') FROM (SELECT concat_ws(' ', n.run_id, r.status, n.key, n.status, 'attempt', n.attempt,
			'losses', n.losses, 'decided', n.edges_decided, 'worker', k.name, 'lease', k.expires_at - now(), 'wake', n.wake_at - now()) AS line
		FROM ?schema.jet_run_node n JOIN ?schema.jet_run r ON r.id = n.run_id LEFT JOIN ?schema.jet_worker k ON k.id = n.worker_id
		WHERE r.finished_at IS NULL AND n.finished_at IS NULL ORDER BY n.run_id LIMIT 40) x /* across tenants: leftovers */`).Scan(s.t.Context(), &text)
	return text
}

func (s *scene) number(query string, args ...any) (n int, err error) {
	err = s.db.NewRaw(query, args...).Scan(s.t.Context(), &n)
	return n, err
}

func (s *scene) must(query string, args ...any) int {
	s.t.Helper()
	n, err := s.number(query, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// until waits for a condition that must come to hold.
func (s *scene) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(stuck); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited %s for %s\n%s", stuck, what, s.leftovers())
		}
	}
}

// begun waits until n nodes have begun, and returns the ledger.
func (s *scene) begun(n int) (all []entry) {
	s.t.Helper()
	s.until("nodes to begin", func() bool {
		all = readLedger(s.t, s.dir)
		return len(beginnings(all, func(entry) bool { return true })) >= n
	})
	return all
}
