package cron_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/cron"
)

// calendar is a year of a zone, minute by minute, made without asking when its
// clocks are changed.
type calendar struct {
	zone  *time.Location
	first time.Time
	walls []int64 // what the clock shows, in minutes since 1970, by minutes since first
}

func newCalendar(zone *time.Location, year int) calendar {
	c := calendar{zone: zone, first: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
	for now := c.first; now.Year() == year; now = now.Add(time.Minute) {
		l := now.In(zone)
		c.walls = append(c.walls, time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC).Unix()/60)
	}
	return c
}

// times are all the moments at which an expression fires, by trying each minute.
func (c calendar) times(r rule) []time.Time {
	var fires []time.Time
	latest := c.walls[0] - 1 // what the clock has shown so far
	for i, wall := range c.walls {
		now := c.first.Add(time.Duration(i) * time.Minute)
		hit := (wall > latest || r.everyHour) && r.matches(wall)
		for left := latest + 1; left < wall && !hit; left++ {
			hit = r.matches(left)
		}
		latest = max(latest, wall)
		if hit {
			fires = append(fires, now)
		}
	}
	return fires
}

// rule is an expression as sets of values.
type rule struct {
	text                              string
	minute, hour, day, month, weekday map[int]bool // nil = all
	everyHour                         bool
}

func (r rule) matches(wall int64) bool {
	t := time.Unix(wall*60, 0).UTC()
	in := func(set map[int]bool, v int) bool { return set == nil || set[v] }
	if !in(r.minute, t.Minute()) || !in(r.hour, t.Hour()) || !in(r.month, int(t.Month())) {
		return false
	}
	day, weekday := in(r.day, t.Day()), in(r.weekday, int(t.Weekday()))
	if r.day != nil && r.weekday != nil {
		return day || weekday
	}
	return day && weekday
}

func randomRule(rnd *rand.Rand) rule {
	var fields []string
	field := func(from, to int, free float64) map[int]bool {
		text, set := randomField(rnd, from, to, free)
		fields = append(fields, text)
		return set
	}
	r := rule{minute: field(0, 59, 0.05), hour: field(0, 23, 0.3), day: field(1, 31, 0.6), month: field(1, 12, 0.6), weekday: field(0, 6, 0.6)}
	r.everyHour = r.hour == nil || len(r.hour) == 24
	r.text = strings.Join(fields, " ")
	return r
}

func randomField(rnd *rand.Rand, from, to int, free float64) (string, map[int]bool) {
	if rnd.Float64() < free {
		return "*", nil
	}
	set := map[int]bool{}
	var parts []string
	for range 1 + rnd.IntN(3) {
		low := from + rnd.IntN(to-from+1)
		high, step := low, 1
		part := fmt.Sprint(low)
		if low < to && rnd.IntN(2) == 0 {
			high = low + rnd.IntN(to-low+1)
			part = fmt.Sprintf("%d-%d", low, high)
			if high > low && rnd.IntN(3) == 0 { // the parser refuses a step that leads out of its range
				step = 1 + rnd.IntN(high-low)
				part += fmt.Sprintf("/%d", step)
			}
		}
		for v := low; v <= high; v += step {
			set[v] = true
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ","), set
}

// For random expressions, the next times are those that trying every minute of a
// year finds, and each is later than the one before.
func TestPropertyNextIsWhatTryingEveryMinuteFinds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "UTC"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			rnd := rand.New(rand.NewPCG(seed, 1))
			c := newCalendar(zone(t, name), 2026)
			for range 12 {
				r := randomRule(rnd)
				e, err := cron.Parse(r.text)
				if err == cron.ErrNever {
					continue
				}
				if err != nil {
					t.Fatalf("seed %d: %q: %v", seed, r.text, err)
				}
				want := c.times(r)
				var got []time.Time
				now := c.first.Add(-time.Nanosecond)
				for len(got) <= len(want) {
					next := e.Next(now, c.zone)
					if !next.After(now) {
						t.Fatalf("seed %d: %q: after %s comes %s", seed, r.text, now, next)
					}
					if next.UTC().Year() > 2026 {
						break
					}
					got, now = append(got, next), next
				}
				if !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Fatalf("seed %d: %q fires\n%s", seed, r.text, firstDifference(got, want))
				}
			}
		})
	}
}

func firstDifference(got, want []time.Time) string {
	for i := range got {
		if i >= len(want) || !got[i].Equal(want[i]) {
			return fmt.Sprintf("number %d at %s, want %v", i, got[i], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
	return fmt.Sprintf("%d times, want %d", len(got), len(want))
}

func BenchmarkNext(b *testing.B) {
	e, z := parse(b, "30 2 * * mon-fri"), zone(b, "Europe/Berlin")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		e.Next(now, z)
	}
}
