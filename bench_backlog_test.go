package jetadmin_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// sized is how much a benchmark makes: what an environment variable says, or
// little, for CI.
func sized(b *testing.B, variable string, little int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return little
	}
	n, err := strconv.Atoi(text)
	must(b, err)
	return n
}

// wide is how many nodes a run of the backlog has side by side.
const wide = 1000

// backlog is a tenant with nodes that are ready: rows that were made in the
// database, as if many runs had begun at once.
type backlog struct {
	app    *jetadmintest.App
	db     *store.DB
	tenant string
	host   context.Context
	ran    *atomic.Int64
	redis  redis.UniversalClient
}

// newBacklog starts an App on PostgreSQL and Redis with node types that the
// benchmarks use, and a second tenant.
func newBacklog(b *testing.B, began chan time.Time) *backlog {
	cfg, db, ran := quiet(b), testdb.Postgres(b), new(atomic.Int64)
	cfg.DB, cfg.Schema = db.DB.DB, db.Schema()
	onRedis(b, &cfg)
	cfg.Nodes = []workflow.Node{
		workflow.NodeFunc(workflow.NodeSpec{Type: "clock"}, func(context.Context, *workflow.Call, struct{}) (any, error) {
			began <- time.Now()
			return nil, nil
		}),
		workflow.NodeFunc(workflow.NodeSpec{Type: "nothing"}, func(context.Context, *workflow.Call, struct{}) (any, error) {
			ran.Add(1)
			return nil, nil
		}),
	}
	app := jetadmintest.Start(b, cfg)
	tenant, err := app.Tenants().CreateFor(b.Context(), app.Owner.User.ID, tenancy.NewTenant{Name: "flood"})
	must(b, err)
	host := auth.NewContext(b.Context(), auth.ServicePrincipal(tenant.ID, "flood", auth.Grant{Permission: "*"}))
	return &backlog{app: app, db: db, tenant: tenant.ID, host: host, ran: ran, redis: cfg.Redis}
}

// fill makes nodes ready, in runs that are copies of one, and says since when they
// are.
func (l *backlog) fill(b *testing.B, nodes int) (ready time.Time) {
	b.Helper()
	graph := workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}}
	for i := range wide {
		key := fmt.Sprint("n", i)
		graph.Nodes = append(graph.Nodes, workflow.GraphNode{Key: key, Type: "nothing"})
		graph.Edges = append(graph.Edges, workflow.Edge{From: "start", To: key})
	}
	in := workflow.StartParams{WorkflowID: l.app.Publish(l.host, workflow.NewWorkflow{Name: fmt.Sprint("wide", time.Now()), Draft: graph})}
	run, err := l.app.Workflows().Start(l.host, in)
	must(b, err)
	_, err = l.app.Workflows().Wait(l.host, run.ID)
	must(b, err)
	const newID = "md5(%s)::uuid"
	runID, nodeID := fmt.Sprintf(newID, "r.id || '/' || i"), fmt.Sprintf(newID, "n.id || '/' || i")
	for _, statement := range []string{
		`INSERT INTO ?schema.jet_run (id, tenant_id, workflow_id, workflow_version, status, trigger, started_by, on_behalf_of, open_nodes, waiting_nodes, created_at, started_at)
			SELECT ` + runID + `, r.tenant_id, workflow_id, workflow_version, 'running', trigger, started_by, on_behalf_of, ` + fmt.Sprint(wide) + `, 0, created_at, started_at
			FROM ?schema.jet_run AS r, generate_series(1, ?) AS i /* across tenants: a backlog */ WHERE r.id = ?`,
		`INSERT INTO ?schema.jet_run_data (run_id, tenant_id, input) SELECT ` + runID + `, r.tenant_id, input
			FROM ?schema.jet_run_data AS d JOIN ?schema.jet_run AS r ON r.id = d.run_id, generate_series(1, ?) AS i /* across tenants: a backlog */ WHERE r.id = ?`,
		`INSERT INTO ?schema.jet_run_node (id, tenant_id, run_id, key, status, edges_decided, edges_taken, attempt, losses, ready_at)
			SELECT ` + nodeID + `, r.tenant_id, ` + runID + `, key, 'ready', 1, 1, 0, 0, n.ready_at
			FROM ?schema.jet_run_node AS n JOIN ?schema.jet_run AS r ON r.id = n.run_id, generate_series(1, ?) AS i /* across tenants: a backlog */
			WHERE r.id = ? AND n.key <> 'start'`,
	} {
		_, err := l.db.NewRaw(statement, nodes/wide, run.ID).Exec(b.Context())
		must(b, err)
	}
	ready = time.Now()
	_, err = l.db.NewRaw("ANALYZE").Exec(b.Context()) // what autovacuum does within a minute
	must(b, err)
	return ready
}

// A tenant has very many nodes ready, or starts runs without end. How long does
// the first node of another's run wait? The yardstick is the same without either.
// JETADMIN_BENCH_BACKLOG is how many nodes are ready.
func BenchmarkFairness(b *testing.B) {
	ready := sized(b, "JETADMIN_BENCH_BACKLOG", 20_000)
	for name, flood := range map[string]func(b *testing.B, l *backlog) (stop func()){
		"nobody else": func(*testing.B, *backlog) func() { return func() {} },
		"ready nodes of another": func(b *testing.B, l *backlog) func() {
			l.fill(b, ready)
			for l.ran.Load() <= wide { // those of the run that is copied
				<-time.After(time.Millisecond)
			}
			return func() {
				if l.ran.Load() >= int64(ready) {
					b.Log("the backlog did not last")
				}
			}
		},
		"starts of another": func(b *testing.B, l *backlog) func() { return l.flood(b, 2_000) },
	} {
		b.Run(name, func(b *testing.B) {
			began := make(chan time.Time, 1)
			l := newBacklog(b, began)
			ctx := l.app.Owner.Context(b.Context())
			in := workflow.StartParams{WorkflowID: l.app.Publish(ctx, workflow.NewWorkflow{Name: "clock", Draft: line(1, workflow.GraphNode{Type: "clock"})})}
			stop := flood(b, l)
			defer stop()
			var took []time.Duration
			for b.Loop() {
				since := time.Now()
				_, err := l.app.Workflows().Start(ctx, in)
				must(b, err)
				took = append(took, (<-began).Sub(since))
			}
			reportPercentiles(b, took)
		})
	}
}

// flood keeps on starting runs of ten nodes until stop; it returns when as many
// are there.
func (l *backlog) flood(b *testing.B, runs int64) (stop func()) {
	ctx, cancel := context.WithCancel(l.host)
	in := workflow.StartParams{WorkflowID: l.app.Publish(ctx, workflow.NewWorkflow{Name: "flood", Draft: line(10, workflow.GraphNode{Type: "nothing"})})}
	const senders = 32
	var begun atomic.Int64
	there, left := make(chan struct{}), make(chan struct{}, senders)
	for range senders {
		go func() {
			for ctx.Err() == nil {
				_, _ = l.app.Workflows().Start(ctx, in)
				if begun.Add(1) == runs {
					close(there)
				}
			}
			left <- struct{}{}
		}()
	}
	<-there
	return func() {
		cancel()
		for range senders {
			<-left
		}
	}
}

// Nodes are ready; how long until all of them have run? Then the same when Redis
// is emptied meanwhile: what that costs is the difference. JETADMIN_BENCH_BACKLOG
// is how many there are.
func BenchmarkBacklog(b *testing.B) {
	nodes := sized(b, "JETADMIN_BENCH_BACKLOG", 5_000) / wide * wide
	for name, during := range map[string]func(l *backlog) error{
		"redis kept":    func(*backlog) error { return nil },
		"redis emptied": func(l *backlog) error { return l.redis.FlushDB(context.Background()).Err() },
	} {
		b.Run(name, func(b *testing.B) {
			l := newBacklog(b, nil)
			var took time.Duration
			for b.Loop() {
				all := l.ran.Load() + wide + int64(nodes) // also those of the run that is copied
				ready := l.fill(b, nodes)
				must(b, during(l))
				for l.ran.Load() < all {
					<-time.After(time.Millisecond)
				}
				took += time.Since(ready)
			}
			b.ReportMetric(float64(nodes)*float64(b.N)/took.Seconds(), "nodes/s")
		})
	}
}
