package workflow

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/cron"
	"github.com/jetadmin/jetadmin/problem"
)

// MaxPreview is how many of the next times can be asked for at once.
const MaxPreview = 50

// Occurrence is a time at which a schedule fires.
type Occurrence struct {
	At    time.Time `json:"at" doc:"in UTC"`
	Local string    `json:"local" doc:"the same in the zone of the schedule"`
}

// PreviewSchedule tells the next times of an expression in a zone, "" = Config.Zone,
// without a schedule: count of them, at most [MaxPreview]. It needs schedule.list.
func (s *Service) PreviewSchedule(ctx context.Context, expression, zone string, count int) ([]Occurrence, error) {
	who, err := s.cfg.Authorize(ctx, auth.ScheduleList, "")
	if err != nil {
		return nil, err
	}
	if zone, err = s.zone(ctx, who, zone); err != nil {
		return nil, err
	}
	var f problem.Faults
	t := checkTimes(expression, zone, &f)
	checkCount(count, &f)
	if err := f.Err("schedule_invalid", "the schedule is not valid"); err != nil {
		return nil, err
	}
	now, err := s.databaseNow(ctx, s.cfg.DB.DB)
	if err != nil {
		return nil, err
	}
	return t.following(now, count), nil
}

// zone is a named time zone, or the one of who names none.
func (s *Service) zone(ctx context.Context, who *auth.Principal, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	return s.cfg.Zone(ctx, who.TenantID)
}

// NextTimes tells when a schedule fires next, as if it were enabled: count
// times, at most [MaxPreview].
func (s *Service) NextTimes(ctx context.Context, scheduleID string, count int) ([]Occurrence, error) {
	schedule, err := s.Schedule(ctx, scheduleID)
	if err != nil {
		return nil, err
	}
	var f problem.Faults
	t := checkTimes(schedule.Expression, schedule.Zone, &f)
	checkCount(count, &f)
	if err := f.Err("schedule_invalid", "the schedule is not valid"); err != nil {
		return nil, err
	}
	now, err := s.databaseNow(ctx, s.cfg.DB.DB)
	if err != nil {
		return nil, err
	}
	return t.following(now, count), nil
}

func checkCount(count int, f *problem.Faults) {
	f.Check(count >= 1 && count <= MaxPreview, "count", "must be 1 to 50")
}

// timetable is an expression with its zone.
type timetable struct {
	expression cron.Expression
	zone       *time.Location
}

func checkTimes(expression, zone string, f *problem.Faults) timetable {
	var t timetable
	var err error
	if t.expression, err = cron.Parse(expression); err != nil {
		f.Add("expression", err.Error())
	}
	var ok bool
	t.zone, ok = cron.Zone(zone)
	f.Check(ok, "zone", `is not the IANA name of a time zone, like "Europe/Berlin"`)
	return t
}

func (t timetable) next(after time.Time) time.Time { return t.expression.Next(after, t.zone).UTC() }

func (t timetable) following(now time.Time, count int) []Occurrence {
	list := make([]Occurrence, 0, count)
	for len(list) < count {
		now = t.next(now)
		list = append(list, Occurrence{At: now, Local: now.In(t.zone).Format(time.RFC3339)})
	}
	return list
}

// latest are the last times before or at now, at most limit, oldest first. A
// time before since is none.
func (t timetable) latest(since, now time.Time, limit int) []time.Time {
	// A minute's schedule may have been left alone for a year. So look back step by
	// step instead of walking there.
	for back := time.Hour; ; back *= 4 {
		from := now.Add(-back)
		if all := !from.After(since); all {
			from = since.Add(-1)
		}
		var times []time.Time
		for at := t.next(from); !at.After(now); at = t.next(at) {
			times = append(times, at)
		}
		if len(times) >= limit || from.Before(since) {
			return times[max(0, len(times)-limit):]
		}
	}
}

// checkSchedule finds everything that is wrong with a schedule.
func (s *Service) checkSchedule(ctx context.Context, who *auth.Principal, row *scheduleRow) error {
	var f problem.Faults
	checkName(&f, row.Name)
	checkTimes(row.Expression, row.Zone, &f)
	f.Check(row.Overlap == OverlapSkip || row.Overlap == OverlapAllow || row.Overlap == OverlapCancelPrevious,
		"overlap", "must be skip, allow or cancelPrevious")
	f.Check(row.CatchUp == CatchUpNone || row.CatchUp == CatchUpLast || row.CatchUp == CatchUpAll,
		"catchUp", "must be none, last or all")
	f.Check(row.CatchUpLimit >= 1 && row.CatchUpLimit <= MaxCatchUp, "catchUpLimit", "must be 1 to 100")
	f.Check(row.Input != "", "input", "must be JSON of at most 64 KiB")
	if row.Input != "" {
		if err := s.checkTrigger(ctx, who, row.WorkflowID, &row.Input, &f); err != nil {
			return err
		}
	}
	return f.Err("schedule_invalid", "the schedule is not valid")
}

// plan sets the next time of a schedule that has been checked.
func (s *Service) plan(ctx context.Context, tx bun.IDB, row *scheduleRow) error {
	var f problem.Faults
	t := checkTimes(row.Expression, row.Zone, &f)
	if err := f.Err("schedule_invalid", "the schedule is not valid"); err != nil {
		return err
	}
	now, err := s.databaseNow(ctx, tx)
	if err != nil {
		return err
	}
	next := t.next(now)
	row.NextAt = &next
	return nil
}

func (r *scheduleRow) apply(in ScheduleUpdate) {
	if in.Name != nil {
		r.Name = strings.TrimSpace(*in.Name)
	}
	if in.Expression != nil {
		r.Expression = strings.TrimSpace(*in.Expression)
	}
	if in.Zone != nil {
		r.Zone = *in.Zone
	}
	if in.Input != nil {
		var ok bool
		if r.Input, ok = encodable(in.Input); !ok {
			r.Input = "" // the check says so
		}
	}
	if in.Overlap != nil {
		r.Overlap = *in.Overlap
	}
	if in.CatchUp != nil {
		r.CatchUp = *in.CatchUp
	}
	if in.CatchUpLimit != nil {
		r.CatchUpLimit = *in.CatchUpLimit
	}
}
