package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// EachRedis runs test on an empty database of each Redis, as parallel subtests
// "miniredis" and "redis". fast lets time pass for what expires in it: at once
// in miniredis, by waiting in the real one, so keep it short.
//
// Keys are the test's own. Channels of Redis pub/sub are not: they ignore the
// database, so a test that publishes needs a prefix of its own.
func EachRedis(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient, fast func(time.Duration))) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		server := miniredis.RunT(t)
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		test(t, rdb, server.FastForward)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		rdb := redis.NewClient(Redis(t))
		t.Cleanup(func() { _ = rdb.Close() })
		test(t, rdb, func(d time.Duration) { <-time.After(d) })
	})
}

// Redis returns how to reach an empty database of a real Redis, for tests that
// open it themselves (a child process). Without a server the test is skipped.
func Redis(t testing.TB) *redis.Options {
	t.Helper()
	server, err := redisServer()
	if err != nil {
		without(t, "redis", err)
	}
	leased := *server.options
	leased.DB = server.lease(t)
	return &leased
}

// redisHost is a server and the client that hands out its databases.
type redisHost struct {
	options   *redis.Options
	rdb       *redis.Client
	databases int
}

var redisServer = sync.OnceValues(func() (*redisHost, error) {
	options, err := redisOptions()
	if err != nil {
		return nil, err
	}
	host := &redisHost{options: options, rdb: redis.NewClient(options), databases: 16}
	onStop(func() { _ = host.rdb.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := host.rdb.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("reach Redis: %w", err)
	}
	if config, err := host.rdb.ConfigGet(ctx, "databases").Result(); err == nil {
		host.databases, err = strconv.Atoi(config["databases"])
		return host, err
	}
	return host, nil
})

func redisOptions() (*redis.Options, error) {
	switch given := os.Getenv("JETADMIN_TEST_REDIS"); {
	case strings.Contains(given, "://"):
		return redis.ParseURL(given)
	case given != "":
		return &redis.Options{Addr: given}, nil
	}
	address, err := startRedis()
	return &redis.Options{Addr: address}, err
}

// lease takes a database for a test. The lease is noted in database 0, because
// the test binaries of several packages may share the server.
func (h *redisHost) lease(t testing.TB) int {
	t.Helper()
	for n := 1; n < h.databases; n++ {
		key := fmt.Sprintf("jetadmin:test:database:%d", n)
		free, err := h.rdb.SetNX(t.Context(), key, t.Name(), time.Hour).Result()
		if err != nil {
			t.Fatal("testdb: ", err)
		}
		if !free {
			continue
		}
		h.empty(t, n)
		t.Cleanup(func() {
			h.empty(t, n)
			if err := h.rdb.Del(context.Background(), key).Err(); err != nil {
				t.Errorf("testdb: give back Redis database %d: %v", n, err)
			}
		})
		return n
	}
	t.Fatalf("testdb: all %d databases of Redis are in use", h.databases)
	return 0
}

func (h *redisHost) empty(t testing.TB, database int) {
	t.Helper()
	options := *h.options
	options.DB = database
	rdb := redis.NewClient(&options)
	defer rdb.Close()
	if err := rdb.FlushDB(context.Background()).Err(); err != nil {
		t.Errorf("testdb: empty Redis database %d: %v", database, err)
	}
}

// startRedis starts a private server on a free loopback port and returns its
// address. It keeps nothing.
func startRedis() (address string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", errors.New("redis-server is not installed, and JETADMIN_TEST_REDIS is not set")
	}
	home, err := newHome("jetadmin-redis-")
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", errors.Join(err, home.remove())
	}
	stop, err := home.start("INT", program, redisArgs(home, port)...)
	if err != nil {
		return "", errors.Join(err, home.remove())
	}
	onStop(stop)
	address = "127.0.0.1:" + port
	rdb := redis.NewClient(&redis.Options{Addr: address})
	defer rdb.Close()
	return address, home.await(func(ctx context.Context) error { return rdb.Ping(ctx).Err() })
}
