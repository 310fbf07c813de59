package testdb

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/internal/store"
)

// servers are what this test binary started; [Main] stops them. It is state of
// the process, like the processes it stands for.
var servers struct {
	sync.Mutex
	stops []func()
}

// Main runs the tests of a package, stops the servers they started, and fails
// when a goroutine is left over. It does not return.
func Main(m *testing.M) {
	code := m.Run()
	stopServers()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "testdb: the tests passed but left goroutines behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Each runs test on a fresh schema of each dialect, as parallel subtests named
// after the dialect.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run(string(store.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t))
	})
	t.Run(string(store.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t))
	})
}

func onStop(stop func()) {
	servers.Lock()
	defer servers.Unlock()
	servers.stops = append(servers.stops, stop)
}

func stopServers() {
	servers.Lock()
	defer servers.Unlock()
	for _, stop := range slices.Backward(servers.stops) {
		stop()
	}
	servers.stops = nil
}

// Program is where a program that a test runs is, e.g. "nginx". Without it the
// test is skipped, unless JETADMIN_TEST_REQUIRE names it.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // where Debian has servers, and not everybody's PATH
	}
	if err != nil {
		without(t, name, err)
	}
	return path
}

// without ends a test that needs something this machine does not have.
func without(t testing.TB, need string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("JETADMIN_TEST_REQUIRE"), ","), need) {
		t.Fatalf("testdb: %s is required: %v", need, err)
	}
	t.Skipf("testdb: without %s: %v", need, err)
}

// measured reports whether t is a benchmark: it gets a pool as a host has it,
// without the fence and with the safe settings.
func measured(t testing.TB) bool {
	_, ok := t.(*testing.B)
	return ok
}
