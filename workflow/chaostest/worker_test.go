//go:build unix

package chaostest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/workflow"
)

// order is what a worker process is told.
type order struct {
	Name     string
	Place    place
	Ledger   string        // the folder
	Lease    time.Duration // 0 = the default of the engine
	Slots    int
	AtMost   time.Duration // how long a node takes at most
	Patience time.Duration // how long it waits for its nodes when it is to stop
}

// What a worker says on its standard output, one line each.
const (
	saidReady    = "ready"
	saidStopping = "stopping" // it has been for a moment
	saidStall    = "stall"    // it did not get to run; two times follow, in milliseconds since 1970
)

// What a worker is told on its standard input.
const (
	dieBeforeCommit = "die before a result is committed"
	dieAfterCommit  = "die after a result is committed"
)

// work is a worker process from its order to its exit code. It ends with a
// SIGTERM, properly, or with its standard input, at once.
func work(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return complain(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	var end deathbed
	go end.listen()
	go o.reportStalls()
	before := goleak.IgnoreCurrent()
	if err := o.serve(stop, &end); err != nil {
		return complain(err)
	}
	// go-redis looks once a second for a Redis that is away, until it sees that it is closed.
	dialing := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
	// pgx waits up to 15 s for the server's end of a connection that it gave up in the middle of a statement.
	closing := goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn.(*PgConn).asyncClose.func1")
	if err := goleak.Find(before, dialing, closing); err != nil {
		return complain(err)
	}
	return 0
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// listen takes what the test says, and ends the process with the test.
func (d *deathbed) listen() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case dieBeforeCommit:
			d.before.Store(true)
		case dieAfterCommit:
			d.after.Store(true)
		}
	}
	os.Exit(3)
}

func (o order) serve(stop <-chan os.Signal, end *deathbed) error {
	db, err := o.Place.open(o.Name, end.wrap)
	if err != nil {
		return err
	}
	defer db.Close()
	ledger, err := openLedger(o.Ledger, o.Name)
	if err != nil {
		return err
	}
	rdb := o.Place.Redis.open()
	defer rdb.Close()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	service, err := newService(workflow.Config{
		DB: db, Lease: o.Lease, Logger: logger, Slots: o.Slots, WorkerName: o.Name, Nodes: o.nodes(ledger), Publish: ledger.stored,
		Queue: workflow.NewAsynqQueue(rdb, o.Place.Queue, logger),
	})
	if err != nil {
		return err
	}
	for err := service.StartEngine(context.Background()); err != nil; err = service.StartEngine(context.Background()) {
		fmt.Fprintln(os.Stderr, "start:", err) // the database may be away just now
		<-time.After(100 * time.Millisecond)
	}
	fmt.Println(saidReady)
	<-stop
	time.AfterFunc(100*time.Millisecond, func() { fmt.Println(saidStopping) })
	ctx, cancel := context.WithTimeout(context.Background(), o.Patience)
	defer cancel()
	return service.StopEngine(ctx)
}

// reportStalls tells of times in which this process did not get to run although
// nobody paused it: on a machine with too much to do it may lose its lease by that.
func (o order) reportStalls() {
	if o.Lease == 0 {
		return
	}
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
