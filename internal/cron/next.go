package cron

import "time"

// Next is the first time after the given one at which the expression fires in
// the zone, or the zero time when there is none within the years that a calendar
// needs to repeat itself. The result is in the zone.
func (e Expression) Next(after time.Time, zone *time.Location) time.Time {
	after = after.In(zone)
	for p := periodOf(after); ; p = periodOf(p.end) {
		w := e.spec.Next(p.wall(p.from(after), e.everyHour))
		if w.IsZero() {
			return time.Time{}
		}
		at := w.Add(-p.offset)
		switch {
		case p.end.IsZero() || at.Before(p.end):
			return at.In(zone)
		case at.Before(p.end.Add(periodOf(p.end).offset - p.offset)):
			return p.end // the time on the wall that it was planned for is left out
		}
	}
}

// period is a time in which the clocks of a zone are not changed.
type period struct {
	start, end time.Time // end is not part of it; zero = there was, or will be, no change
	offset     time.Duration
	repeated   time.Duration // how much of its beginning has been on the wall before
}

func periodOf(t time.Time) period {
	p := period{offset: offsetOf(t)}
	p.start, p.end = t.ZoneBounds()
	if !p.start.IsZero() {
		p.repeated = max(0, offsetOf(p.start.Add(-1))-p.offset)
	}
	return p
}

func offsetOf(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// from is the moment behind which to look in the period.
func (p period) from(after time.Time) time.Time {
	if before := p.start.Add(-1); !p.start.IsZero() && after.Before(before) {
		return before
	}
	return after
}

// wall is a moment as the clock shows it, beyond what the clock has shown before
// unless again is true.
func (p period) wall(t time.Time, again bool) time.Time {
	if fresh := p.start.Add(p.repeated - 1); !again && p.repeated > 0 && t.Before(fresh) {
		t = fresh
	}
	return t.UTC().Add(p.offset)
}
