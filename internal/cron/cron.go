// Package cron finds the times at which a cron expression fires in a time zone,
// with a defined rule for the days on which clocks are changed.
//
// An expression has five fields (minute, hour, day of month, month, day of week)
// or is one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and
// @annually. Days of month and week are alternatives when both are restricted,
// as in POSIX. The zone is no part of it.
//
// # Daylight saving
//
// An expression plans times of the clock on the wall. When the clock is set
// forward, what was planned for the time that is left out fires once, at the
// moment of the shift. When it is set back, what was planned for the time that
// comes twice fires the first time only. An expression for every hour is the
// exception to the latter: it is meant as an interval, so it goes on through the
// repeated time too.
package cron

import (
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // zones are known also where the machine has no data of them

	"github.com/netresearch/go-cron"
)

// MaxLength is the length of the longest expression, in bytes.
const MaxLength = 200

// The faults of an expression. Their texts may be shown to its author.
var (
	ErrSyntax  = errors.New("is no cron expression: five fields (minute, hour, day of month, month, day of week), or @hourly, @daily, @weekly, @monthly or @yearly")
	ErrNever   = errors.New("is for a day that no month has")
	ErrTooLong = errors.New("must have at most 200 characters")
)

// searchYears is how far ahead a time is looked for: 29 February may be eight
// years away.
const searchYears = 9

// Expression is a parsed cron expression. It is immutable and safe for
// concurrent use; the zero value is not valid.
type Expression struct {
	spec      *cron.SpecSchedule
	everyHour bool
}

// Parse reads an expression. Its errors are [ErrSyntax], [ErrNever] and
// [ErrTooLong].
func Parse(text string) (Expression, error) {
	if len(text) > MaxLength {
		return Expression{}, ErrTooLong
	}
	// The parser takes an upper-case H, as in THU, for a placeholder.
	text = strings.ToLower(strings.TrimSpace(text))
	if !plain(text) {
		return Expression{}, ErrSyntax
	}
	parser, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)
	if err != nil {
		return Expression{}, err
	}
	schedule, err := parser.WithMaxSearchYears(searchYears).Parse(text)
	if err != nil {
		return Expression{}, ErrSyntax
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return Expression{}, ErrSyntax
	}
	// It is asked for times on the wall only, which are written as if in UTC.
	spec.Location = time.UTC
	e := Expression{spec: spec, everyHour: spec.Hour&allHours == allHours}
	if spec.Next(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Expression{}, ErrNever
	}
	return e, nil
}

const allHours = 1<<24 - 1

// plain reports whether the text has the outer form of an expression, so that
// what the parser knows besides (zones, seconds, intervals) is not reached.
func plain(text string) bool {
	switch text {
	case "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually":
		return true
	}
	for _, c := range text {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz*?/,- \t", c) {
			return false
		}
	}
	return len(strings.Fields(text)) == 5
}

// Zone finds a time zone by its IANA name, e.g. "Europe/Berlin"; ok is false for
// what is none. "Local" is none: it differs from machine to machine.
func Zone(name string) (zone *time.Location, ok bool) {
	if name == "" || name == "Local" {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}
