package workflow

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	// scheduleTick is how often a process asks for schedules that are due. It asks
	// a little ahead and then waits for the moment itself.
	scheduleTick  = time.Second
	scheduleAhead = scheduleTick + 200*time.Millisecond

	// scheduleJitter keeps processes from waiting for the same moment and then
	// fighting for the same rows.
	scheduleJitter = 40 * time.Millisecond

	// scheduleBatch is how many schedules are looked at at a time, and scheduleHands
	// how many of them are fired side by side.
	scheduleBatch = 500
	scheduleHands = 8

	// punctual is the delay up to which a planned time does not count as missed.
	punctual = 30 * time.Second

	// schedulePatience is how long a planned time is tried again when the platform
	// itself fails, before that becomes the schedule's error.
	schedulePatience = 10 * time.Second

	// forgetEvery is how often what webhooks remember is looked through.
	forgetEvery = 10 * time.Minute
)

// dueSchedule is a schedule whose time has come, or is about to.
type dueSchedule struct {
	scheduleRow
	NowMs int64
}

func (d *dueSchedule) now() time.Time { return time.UnixMilli(d.NowMs).UTC() }

// serveTriggers starts the runs of schedules. Every process does it: a planned
// time is taken by whoever moves the row on first.
func (e *engine) serveTriggers(ctx context.Context) {
	var forgotten time.Time
	for pause := rand.N(scheduleTick); sleep(ctx, pause); {
		pause = e.fireDue(ctx)
		if time.Since(forgotten) >= forgetEvery {
			forgotten = time.Now()
			e.forgetDeliveries(ctx)
		}
	}
}

// fireDue fires what is due and returns how long to wait before the next look.
func (e *engine) fireDue(ctx context.Context) time.Duration {
	asked := time.Now()
	rows, err := e.dueSchedules(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.s.cfg.Logger.Warn("workflow engine: look for schedules", "error", err)
		}
		return scheduleTick
	}
	pause := scheduleTick
	if len(rows) == scheduleBatch {
		pause = scheduleJitter
	}
	// Another process has the same list. Begin elsewhere.
	rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	var hands sync.WaitGroup
	free := make(chan struct{}, scheduleHands)
	for i := range rows {
		if early := rows[i].NextAt.Sub(rows[i].now()) - time.Since(asked); early > 0 {
			pause = min(pause, early+rand.N(scheduleJitter))
			continue
		}
		free <- struct{}{}
		hands.Go(func() {
			defer func() { <-free }()
			if name := "schedule " + rows[i].ID; !e.guard(name, func() { e.fire(ctx, &rows[i]) }) {
				e.guard(name, func() { e.fireCrashed(ctx, &rows[i]) })
			}
		})
	}
	hands.Wait()
	return pause
}

func (e *engine) dueSchedules(ctx context.Context) ([]dueSchedule, error) {
	db := e.s.cfg.DB
	var rows []dueSchedule
	// The clock is read once, in a query of its own: else PostgreSQL would read it
	// for each schedule there is, and not use the index.
	err := db.NewRaw(`SELECT *, `+db.Dialect.NowMillis()+` AS now_ms FROM ?schema.jet_schedule /* across tenants: schedules that are due */
		WHERE next_at <= (SELECT `+db.Dialect.After()+`) AND NOT EXISTS (SELECT 1 FROM ?schema.jet_tenant AS s WHERE s.id = tenant_id AND s.suspended_at IS NOT NULL) ORDER BY next_at LIMIT ?`, scheduleAhead.Milliseconds(), scheduleBatch).Scan(ctx, &rows)
	return rows, err
}

// errOvertaken says that the schedule is not any more as it was read: another
// process was faster, or somebody has changed it.
var errOvertaken = errors.New("the schedule has moved on")

// fire starts a run for each planned time that is to have one.
func (e *engine) fire(ctx context.Context, due *dueSchedule) {
	row, now := &due.scheduleRow, due.now()
	times, next, err := row.occurrences(now)
	switch {
	case err != nil: // its zone is not known any more, and will not be known next time
		err = e.moveOn(ctx, row, planned{failure: err})
	case len(times) == 0:
		err = e.moveOn(ctx, row, planned{next: &next, skipped: row.NextAt})
	}
	for i := 0; i < len(times) && err == nil; i++ {
		p := planned{at: times[i], next: &next}
		if i+1 < len(times) {
			p.next = &times[i+1]
		}
		if p.at.After(*row.NextAt) {
			p.skipped = row.NextAt
		}
		err = e.tryPlanned(ctx, row, p)
	}
	if err == nil || errors.Is(err, errOvertaken) {
		e.scheduleTries.forget(row.ID)
	} else if ctx.Err() == nil {
		e.s.cfg.Logger.Warn("workflow engine: fire a schedule", "schedule", row.ID, "error", err)
	}
}

// tryPlanned starts the run of one planned time, or records why there is none.
// What fails on our side may succeed in a second, but not for ever: until then the
// time stays the one that the schedule waits for.
func (e *engine) tryPlanned(ctx context.Context, row *scheduleRow, p planned) error {
	err := e.firePlanned(ctx, row, p)
	if err == nil || errors.Is(err, errOvertaken) || ctx.Err() != nil {
		return err
	}
	if ours(err) && e.scheduleTries.failed(row.ID, p.at) < schedulePatience {
		return err
	}
	p.failure = err
	return e.moveOn(ctx, row, p)
}

// ours reports whether a start may succeed in a moment, the platform being unable, or the
// tenant full, now.
func ours(err error) bool {
	kind := problem.KindOf(err)
	return kind == problem.Internal || kind == problem.Unavailable || kind == problem.RateLimited
}

// fireCrashed keeps a schedule whose start panics, in a hook of the host say,
// from doing so every second.
func (e *engine) fireCrashed(ctx context.Context, due *dueSchedule) {
	row := &due.scheduleRow
	_, next, err := row.occurrences(due.now())
	if err == nil {
		crash := problem.New(problem.Internal, "schedule_crashed", "the start of the run crashed")
		err = e.moveOn(ctx, row, planned{next: &next, failure: crash})
	}
	if err != nil && !errors.Is(err, errOvertaken) {
		e.s.cfg.Logger.Warn("workflow engine: fire a schedule", "schedule", row.ID, "error", err)
	}
}

// principal is who starts the runs of a schedule: nobody in person, with the
// rights that take them.
func (r *scheduleRow) principal() *auth.Principal {
	grants := []auth.Grant{{Permission: auth.WorkflowExecute, ObjectID: r.WorkflowID}}
	if r.LastRunID != nil && r.Overlap == OverlapCancelPrevious {
		grants = append(grants, auth.Grant{Permission: auth.RunCancel, ObjectID: *r.LastRunID})
	}
	return auth.ServicePrincipal(r.TenantID, "schedule:"+r.ID, grants...)
}

// occurrences are the planned times up to now that are to start a run, oldest
// first, and the next one after now.
func (r *scheduleRow) occurrences(now time.Time) (times []time.Time, next time.Time, err error) {
	var f problem.Faults
	t := checkTimes(r.Expression, r.Zone, &f)
	if err := f.Err("schedule_invalid", "the schedule is not valid"); err != nil {
		return nil, next, err
	}
	limit := 1
	if r.CatchUp == CatchUpAll {
		limit = r.CatchUpLimit
	}
	// The time it waited for counts whatever the expression says: it was promised.
	times = append(times, r.NextAt.UTC())
	times = append(times, t.latest(r.NextAt.Add(1), now, limit)...)
	times = times[max(0, len(times)-limit):]
	if r.CatchUp == CatchUpNone && now.Sub(times[0]) > punctual {
		times = nil
	}
	return times, t.next(now), nil
}

// planned is a planned time of a schedule and what comes of it.
type planned struct {
	at      time.Time  // starts a run, unless it is zero
	next    *time.Time // the one to wait for afterwards; nil = none ever
	failure error      // why at starts no run
	skipped *time.Time // a time that was left out
}

// firePlanned starts the run of one planned time.
func (e *engine) firePlanned(ctx context.Context, row *scheduleRow, p planned) error {
	// Its rights are those of now: the run before may be one of this same look.
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, row.principal()), lookTimeout)
	defer cancel()
	b, err := e.beginPlanned(ctx, row, p.at)
	if err != nil {
		return err
	}
	if row.Overlap == OverlapCancelPrevious && row.LastRunID != nil {
		// Before the new one is there: should this process die in between, the time is
		// still due and everything is done again.
		if _, err := e.s.Cancel(ctx, *row.LastRunID); err != nil && !problem.Is(err, problem.Conflict) && !problem.Is(err, problem.NotFound) {
			return err
		}
	}
	defer e.s.telemetry.begin(ctx, &b.run)()
	var runID string
	skipped := false
	err = e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		stored, err := e.holdSchedule(ctx, tx, row)
		if err != nil {
			return err
		}
		if skipped, err = stored.mustSkip(ctx, tx); err != nil {
			return err
		}
		stored.NextAt, stored.LastError = p.next, nil
		if p.skipped != nil {
			stored.SkippedAt = p.skipped
		}
		if skipped {
			stored.SkippedAt = &p.at
			return saveFired(ctx, tx, stored)
		}
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil {
			return err
		}
		runID = b.result().ID
		stored.LastAt, stored.LastRunID = &p.at, &runID
		return saveFired(ctx, tx, stored)
	})
	if err != nil {
		return err
	}
	row.NextAt = p.next
	if !skipped {
		row.LastRunID = &runID
		e.begun(ctx, b)
	}
	return nil
}

func (e *engine) beginPlanned(ctx context.Context, row *scheduleRow, at time.Time) (*beginning, error) {
	input, err := inputOf(row.Input)
	if err != nil {
		return nil, err
	}
	return e.s.begin(ctx, e.s.cfg.DB.DB, StartParams{
		WorkflowID: row.WorkflowID, Input: input, trigger: TriggerSchedule,
		IdempotencyKey: "schedule/" + row.ID + "/" + at.UTC().Format(time.RFC3339),
	})
}

// moveOn records that a planned time started no run, and goes on to the next.
func (e *engine) moveOn(ctx context.Context, row *scheduleRow, p planned) error {
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, row.principal()), lookTimeout)
	defer cancel()
	err := e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		stored, err := e.holdSchedule(ctx, tx, row)
		if err != nil {
			return err
		}
		stored.NextAt = p.next
		if p.skipped != nil {
			stored.SkippedAt = p.skipped
		}
		if p.failure != nil {
			stored.LastError = failureOf(p.failure).column()
		}
		return saveFired(ctx, tx, stored)
	})
	if err == nil {
		row.NextAt = p.next
		if p.failure != nil {
			e.s.cfg.Logger.Warn("workflow engine: a schedule started no run", "schedule", row.ID, "error", p.failure)
		}
	}
	return err
}

// holdSchedule locks a schedule for the rest of the transaction, if it still
// waits for the same time.
func (e *engine) holdSchedule(ctx context.Context, tx bun.IDB, row *scheduleRow) (*scheduleRow, error) {
	stored, err := readSchedule(ctx, tx, row.TenantID, row.ID, e.s.cfg.DB.Dialect.Lock)
	switch {
	case problem.Is(err, problem.NotFound):
		return nil, errOvertaken
	case err != nil:
		return nil, err
	case stored.Version != row.Version || stored.NextAt == nil || !stored.NextAt.Equal(*row.NextAt):
		return nil, errOvertaken
	}
	return &stored, nil
}

// mustSkip reports whether the run before is still under way, and has to be
// alone.
func (r *scheduleRow) mustSkip(ctx context.Context, tx bun.IDB) (bool, error) {
	if r.Overlap != OverlapSkip || r.LastRunID == nil {
		return false, nil
	}
	last, err := readRun(ctx, tx, r.TenantID, *r.LastRunID, nil)
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return err == nil && !last.Status.Final(), err
}

func saveFired(ctx context.Context, tx bun.IDB, row *scheduleRow) error {
	_, err := tx.NewUpdate().Model(row).Column("next_at", "last_at", "last_run_id", "last_error", "skipped_at").
		Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx)
	return err
}
