//go:build unix

package chaostest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/workflow"
)

// order is what a worker process is told.
type order struct {
	Name   string
	Place  place
	Lease  time.Duration
	Slots  int
	AtMost time.Duration // how long a node takes at most
}

// place is where the processes meet.
type place struct {
	DSN, Schema string
	Redis       redisPlace
	Queue       string
}

type redisPlace struct {
	Addr, Username, Password string
	DB                       int
}

func (p redisPlace) open() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: p.Addr, Username: p.Username, Password: p.Password, DB: p.DB})
}

// open opens the database under a name that the server knows the connections by.
func (p place) open(application string) (*store.DB, error) {
	dsn := p.DSN + " application_name=" + application
	if u, err := url.Parse(p.DSN); err == nil && u.Scheme != "" {
		query := u.Query()
		query.Set("application_name", application)
		u.RawQuery = query.Encode()
		dsn = u.String()
	}
	pool, err := store.OpenPostgres(dsn)
	if err != nil {
		return nil, err
	}
	return store.New(pool, store.PostgreSQL, p.Schema)
}

// What a worker says on its standard output, one line each.
const (
	saidReady = "ready"
	saidStall = "stall" // it did not get to run; two times follow, in milliseconds since 1970
)

// patience is how long a worker that is asked to stop waits for its nodes. They
// are short, so none of them is cut off.
const patience = 30 * time.Second

// work is a worker process from its order to its exit code. It ends with a
// SIGTERM, properly, or with its standard input, at once.
func work(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return complain(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3) // the test is gone
	}()
	go o.reportStalls()
	before := goleak.IgnoreCurrent()
	if err := o.serve(stop); err != nil {
		return complain(err)
	}
	if err := goleak.Find(before); err != nil {
		return complain(err)
	}
	return 0
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func (o order) serve(stop <-chan os.Signal) error {
	db, err := o.Place.open(o.Name)
	if err != nil {
		return err
	}
	defer db.Close()
	ledger, err := o.Place.open("ledger")
	if err != nil {
		return err
	}
	defer ledger.Close()
	rdb := o.Place.Redis.open()
	defer rdb.Close()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	service, err := newService(workflow.Config{
		DB: db, Lease: o.Lease, Logger: logger, Slots: o.Slots, WorkerName: o.Name,
		Nodes: []workflow.Node{o.entry(ledger)},
		Queue: workflow.NewAsynqQueue(rdb, o.Place.Queue, logger),
	})
	if err != nil {
		return err
	}
	if err := service.StartEngine(context.Background()); err != nil {
		return err
	}
	fmt.Println(saidReady)
	<-stop
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return service.StopEngine(ctx)
}

// entry is the node that everything is about: it writes into the ledger that it
// began, and then takes a while.
func (o order) entry(ledger *store.DB) workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: "entry"}, func(ctx context.Context, call *workflow.Call, _ struct{}) (any, error) {
		_, err := ledger.NewRaw("INSERT INTO ?schema.ledger (run_id, key, idempotency_key, attempt, worker) VALUES (?, ?, ?, ?, ?)",
			call.RunID, call.Key, call.IdempotencyKey, call.Attempt, o.Name).Exec(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(rand.N(o.AtMost)):
			return o.Name, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// reportStalls tells of times in which this process did not get to run although
// nobody paused it: on a machine with too much to do it may lose its lease by that.
func (o order) reportStalls() {
	often := o.Lease / 20
	last := time.Now()
	for range time.Tick(often) {
		now := time.Now()
		if now.Sub(last) > o.Lease/4 {
			fmt.Println(saidStall, last.UnixMilli(), now.UnixMilli())
		}
		last = now
	}
}
