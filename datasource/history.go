package datasource

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	// historyPause gathers executions into one statement. One that runs for longer
	// is stored before its end, so that others can see and stop it.
	historyPause = 250 * time.Millisecond

	historyChunk   = 500  // rows of a statement
	historyBacklog = 5000 // rows that may wait for the database; the oldest beyond are not kept
	historyTimeout = 5 * time.Second
)

// history takes down who runs what, in the background: a run waits for none of it.
// It has a goroutine only while there is something to take down, to watch or to look at.
type history struct {
	db     *store.DB
	clock  clock.Clock
	gone   func(tenantID string) bool
	keep   time.Duration
	logger *slog.Logger

	mu      sync.Mutex
	running map[string]*execution // by id: what runs in this process
	due     []*executionRow       // has ended and is not stored
	storing bool                  // rows are on their way to the database
	dropped int
	closed  bool
	working bool
	idle    chan struct{} // closed when working ends
	rounds  chan struct{} // closed, and made anew, when a round is done
	urgent  chan struct{} // somebody waits

	pruner pruner // only the goroutine uses it
}

// execution is a run under way.
type execution struct {
	*history
	row    *executionRow
	stored bool
	cancel context.CancelCauseFunc
}

func newHistory(c Config) *history {
	return &history{
		db: c.DB, clock: c.Clock, gone: c.Gone, keep: c.HistoryRetention, logger: c.Logger,
		running: map[string]*execution{}, rounds: make(chan struct{}), urgent: make(chan struct{}, 1),
		pruner: pruner{most: maxHistory},
	}
}

// begin takes down that a call runs, for limit at most. The caller ends it.
func (h *history) begin(ctx context.Context, c *call, kind ExecutionKind, limit time.Duration) (context.Context, *execution) {
	now := h.clock.Now()
	q := &c.plan.query
	e := &execution{history: h, row: &executionRow{
		ID: id.New(), TenantID: c.plan.ds.TenantID, Kind: string(kind), DatasourceID: c.plan.ds.ID, QueryVersion: q.Version,
		Actor: c.who.Actor(), Viewing: c.who.Viewing(), Params: c.recorded(), Status: string(ExecutionRunning), StartedAt: now, EndsBy: now.Add(limit + historyTimeout),
	}}
	if q.ID != "" {
		e.row.QueryID = &q.ID
	}
	if e.row.Actor != "user:"+c.who.UserID {
		e.row.OnBehalfOf = c.who.UserID
	}
	ctx, e.cancel = context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.running[e.row.ID] = e
		h.work()
	}
	return ctx, e
}

// end takes down how a call ended: err is what its caller gets.
func (e *execution) end(rows int64, cached bool, err error) {
	e.cancel(nil)
	now := e.clock.Now()
	h := e.history
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, e.row.ID)
	row := *e.row // the other may be on its way to the database
	row.Status, row.RowCount, row.Cached, row.FinishedAt = string(ExecutionSucceeded), rows, cached, &now
	if err != nil {
		row.Status, row.ErrorCode = string(statusOf(err)), codeOf(err)
	}
	if h.closed {
		return
	}
	h.due = append(h.due, &row)
	if extra := len(h.due) - historyBacklog; extra > 0 {
		h.due, h.dropped = h.due[extra:], h.dropped+extra
	}
	h.work()
}

func codeOf(err error) string {
	e := problem.Of(err)
	if e.Code == "" {
		return string(e.Kind)
	}
	return e.Code
}

func statusOf(err error) ExecutionStatus {
	switch problem.Of(err).Code {
	case "query_cancelled", "query_stopped", "closing":
		return ExecutionCancelled
	}
	return ExecutionFailed
}

// work sees to it that somebody is at work; h.mu is held.
func (h *history) work() {
	if !h.working {
		h.working, h.idle = true, make(chan struct{})
		go h.loop()
	}
}

// tidy has what is too old deleted soon, also where nothing runs.
func (h *history) tidy() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.work()
	}
}

// find is a run under way in this process.
func (h *history) find(tenantID, id string) *executionRow {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.running[id]; e != nil && e.row.TenantID == tenantID {
		return e.row
	}
	return nil
}

// stop ends a run, when it is one of this process.
func (h *history) stop(id string) {
	h.mu.Lock()
	e := h.running[id]
	h.mu.Unlock()
	if e != nil {
		e.cancel(problem.New(problem.Conflict, "query_stopped", "the query was stopped"))
	}
}

// stopAll ends the runs of a tenant that was deleted.
func (h *history) stopAll(tenantID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.running {
		if e.row.TenantID == tenantID {
			e.cancel(problem.Missing("tenant"))
		}
	}
}

// flush waits until what has ended is stored, or the context ends.
func (h *history) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	for {
		h.mu.Lock()
		waiting, round := len(h.due) > 0 || h.storing, h.rounds
		h.mu.Unlock()
		if !waiting {
			return
		}
		select {
		case h.urgent <- struct{}{}:
		default:
		}
		select {
		case <-round:
		case <-ctx.Done():
			return
		}
	}
}

// close stores what is left, after the last run has ended, and takes no more down.
func (h *history) close() {
	h.flush(context.Background())
	h.mu.Lock()
	working, idle := h.working, h.idle
	h.closed, h.due = true, nil // what the database did not take by now is lost
	clear(h.running)
	h.mu.Unlock()
	if working {
		<-idle
	}
}
