package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
)

// Schedule starts runs of a workflow's published version at the times that a
// cron expression plans.
//
// Each planned time starts at most one run, however many processes there are. A
// planned time is on the wall: one that is left out when clocks are set forward
// fires once at the shift, one that comes twice when they are set back fires the
// first time (package internal/cron tells it all).
type Schedule struct {
	ID           string         `json:"id"`
	WorkflowID   string         `json:"workflowId"`
	Name         string         `json:"name"`
	Expression   string         `json:"expression" doc:"five cron fields: minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly"`
	Zone         string         `json:"zone" doc:"IANA name of the time zone"`
	Input        map[string]any `json:"input" doc:"of each run"`
	Overlap      Overlap        `json:"overlap" enum:"skip,allow,cancelPrevious" doc:"what happens when the run before has not ended"`
	CatchUp      CatchUp        `json:"catchUp" enum:"none,last,all" doc:"what happens with times at which no process was there"`
	CatchUpLimit int            `json:"catchUpLimit" doc:"how many missed times all starts at most, the latest"`
	Enabled      bool           `json:"enabled"`
	NextAt       *time.Time     `json:"nextAt,omitempty" doc:"the next planned time"`
	LastAt       *time.Time     `json:"lastAt,omitempty" doc:"the planned time of the last run"`
	LastRunID    string         `json:"lastRunId,omitempty"`
	SkippedAt    *time.Time     `json:"skippedAt,omitempty" doc:"a planned time that was left out lately, by overlap or catchUp"`
	LastError    *Failure       `json:"lastError,omitempty" doc:"why the last planned time started no run"`
	CreatedBy    string         `json:"createdBy"`
	CreatedAt    time.Time      `json:"createdAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
	Version      int            `json:"version" doc:"rises by one with every change by a person"`
}

// Overlap is what a schedule does at a planned time when the run it started
// before has not ended.
type Overlap string

// The overlap policies.
const (
	OverlapSkip           Overlap = "skip"  // the planned time is left out; the default
	OverlapAllow          Overlap = "allow" // both run
	OverlapCancelPrevious Overlap = "cancelPrevious"
)

// CatchUp is what a schedule does with planned times that are past when a
// process gets to them, by more than half a minute.
type CatchUp string

// The catch-up policies.
const (
	CatchUpNone CatchUp = "none" // they are left out
	CatchUpLast CatchUp = "last" // the last of them starts a run; the default
	CatchUpAll  CatchUp = "all"  // each starts a run, up to the schedule's limit
)

// The limits of a schedule.
const (
	MaxCatchUp          = 100
	defaultCatchUpLimit = 10
	maxTriggerInput     = 64 << 10 // bytes of JSON
)

// NewSchedule is what [Service.CreateSchedule] needs.
type NewSchedule struct {
	WorkflowID   string         `json:"workflowId" maxLength:"100"`
	Name         string         `json:"name" minLength:"1" maxLength:"200"`
	Expression   string         `json:"expression" maxLength:"200"`
	Zone         string         `json:"zone,omitempty" maxLength:"100" doc:"default: the timeZone of the tenant's settings, as it is now"`
	Input        map[string]any `json:"input,omitempty" doc:"as the start node declares it"`
	Overlap      Overlap        `json:"overlap,omitempty" enum:"skip,allow,cancelPrevious" doc:"default skip"`
	CatchUp      CatchUp        `json:"catchUp,omitempty" enum:"none,last,all" doc:"default last"`
	CatchUpLimit int            `json:"catchUpLimit,omitempty" minimum:"1" maximum:"100" doc:"default 10"`
	Disabled     bool           `json:"disabled,omitempty" doc:"make it without letting it fire"`
}

// ScheduleUpdate changes the fields that are set.
type ScheduleUpdate struct {
	Name         *string        `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Expression   *string        `json:"expression,omitempty" maxLength:"200"`
	Zone         *string        `json:"zone,omitempty" maxLength:"100"`
	Input        map[string]any `json:"input,omitempty"`
	Overlap      *Overlap       `json:"overlap,omitempty" enum:"skip,allow,cancelPrevious"`
	CatchUp      *CatchUp       `json:"catchUp,omitempty" enum:"none,last,all"`
	CatchUpLimit *int           `json:"catchUpLimit,omitempty" minimum:"1" maximum:"100"`
	Enabled      *bool          `json:"enabled,omitempty" doc:"what was missed while it was not is not caught up"`
	Version      int            `json:"version,omitempty" minimum:"1" doc:"the version that was read; another is refused"`
}

type scheduleRow struct {
	bun.BaseModel `bun:"table:?schema.jet_schedule,alias:s"`

	ID           string `bun:",pk"`
	TenantID     string
	WorkflowID   string
	Name         string
	Expression   string
	Zone         string
	Input        string
	Overlap      Overlap
	CatchUp      CatchUp
	CatchUpLimit int
	NextAt       *time.Time // nil = it does not fire
	LastAt       *time.Time
	LastRunID    *string
	LastError    *string
	SkippedAt    *time.Time
	CreatedBy    string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int
}

// CreateSchedule stores a schedule, which fires from then on. It keeps its time zone:
// when it names none that is Config.Zone of now.
//
// It needs schedule.create, and workflow.execute on the workflow: the schedule
// goes on to start it on nobody's behalf. Errors: Invalid with every fault,
// Conflict for a name that is taken.
func (s *Service) CreateSchedule(ctx context.Context, in NewSchedule) (Schedule, error) {
	who, err := s.cfg.Authorize(ctx, auth.ScheduleCreate, "")
	if err != nil {
		return Schedule{}, err
	}
	if in.Zone, err = s.zone(ctx, who, in.Zone); err != nil {
		return Schedule{}, err
	}
	row := in.row(who, s.cfg.Clock.Now())
	if err := s.checkSchedule(ctx, who, &row); err != nil {
		return Schedule{}, err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if !in.Disabled {
			if err := s.plan(ctx, tx, &row); err != nil {
				return err
			}
		}
		return s.insertTrigger(ctx, tx, "schedule", &row)
	})
	if err != nil {
		return Schedule{}, err
	}
	return row.schedule()
}

// Schedule reads a schedule.
func (s *Service) Schedule(ctx context.Context, scheduleID string) (Schedule, error) {
	return show(ctx, s, auth.ScheduleRead, scheduleID, readSchedule, (*scheduleRow).schedule)
}

// Schedules lists schedules, newest first; of one workflow unless workflowID is
// "".
func (s *Service) Schedules(ctx context.Context, workflowID string, r page.Request) (page.Page[Schedule], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.ScheduleList, "id")
	if err != nil {
		return page.Page[Schedule]{}, err
	}
	return page.List[scheduleRow, Schedule]{
		Key:   func(s Schedule) string { return s.ID },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(ofWorkflow(workflowID)).Apply(visible),
		Scope: []string{"schedules", who.TenantID, workflowID},
		View:  (*scheduleRow).schedule,
	}.Read(ctx, s.cfg.Pages, r)
}

// UpdateSchedule changes a schedule. A new expression or zone, and enabling it
// again, plan from now on: nothing that was missed before is caught up.
//
// It needs what [Service.CreateSchedule] needs, with schedule.update.
func (s *Service) UpdateSchedule(ctx context.Context, scheduleID string, in ScheduleUpdate) (Schedule, error) {
	who, err := s.cfg.Authorize(ctx, auth.ScheduleUpdate, scheduleID)
	if err != nil {
		return Schedule{}, err
	}
	before, err := readSchedule(ctx, s.cfg.DB.DB, who.TenantID, scheduleID, nil)
	if err != nil {
		return Schedule{}, err
	}
	if in.Version != 0 && in.Version != before.Version {
		return Schedule{}, stale("schedule")
	}
	changed := before
	changed.apply(in)
	if err := s.checkSchedule(ctx, who, &changed); err != nil {
		return Schedule{}, err
	}
	var row scheduleRow
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		// Read again, under a lock: it may have fired meanwhile.
		if row, err = readSchedule(ctx, tx, who.TenantID, scheduleID, s.cfg.DB.Dialect.Lock); err != nil {
			return err
		}
		if row.Version != before.Version {
			return stale("schedule")
		}
		was := row.state()
		if err := s.changeSchedule(ctx, tx, &row, in); err != nil {
			return err
		}
		entry := row.entry("schedule.update")
		entry.Before, entry.After = was, row.state()
		return s.cfg.Audit(ctx, tx, entry)
	})
	if err != nil {
		return Schedule{}, err
	}
	return row.schedule()
}

func (s *Service) changeSchedule(ctx context.Context, tx bun.IDB, row *scheduleRow, in ScheduleUpdate) error {
	expression, zone, enabled := row.Expression, row.Zone, row.NextAt != nil
	row.apply(in)
	wanted := enabled
	if in.Enabled != nil {
		wanted = *in.Enabled
	}
	switch {
	case !wanted:
		row.NextAt = nil
	case !enabled || row.Expression != expression || row.Zone != zone:
		if err := s.plan(ctx, tx, row); err != nil {
			return err
		}
	}
	row.UpdatedAt, row.Version = s.cfg.Clock.Now(), row.Version+1
	_, err := tx.NewUpdate().Model(row).Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx)
	return nameTaken(err, "schedule")
}

// DeleteSchedule removes a schedule. Its runs stay.
func (s *Service) DeleteSchedule(ctx context.Context, scheduleID string) error {
	return deleteTrigger(ctx, s, "schedule", scheduleID, readSchedule)
}

func (r scheduleRow) entry(action string) audit.Entry {
	return audit.Entry{
		TenantID: r.TenantID, Action: action, ObjectType: "schedule", ObjectID: r.ID,
		Detail: map[string]any{"name": r.Name, "workflowId": r.WorkflowID},
	}
}

// state is what a change of the schedule can change, for the record.
func (r scheduleRow) state() map[string]any {
	return map[string]any{
		"name": r.Name, "expression": r.Expression, "zone": r.Zone, "enabled": r.NextAt != nil, "input": json.RawMessage(r.Input),
		"overlap": r.Overlap, "catchUp": r.CatchUp, "catchUpLimit": r.CatchUpLimit,
	}
}

func (in NewSchedule) row(who *auth.Principal, now time.Time) scheduleRow {
	row := scheduleRow{
		ID: id.New(), TenantID: who.TenantID, WorkflowID: in.WorkflowID, Zone: in.Zone, Input: "{}",
		Overlap: OverlapSkip, CatchUp: CatchUpLast, CatchUpLimit: defaultCatchUpLimit,
		CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	row.apply(ScheduleUpdate{
		Name: &in.Name, Expression: &in.Expression, Input: in.Input,
		Overlap: set(in.Overlap), CatchUp: set(in.CatchUp), CatchUpLimit: set(in.CatchUpLimit),
	})
	return row
}

// set is nil for a field that was left out.
func set[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func (r *scheduleRow) schedule() (Schedule, error) {
	s := Schedule{
		ID: r.ID, WorkflowID: r.WorkflowID, Name: r.Name, Expression: r.Expression, Zone: r.Zone,
		Overlap: r.Overlap, CatchUp: r.CatchUp, CatchUpLimit: r.CatchUpLimit, Enabled: r.NextAt != nil,
		NextAt: utc(r.NextAt), LastAt: utc(r.LastAt), SkippedAt: utc(r.SkippedAt),
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: r.Version,
	}
	if r.LastRunID != nil {
		s.LastRunID = *r.LastRunID
	}
	if r.LastError != nil {
		if err := json.Unmarshal([]byte(*r.LastError), &s.LastError); err != nil {
			return s, err
		}
	}
	return s, decode(r.Input, &s.Input)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func readSchedule(ctx context.Context, db bun.IDB, tenantID, scheduleID string, lock locking) (scheduleRow, error) {
	return find[scheduleRow](ctx, db, tenantID, scheduleID, "schedule", lock)
}
