package main

// target is what a figure is to be: at most the limit, or at least.
type target struct {
	what string
	figure
	limit float64
	least bool
	of    figure // the limit is a multiple of this figure; zero = it stands for itself
}

func (t *target) bound(limit float64, known bool) string {
	sign := "≤ "
	if t.least {
		sign = "≥ "
	}
	if t.of != (figure{}) && !known {
		return sign + number(t.limit) + " times"
	}
	return sign + number(limit) + " " + t.unit
}

func (t *target) verdict(v, limit float64) string {
	if t.least == (v >= limit) || v == limit {
		return "met"
	}
	return "missed"
}

const (
	redis  = "/postgres_and_redis"
	sqlite = "/sqlite"
	runs   = "runs/s"
	p50    = "p50-ms"
	p95    = "p95-ms"
	p99    = "p99-ms"
)

var targets = []target{
	{what: "chains of ten nodes, PostgreSQL and Redis", figure: figure{"Chain10" + redis, runs}, limit: 1000, least: true},
	{what: "the same of nodes that only compute", figure: figure{"PureChain10" + redis, runs}, limit: 1000, least: true},
	{what: "chains of ten nodes, SQLite", figure: figure{"Chain10" + sqlite, runs}, limit: 300, least: true},
	{what: "idle, start to first node", figure: figure{"StartLatency" + redis, p50}, limit: 10},
	{what: "idle, start to first node", figure: figure{"StartLatency" + redis, p99}, limit: 50},
	{what: "idle, chain of 40 nodes", figure: figure{"Chain40Idle" + redis, p50}, limit: 160},
	{what: "1,000 nodes side by side and a join", figure: figure{"FanOut1000" + redis, p50}, limit: 500},
	{what: "memory during a loop of many items, PostgreSQL and Redis", figure: figure{"ForEach" + redis, "RSS-most-MB"}, limit: 300},
	{what: "memory during a loop of many items, SQLite", figure: figure{"ForEach" + sqlite, "RSS-most-MB"}, limit: 300},
	{what: "idle with 1,000 tenants, PostgreSQL", figure: figure{"Idle", "statements/s"}, limit: 5},
	{what: "idle with 1,000 tenants, Redis", figure: figure{"Idle", "redis-ops/s"}, limit: 100},
	{what: "start to first node, another tenant has nodes ready", figure: figure{"Fairness/ready_nodes_of_another", p99}, limit: 200},
	{what: "the same against a process that is idle", figure: figure{"Fairness/ready_nodes_of_another", p99}, limit: 2, of: figure{"Fairness/nobody_else", p99}},
	{what: "list of runs", figure: figure{"ListRuns/all", p95}, limit: 100},
	{what: "list of runs of a workflow", figure: figure{"ListRuns/workflow", p95}, limit: 100},
	{what: "list of runs that failed", figure: figure{"ListRuns/failed", p95}, limit: 100},
	{what: "list of runs of a workflow that failed, none did", figure: figure{"ListRuns/workflow_and_failed,_none", p95}, limit: 100},
	{what: "list of test runs, there are none", figure: figure{"ListRuns/tests,_none", p95}, limit: 100},
	{what: "saved query over the driver, all on SQLite", figure: figure{"RunQuery/sqlite_datasource,_metadata_on_sqlite", "overhead-µs"}, limit: 150},
	{what: "the same, metadata on PostgreSQL", figure: figure{"RunQuery/sqlite_datasource,_metadata_on_postgres", "overhead-µs"}, limit: 150},
	{what: "a million rows as CSV, memory", figure: figure{"ExportCSV", "RSS-MB-above-idle"}, limit: 30},
}

// yardsticks show how fast the machine is.
var yardsticks = []target{
	{what: "Asynq alone, empty tasks", figure: figure{"AsynqRaw", "tasks/s"}},
	{what: "ready nodes, PostgreSQL and Redis", figure: figure{"Backlog/redis_kept", "nodes/s"}},
	{what: "the same, Redis emptied meanwhile", figure: figure{"Backlog/redis_emptied", "nodes/s"}},
}
