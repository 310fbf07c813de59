package jetadmin_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// statements counts what a pool sends, BEGIN and COMMIT among it.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What a process with a thousand tenants asks of PostgreSQL and Redis while
// nothing happens.
func BenchmarkIdle(b *testing.B) {
	dsn, schema := testdb.PostgresSchema(b)
	config, err := pgx.ParseConfig(dsn)
	must(b, err)
	asked := new(statements)
	config.Tracer = asked
	cfg := quiet(b)
	cfg.DB, cfg.Schema = stdlib.OpenDB(*config), schema
	b.Cleanup(func() { _ = cfg.DB.Close() })
	onRedis(b, &cfg)
	app := jetadmintest.Start(b, cfg)
	ctx := app.Owner.Context(b.Context())
	for i := range 1000 {
		_, err := app.Tenants().CreateFor(b.Context(), app.Owner.User.ID, tenancy.NewTenant{Name: fmt.Sprint("tenant ", i)})
		must(b, err)
	}
	workflowID := app.Publish(ctx, workflow.NewWorkflow{Name: "once", Draft: line(1, workflow.GraphNode{Type: "transform", Config: object{"value": 1}})})
	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: workflowID})
	must(b, err)
	_, err = app.Workflows().Wait(ctx, run.ID)
	must(b, err)

	const window = 10 * time.Second
	var sql, redis float64
	for b.Loop() {
		sqlBefore, redisBefore := asked.n.Load(), redisCommands(b, cfg.Redis)
		<-time.After(window)
		sql += float64(asked.n.Load() - sqlBefore)
		redis += float64(redisCommands(b, cfg.Redis) - redisBefore)
	}
	seconds := window.Seconds() * float64(b.N)
	b.ReportMetric(sql/seconds, "statements/s")
	b.ReportMetric(redis/seconds, "redis-ops/s")
}

func redisCommands(b *testing.B, rdb redis.UniversalClient) (n int64) {
	b.Helper()
	info, err := rdb.Info(b.Context(), "stats").Result()
	must(b, err)
	_, rest, _ := strings.Cut(info, "total_commands_processed:")
	_, err = fmt.Sscan(rest, &n)
	must(b, err)
	return n
}
