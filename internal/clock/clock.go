// Package clock is the time of day as a dependency.
package clock

import "time"

// Clock tells the time. A nil Clock is the machine's.
type Clock func() time.Time

// Now is the time in UTC with the microseconds that both databases keep.
func (c Clock) Now() time.Time {
	if c == nil {
		return Round(time.Now())
	}
	return Round(c())
}

// Round gives t the precision and zone in which it is stored.
func Round(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
