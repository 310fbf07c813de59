package jetadmin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// From nothing to the first answer: New, Start, GET /readyz.
func BenchmarkNewStart(b *testing.B) {
	b.Run("sqlite fresh", func(b *testing.B) {
		cfg := quiet(b)
		benchStart(b, cfg, func(i int) jetadmin.Config {
			fresh := cfg
			fresh.DataDir = fmt.Sprint(cfg.DataDir, "-", i)
			return fresh
		})
	})
	b.Run("sqlite present", func(b *testing.B) {
		cfg := quiet(b)
		benchStart(b, cfg, func(int) jetadmin.Config { return cfg })
	})
	b.Run("postgres", func(b *testing.B) {
		cfg := quiet(b)
		onPostgres(b, &cfg)
		benchStart(b, cfg, func(int) jetadmin.Config { return cfg })
	})
}

func benchStart(b *testing.B, first jetadmin.Config, next func(i int) jetadmin.Config) {
	app, err := jetadmin.New(first)
	must(b, err)
	must(b, app.Start(b.Context()))
	must(b, app.Stop(b.Context()))
	for i := 0; b.Loop(); i++ {
		cfg := next(i)
		app, err := jetadmin.New(cfg)
		must(b, err)
		must(b, app.Start(b.Context()))
		answer := httptest.NewRecorder()
		app.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if answer.Code != http.StatusOK {
			b.Fatalf("status %d: %s", answer.Code, answer.Body)
		}
		b.StopTimer()
		must(b, app.Stop(b.Context()))
		if cfg.DataDir != first.DataDir {
			must(b, os.RemoveAll(cfg.DataDir))
		}
		b.StartTimer()
	}
}

// savedQueries is how many queries the tenant of BenchmarkListQueries has.
const savedQueries = 100_000

// The first 20 of 100,000 saved queries, over the handler, with a session token.
func BenchmarkListQueries(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchList(b, testdb.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchList(b, testdb.Postgres(b)) })
}

func benchList(b *testing.B, db *store.DB) {
	cfg := quiet(b)
	cfg.DB = db.DB.DB
	if db.Dialect == store.PostgreSQL {
		cfg.Schema = db.Schema()
	}
	app := jetadmintest.Start(b, cfg)
	saveQueries(b, app, db, cfg.DataDir)
	login, err := app.Auth().Login(b.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(b, err)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request := httptest.NewRequest(http.MethodGet, "/api/v1/tenants/"+app.Tenant.ID+"/queries?limit=20", nil)
			request.Header.Set("Authorization", "Bearer "+login.Token)
			answer := httptest.NewRecorder()
			app.ServeHTTP(answer, request)
			if answer.Code != http.StatusOK {
				b.Errorf("status %d: %s", answer.Code, answer.Body)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// saveQueries makes one query and copies its row.
func saveQueries(b *testing.B, app *jetadmintest.App, db *store.DB, dataDir string) {
	b.Helper()
	makeShop(b, dataDir, app.Tenant.ID)
	owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
	var made struct{ ID string }
	owner.Call("POST", T+"/datasources", object{"name": "Shop", "type": "sqlite", "settings": object{"file": "shop.db"}}).Want(201).Into(&made)
	owner.Call("POST", T+"/queries", object{
		"name": "Orders", "datasourceId": made.ID, "operation": object{"text": "SELECT id, total FROM orders WHERE country = {{ country }}"},
		"params": []object{{"name": "country", "type": "string", "required": true}},
	}).Want(201).Into(&made)
	newID := "('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"
	if db.Dialect == store.SQLite {
		newID = "printf('01900000-0000-7000-8000-%012x', i)"
	}
	_, err := db.ExecContext(b.Context(), `INSERT INTO ?schema.jet_query (id, tenant_id, datasource_id, name, description, operation, params,
			writes, row_limit, timeout_ms, created_by, created_at, updated_at, version)
		SELECT `+newID+`, tenant_id, datasource_id, name || ' ' || i, description, operation, params, writes, row_limit, timeout_ms,
			created_by, created_at, updated_at, version
		FROM ?schema.jet_query, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n) AS numbers
		WHERE tenant_id = ? AND id = ?`, savedQueries, app.Tenant.ID, made.ID)
	must(b, err)
	_, err = db.ExecContext(b.Context(), "ANALYZE")
	must(b, err)
}

// inFlight is how many runs, or tasks, are under way at a time.
const inFlight = 128

// Runs of a start node and ten nodes in a row that do nothing, each result
// stored before its successor begins. BenchmarkAsynqRaw is the yardstick.
func BenchmarkChain10(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		cfg := quiet(b)
		onSQLite(b, &cfg)
		benchChain(b, cfg)
	})
	b.Run("postgres", func(b *testing.B) {
		cfg := quiet(b)
		onPostgres(b, &cfg)
		benchChain(b, cfg)
	})
	b.Run("postgres and redis", func(b *testing.B) {
		cfg := quiet(b)
		onPostgres(b, &cfg)
		onRedis(b, &cfg)
		benchChain(b, cfg)
	})
}

func benchChain(b *testing.B, cfg jetadmin.Config) {
	cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "nothing"}, nothing)}
	benchRuns(b, cfg, line(10, workflow.GraphNode{Type: "nothing"}))
}

// benchRuns keeps as many runs of a graph under way as fit.
func benchRuns(b *testing.B, cfg jetadmin.Config, graph workflow.Graph) {
	room := make(chan struct{}, inFlight)
	var failed atomic.Int64
	cfg.Hooks.Workflow.AfterEnd = func(_ context.Context, r workflow.Run) {
		if r.Status != workflow.RunSucceeded {
			failed.Add(1)
		}
		<-room
	}
	app := jetadmintest.Start(b, cfg)
	ctx := app.Owner.Context(b.Context())
	in := workflow.StartParams{WorkflowID: app.Publish(ctx, workflow.NewWorkflow{Name: "chain", Draft: graph})}

	b.ResetTimer()
	var starters sync.WaitGroup
	var begun atomic.Int64
	for range 16 {
		starters.Go(func() {
			for begun.Add(1) <= int64(b.N) {
				room <- struct{}{}
				if _, err := app.Workflows().Start(ctx, in); err != nil {
					b.Error(err)
					<-room
				}
			}
		})
	}
	starters.Wait()
	for range inFlight {
		room <- struct{}{} // there is room for all: every run has ended
	}
	b.StopTimer()
	if n := failed.Load(); n > 0 {
		b.Errorf("%d runs did not succeed", n)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// Empty tasks through Asynq alone, as the yardstick of what its queue can carry.
func BenchmarkAsynqRaw(b *testing.B) {
	rdb := redis.NewClient(testdb.Redis(b))
	defer rdb.Close()
	client := asynq.NewClientFromRedisClient(rdb)
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: inFlight, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second, TaskCheckInterval: 10 * time.Millisecond,
	})
	room := make(chan struct{}, inFlight)
	must(b, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		<-room
		return nil
	})))
	defer server.Shutdown()

	b.ResetTimer()
	var senders sync.WaitGroup
	var sent atomic.Int64
	for range 16 {
		senders.Go(func() {
			for sent.Add(1) <= int64(b.N) {
				room <- struct{}{}
				if _, err := client.EnqueueContext(b.Context(), asynq.NewTask("empty", nil)); err != nil {
					b.Error(err)
					<-room
				}
			}
		})
	}
	senders.Wait()
	for range inFlight {
		room <- struct{}{}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}
