//go:build unix

// Package chaostest runs workflows on real worker processes, on a PostgreSQL and
// a Redis that they share, and does to them what production does: processes are
// killed, paused beyond their lease and stopped, Redis is emptied and taken away,
// PostgreSQL crashes, connections are cut, hints are repeated. Whatever happened,
// every run must end well, and every node must have exactly one outcome.
//
// docs/faults.md lists what is proven here, fault by fault.
//
// # The ledger
//
// What the database says of itself proves little, so the nodes keep a ledger: a
// line when one begins and another when it is done. It is a file for each
// process, each line one write in append mode. No fault reaches it: it needs no
// network and no server, and what a process has handed to the kernel outlives a
// kill -9. It is not synced to the disk, since no test takes the machine away, and
// it never fails a node, as a table in a database that crashes would.
//
// # How long
//
// The tests are short. "make chaos" is the long form; these variables change it:
//
//	JETADMIN_CHAOS_RUNS   how many runs, default 150
//	JETADMIN_CHAOS_SEED   repeats the order of the faults of an earlier one
package chaostest

import (
	"flag"
	"os"
	"testing"

	"github.com/jetadmin/jetadmin/internal/testdb"
)

// orderVariable holds the order for a worker. A test binary that is started with
// it is a worker process and runs no tests.
const orderVariable = "JETADMIN_CHAOS_WORKER"

func TestMain(m *testing.M) {
	if text := os.Getenv(orderVariable); text != "" {
		os.Exit(work(text))
	}
	// They wait more than they work.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	testdb.Main(m)
}
