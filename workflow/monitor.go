package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// EventMonitor is the kind of the events on the topic "monitor:<tenant id>"; data: [Monitor].
const EventMonitor = "monitor.stats"

const (
	// monitorRuns is how many open runs in a status are looked at, the oldest
	// first, and monitorEnds how many of the newest results. They bound what a look
	// costs, whatever the backlog.
	monitorRuns = 5000
	monitorEnds = 5000

	monitorWindow = 5 * time.Second // of rates
)

// Monitor is how busy the engine is with the runs of a tenant. Processes serve
// all tenants; what they do for others is not in it.
type Monitor struct {
	At      time.Time       `json:"at"`
	Workers []MonitorWorker `json:"workers" doc:"the processes that run nodes"`
	Runs    MonitorRuns     `json:"runs" doc:"those that have not ended"`
	Nodes   MonitorNodes    `json:"nodes" doc:"of these runs"`
	AtLeast bool            `json:"atLeast" doc:"there are more runs than were looked at: runs and nodes say how many there are at least"`
	Rates   MonitorRates    `json:"rates"`
	Oldest  MonitorOldest   `json:"oldest"`
}

// MonitorWorker is a process.
type MonitorWorker struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	StartedAt time.Time `json:"startedAt"`
	Alive     bool      `json:"alive" doc:"its lease has not run out"`
	Slots     int       `json:"slots" doc:"how many nodes it may run at a time, of all tenants; 0 = it runs none"`
	InFlight  int       `json:"inFlight" doc:"how many of this tenant it runs"`
}

// MonitorRuns counts runs by status.
type MonitorRuns struct {
	Queued  int `json:"queued"`
	Running int `json:"running"`
	Waiting int `json:"waiting"`
}

// MonitorNodes counts nodes.
type MonitorNodes struct {
	Ready   int `json:"ready" doc:"a process may take them up now"`
	Delayed int `json:"delayed" doc:"ready after a back-off"`
	Running int `json:"running"`
	Waiting int `json:"waiting" doc:"for a time, an event or a person, holding no process"`
}

// MonitorRates are numbers per second over the last seconds.
type MonitorRates struct {
	RunsStarted   float64 `json:"runsStarted"`
	RunsFinished  float64 `json:"runsFinished" doc:"those that a node has ended"`
	NodesFinished float64 `json:"nodesFinished" doc:"attempts at nodes"`
}

// MonitorOldest is for how long the oldest item of each loop of the engine waits
// to be served, in milliseconds; a loop without one is not there.
type MonitorOldest struct {
	ReadyMS *float64 `json:"readyMs,omitempty" doc:"a node that is ready"`
	TimerMS *float64 `json:"timerMs,omitempty" doc:"a wait whose time has come"`
	LeaseMS *float64 `json:"leaseMs,omitempty" doc:"a process whose lease ran out and that still holds nodes"`
}

// Monitor looks at how busy the engine is with the tenant's runs. Its cost is
// bounded, however many runs there are. It needs monitor.read.
func (s *Service) Monitor(ctx context.Context) (Monitor, error) {
	who, err := s.cfg.Authorize(ctx, auth.MonitorRead, "")
	if err != nil {
		return Monitor{}, err
	}
	m := Monitor{At: s.cfg.Clock.Now()}
	inFlight, err := s.monitorNodes(ctx, who.TenantID, &m)
	if err != nil {
		return Monitor{}, err
	}
	if err := s.monitorWorkers(ctx, inFlight, &m); err != nil {
		return Monitor{}, err
	}
	return m, s.monitorRates(ctx, who.TenantID, &m)
}

// openRuns are the oldest open runs of a tenant in each status. Each status is a
// range of an index, of which no more is read than is counted.
const openRuns = `SELECT * FROM (SELECT id, status FROM ?schema.jet_run WHERE tenant_id = ? AND status = 'queued' ORDER BY id LIMIT ?) AS q
	UNION ALL SELECT * FROM (SELECT id, status FROM ?schema.jet_run WHERE tenant_id = ? AND status = 'running' ORDER BY id LIMIT ?) AS r
	UNION ALL SELECT * FROM (SELECT id, status FROM ?schema.jet_run WHERE tenant_id = ? AND status = 'waiting' ORDER BY id LIMIT ?) AS w`

func openRunsArgs(tenantID string) []any {
	return []any{tenantID, monitorRuns, tenantID, monitorRuns, tenantID, monitorRuns}
}

// monitorNodes counts open runs and their nodes, and says how many nodes each
// process runs.
func (s *Service) monitorNodes(ctx context.Context, tenantID string, m *Monitor) (inFlight map[string]int, err error) {
	db := s.cfg.DB
	var runs []struct {
		Status RunStatus
		N      int
	}
	err = db.NewRaw("SELECT status, count(*) AS n FROM ("+openRuns+") AS o GROUP BY status", openRunsArgs(tenantID)...).Scan(ctx, &runs)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		switch r.Status {
		case RunQueued:
			m.Runs.Queued = r.N
		case RunRunning:
			m.Runs.Running = r.N
		case RunWaiting:
			m.Runs.Waiting = r.N
		}
		m.AtLeast = m.AtLeast || r.N == monitorRuns
	}
	var groups []monitorGroup
	args := append([]any{bun.Safe(db.Dialect.Now()), tenantID}, openRunsArgs(tenantID)...)
	err = db.NewRaw(`SELECT status, due, worker_id, count(*) AS n, min(due_at) AS oldest FROM (
			SELECT status, CASE WHEN wake_at IS NULL OR wake_at <= ? THEN 1 ELSE 0 END AS due,
				CASE WHEN status = 'running' THEN worker_id END AS worker_id, 
				CASE WHEN status = 'waiting' THEN wake_at ELSE COALESCE(wake_at, ready_at) END AS due_at
			FROM ?schema.jet_run_node AS n WHERE n.tenant_id = ? AND n.status IN ('ready', 'running', 'waiting')
				AND n.run_id IN (SELECT id FROM (`+openRuns+`) AS o)) AS g
		GROUP BY status, due, worker_id`, args...).Scan(ctx, &groups)
	inFlight = make(map[string]int)
	for _, g := range groups {
		g.into(m, inFlight)
	}
	return inFlight, err
}

type monitorGroup struct {
	Status   NodeStatus
	Due      bool
	WorkerID *string
	N        int
	Oldest   *time.Time
}

func (g *monitorGroup) into(m *Monitor, inFlight map[string]int) {
	switch {
	case g.Status == NodeRunning:
		m.Nodes.Running += g.N
		if g.WorkerID != nil {
			inFlight[*g.WorkerID] += g.N
		}
	case g.Status == NodeWaiting:
		m.Nodes.Waiting += g.N
		// One that waits for an event or a person may have no time at all: it is due,
		// and never the oldest.
		if g.Due {
			older(&m.Oldest.TimerMS, m.At, g.Oldest)
		}
	case !g.Due:
		m.Nodes.Delayed += g.N
	default:
		m.Nodes.Ready += g.N
		older(&m.Oldest.ReadyMS, m.At, g.Oldest)
	}
}

// older keeps the greater age in milliseconds. Clocks differ: what seems to come
// from the future is new.
func older(age **float64, now time.Time, since *time.Time) {
	if since == nil {
		return
	}
	ms := max(0, float64(now.Sub(*since).Microseconds())/1000)
	if *age == nil || **age < ms {
		*age = &ms
	}
}

func (s *Service) monitorWorkers(ctx context.Context, inFlight map[string]int, m *Monitor) error {
	var rows []struct {
		ID, Name             string
		Slots                int
		StartedAt, ExpiresAt time.Time
		Alive                bool
	}
	err := s.cfg.DB.NewRaw(`SELECT id, name, slots, started_at, expires_at, CASE WHEN expires_at > ? THEN 1 ELSE 0 END AS alive
		FROM ?schema.jet_worker ORDER BY id`, bun.Safe(s.cfg.DB.Dialect.Now())).Scan(ctx, &rows)
	m.Workers = make([]MonitorWorker, 0, len(rows))
	for _, r := range rows {
		if !r.Alive && inFlight[r.ID] == 0 {
			continue // what it leaves behind is not of this tenant
		}
		if !r.Alive {
			older(&m.Oldest.LeaseMS, m.At, &r.ExpiresAt)
		}
		m.Workers = append(m.Workers, MonitorWorker{
			ID: r.ID, Name: r.Name, StartedAt: r.StartedAt, Alive: r.Alive, Slots: r.Slots, InFlight: inFlight[r.ID],
		})
	}
	return err
}

// monitorRates counts what has begun and ended lately, by the ids, which hold the
// time.
func (s *Service) monitorRates(ctx context.Context, tenantID string, m *Monitor) error {
	db, since := s.cfg.DB, m.At.Add(-monitorWindow)
	var started, finished struct {
		N     int
		Since *time.Time
	}
	err := db.NewRaw(`SELECT count(*) AS n, min(created_at) AS since FROM (SELECT created_at FROM ?schema.jet_run
		WHERE tenant_id = ? AND id >= ? ORDER BY id DESC LIMIT ?) AS s`, tenantID, id.From(since), monitorEnds).Scan(ctx, &started)
	if err != nil {
		return err
	}
	const ends = `SELECT run_id, finished_at FROM ?schema.jet_run_output WHERE tenant_id = ? AND id >= ? ORDER BY id DESC LIMIT ?`
	args := []any{tenantID, id.From(since), monitorEnds}
	err = db.NewRaw("SELECT count(*) AS n, min(finished_at) AS since FROM ("+ends+") AS s", args...).Scan(ctx, &finished)
	if err != nil || finished.N == 0 {
		m.Rates.RunsStarted = perSecond(started.N, started.Since, m.At)
		return err
	}
	var runs int
	from := since
	if finished.N == monitorEnds {
		from = *finished.Since
	}
	err = db.NewRaw(`SELECT count(*) FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.finished_at >= ?
		AND r.id IN (SELECT run_id FROM (`+ends+`) AS s)`, append([]any{tenantID, from}, args...)...).Scan(ctx, &runs)
	m.Rates.RunsStarted = perSecond(started.N, started.Since, m.At)
	m.Rates.NodesFinished = perSecond(finished.N, finished.Since, m.At)
	if finished.N > 0 {
		m.Rates.RunsFinished = m.Rates.NodesFinished * float64(runs) / float64(finished.N)
	}
	return err
}

// perSecond is a rate per second. When there was more than was counted, the count
// reaches back less far than the window.
func perSecond(n int, since *time.Time, now time.Time) float64 {
	window := monitorWindow
	if n == monitorEnds && since != nil {
		window = max(now.Sub(*since), time.Millisecond)
	}
	return float64(n) / window.Seconds()
}
