package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkChain10/postgres_and_redis-2   4000   1624179 ns/op   615.7 runs/s
BenchmarkChain10/sqlite-2   4000   1269273 ns/op   787.9 runs/s
BenchmarkIdle-2   1   10001576687 ns/op   20.70 redis-ops/s   3.600 statements/s
BenchmarkFairness/nobody_else-2   100   1743678 ns/op   1.572 p50-ms   7.346 p99-ms
BenchmarkFairness/ready_nodes_of_another-2   100   21663142 ns/op   20.39 p50-ms   43.99 p99-ms
BenchmarkAsynqRaw-2   4000   110313 ns/op   9065 tasks/s
PASS
`

func TestTable(t *testing.T) {
	t.Parallel()
	figures, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := write(&table, figures); err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(table.String()) {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{
		"chains of ten nodes, PostgreSQL and Redis ≥ 1000 runs/s 616 runs/s missed",
		"chains of ten nodes, SQLite ≥ 300 runs/s 788 runs/s met",
		"idle with 1,000 tenants, PostgreSQL ≤ 5.0 statements/s 3.6 statements/s met",
		"start to first node, another tenant has nodes ready ≤ 200 p99-ms 44.0 p99-ms met",
		"the same against a process that is idle ≤ 14.7 p99-ms 44.0 p99-ms missed",
		"idle, chain of 40 nodes ≤ 160 p50-ms - not run",
		"Asynq alone, empty tasks 9065 tasks/s yardstick",
	} {
		if !lines[want] {
			t.Errorf("no line %q in\n%s", want, table.String())
		}
	}
}

// Every benchmark that the table names is there.
func TestTargetsNameBenchmarks(t *testing.T) {
	t.Parallel()
	source := benchmarks(t)
	for _, g := range append(targets, yardsticks...) {
		name, _, _ := strings.Cut(g.benchmark, "/")
		if !strings.Contains(source, "func Benchmark"+name+"(b *testing.B)") {
			t.Errorf("there is no Benchmark%s", name)
		}
	}
}

// benchmarks is the source of the benchmarks of the module's root.
func benchmarks(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../bench_*test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
