package workflow_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// taker tells whose hints it gets, one at a time.
type taker struct{ took chan string }

func (r taker) Receive(ctx context.Context, h workflow.Hint) {
	select {
	case r.took <- h.TenantID:
	case <-ctx.Done():
	}
}

func (taker) Down(bool) {}

// However much a tenant has ready, few hints of it lie in Redis, and another's
// hint comes after these at the latest. It comes again after Redis was emptied.
func TestATenantHasFewHintsInRedis(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		name := "t" + id.New()
		q := workflow.NewAsynqQueue(rdb, name, slog.New(slog.DiscardHandler))
		flood, quiet := id.New(), id.New()
		dispatch := func(tenantID string, nodes int) {
			t.Helper()
			if err := q.Dispatch(t.Context(), []workflow.Hint{{TenantID: tenantID, Nodes: nodes}}); err != nil {
				t.Fatal(err)
			}
		}
		lying := func() int64 {
			t.Helper()
			n, err := rdb.LLen(t.Context(), "asynq:{"+name+"}:pending").Result()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for range 200 {
			dispatch(flood, 1_000_000)
		}
		if n := lying(); n > 16 || n < 8 {
			t.Errorf("%d hints lie in Redis", n)
		}
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			dispatch(flood, 1_000_000)
		}
		dispatch(quiet, 1)
		ctx, stop := context.WithCancel(t.Context())
		r := taker{took: make(chan string)}
		served := make(chan error, 1)
		go func() { served <- q.Serve(ctx, r) }()
		for n := 0; <-r.took != quiet; n++ {
			if n > 16 {
				t.Fatal("the other tenant's hint does not come")
			}
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
