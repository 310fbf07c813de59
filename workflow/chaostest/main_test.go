//go:build unix

// Package chaostest runs workflows on real worker processes, on a PostgreSQL and
// a Redis that they share, and does to them what production does: processes are
// killed, paused beyond their lease and stopped, Redis is emptied, connections
// to the database are cut. Whatever happened, every run must end well, and every
// node must have exactly one outcome.
//
// The tests are short. JETADMIN_CHAOS_RUNS=5000 makes them as long as wanted,
// JETADMIN_CHAOS_SEED repeats the order of the faults of an earlier one:
//
//	JETADMIN_CHAOS_RUNS=5000 JETADMIN_TEST_REQUIRE=postgres,redis go test -count=1 -timeout 30m -v ./workflow/chaostest
package chaostest

import (
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
	testdb.Main(m)
}
