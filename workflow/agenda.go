package workflow

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often a process looks for rows that nothing else will move.
	lookEvery = time.Second

	// pollEvery is the same while the queue is out of reach.
	pollEvery = 200 * time.Millisecond
)

// agenda is what a process does about rows that nothing else will move: timers
// that are due, ready nodes that nobody was told of, nodes of dead processes. One
// statement asks whether there is anything to do. Each duty then has a loop of its
// own, so that none waits for another.
type agenda struct {
	all                             []*duty
	backOffs, leases, timers, waits *duty

	wake      chan struct{} // makes it look at once
	connected atomic.Int64  // since when the database has answered without a gap, in ns since 1970; 0 = it does not
}

type duty struct {
	name string

	// due is a query that has a row when there is something to do. It is ordered as
	// an index is, so that the planner takes the index whatever it believes. :now is
	// the database's clock, read once, so that indexes are searched by it.
	due string

	do   func(context.Context) error
	wake chan struct{}
}

func (e *engine) newAgenda() *agenda {
	const node, run, worker, wait, event = "SELECT 1 FROM ?schema.jet_run_node WHERE ", "SELECT 1 FROM ?schema.jet_run WHERE ",
		"SELECT 1 FROM ?schema.jet_worker WHERE ", "SELECT 1 FROM ?schema.jet_wait WHERE ", "SELECT 1 FROM ?schema.jet_event WHERE "
	a := &agenda{
		wake:     make(chan struct{}, 1),
		leases:   newDuty("leases", worker+"expires_at <= :now", e.judgeLeases),
		timers:   newDuty("timers", node+"status = 'waiting' AND wake_at <= :now ORDER BY wake_at", e.wakeDue),
		backOffs: newDuty("back-offs", node+"status = 'ready' AND wake_at <= :now ORDER BY wake_at", e.endBackOffs),
		waits:    newDuty("waits", wait+"state = 'new' OR state = 'met' ORDER BY id", e.giveOwed),
	}
	a.all = []*duty{
		a.backOffs, a.leases, a.timers, a.waits,
		newDuty("ready nodes", node+"status = 'ready' AND wake_at IS NULL ORDER BY tenant_id", e.lookForReady),
		newDuty("deadlines", run+"look_at <= :now AND finished_at IS NULL ORDER BY look_at", e.expire),
		newDuty("events", event+"state = 'new' ORDER BY id", e.spreadOwed),
		newDuty("old events", event+"expires_at <= :now ORDER BY expires_at", e.forgetEvents),
	}
	return a
}

func newDuty(name, due string, do func(context.Context) error) *duty {
	return &duty{name: name, due: due, do: do, wake: make(chan struct{}, 1)}
}

func (d *duty) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// nudge makes the process look at its agenda at once.
func (e *engine) nudge() {
	select {
	case e.agenda.wake <- struct{}{}:
	default:
	}
}

// fulfil is the loop of a duty. What fails is due again at the next look.
func (e *engine) fulfil(d *duty) func(context.Context) {
	return func(ctx context.Context) {
		for {
			select {
			case <-d.wake:
			case <-ctx.Done():
				return
			}
			if err := d.do(ctx); err != nil && ctx.Err() == nil {
				e.s.cfg.Logger.Warn("workflow engine: "+d.name, "error", err)
			}
		}
	}
}

// keepAgenda is the loop that looks what is due.
func (e *engine) keepAgenda(ctx context.Context) {
	lapses := e.lapses.Load()
	for e.pause(ctx) {
		due, err := e.lookUp(ctx)
		if err != nil {
			e.agenda.connected.Store(0)
			if ctx.Err() == nil {
				e.s.cfg.Logger.Warn("workflow engine: look what is due", "error", err)
			}
			continue
		}
		if now := e.lapses.Load(); e.agenda.connected.Load() == 0 || now != lapses {
			lapses = now
			e.agenda.connected.Store(time.Now().UnixNano())
		}
		for i, d := range e.agenda.all {
			if due[i] {
				d.nudge()
			}
		}
	}
}

// lookUp asks which duties are due, in one statement.
func (e *engine) lookUp(ctx context.Context) ([]bool, error) {
	asked := make([]string, len(e.agenda.all))
	answers := make([]int, len(asked))
	into := make([]any, len(asked))
	for i, d := range e.agenda.all {
		asked[i] = "COALESCE((" + strings.ReplaceAll(d.due, ":now", "(SELECT "+e.s.cfg.DB.Dialect.Now()+")") + " LIMIT 1), 0)"
		into[i] = &answers[i]
	}
	err := e.s.cfg.DB.NewRaw("SELECT /* across tenants: what is due */ "+strings.Join(asked, ",\n")).Scan(ctx, into...)
	due := make([]bool, len(asked))
	for i := range due {
		due[i] = answers[i] == 1
	}
	return due, err
}

// pause waits for the next look. The jitter keeps processes from looking all at
// the same time.
func (e *engine) pause(ctx context.Context) bool {
	every := lookEvery
	if e.queueDown.Load() {
		every = pollEvery
	}
	t := time.NewTimer(every - every/10 + rand.N(every/5))
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.agenda.wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
