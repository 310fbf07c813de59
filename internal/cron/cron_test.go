package cron_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/cron"
)

func parse(t testing.TB, text string) cron.Expression {
	t.Helper()
	e, err := cron.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return e
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, ok := cron.Zone(name)
	if !ok {
		t.Fatalf("there is no zone %s", name)
	}
	return z
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What happens when clocks are changed, in the real data of real zones.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, zone, expression, after string
		want                          []string
	}{
		{
			"the hour that is left out: once, at the shift", "Europe/Berlin", "30 2 * * *", "2026-03-28T00:00:00+01:00",
			[]string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		},
		{
			"several times that are left out: once", "Europe/Berlin", "*/10 2 * * *", "2026-03-28T02:45:00+01:00",
			[]string{"2026-03-28T02:50:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"},
		},
		{
			"left out, and planned at the shift too: once", "Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"},
		},
		{
			"the hour that comes twice: the first time", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		},
		{
			"asked between the two: tomorrow", "Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00",
			[]string{"2026-10-26T02:30:00+01:00"},
		},
		{
			"several times that come twice: each the first time", "Europe/Berlin", "0,30 2-3 * * *", "2026-10-25T00:00:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-25T03:30:00+01:00"},
		},
		{
			"every hour goes on through the repeated one", "Europe/Berlin", "0 * * * *", "2026-10-25T01:30:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"},
		},
		{
			"every hour, half past, has its shift in between", "Europe/Berlin", "30 * * * *", "2026-03-29T01:00:00+01:00",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"},
		},
		{
			"the other side of the ocean, forward", "America/New_York", "15 2 * * *", "2026-03-07T12:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:15:00-04:00"},
		},
		{
			"the other side of the ocean, back", "America/New_York", "30 1 * * *", "2026-10-31T12:00:00-04:00",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		},
		{
			"half an hour forward, hit", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"},
		},
		{
			"half an hour forward, missed", "Australia/Lord_Howe", "45 2 * * *", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:45:00+11:00", "2026-10-05T02:45:00+11:00"},
		},
		{
			"half an hour back", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"},
		},
		{
			"no change at all", "Etc/GMT-3", "30 2 29 3 *", "2026-01-01T00:00:00+03:00",
			[]string{"2026-03-29T02:30:00+03:00", "2027-03-29T02:30:00+03:00"},
		},
		{
			"midnight is left out", "Africa/Cairo", "0 0 * * *", "2026-04-23T12:00:00+02:00",
			[]string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"},
		},
		{
			"a whole day is left out", "Pacific/Apia", "0 12 * * *", "2011-12-29T00:00:00-10:00",
			[]string{"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"},
		},
		{
			"a leap day", "Europe/Berlin", "0 6 29 2 *", "2026-01-01T00:00:00+01:00",
			[]string{"2028-02-29T06:00:00+01:00", "2032-02-29T06:00:00+01:00"},
		},
		{
			"a century without a leap day", "UTC", "0 0 29 2 *", "2096-03-01T00:00:00Z",
			[]string{"2104-02-29T00:00:00Z"},
		},
		{
			"day of month or of week", "UTC", "0 0 13 * fri", "2026-03-01T00:00:00Z",
			[]string{"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z"},
		},
		{
			"over the weekend", "UTC", "0 0 * * SAT-MON", "2026-03-06T00:00:00Z",
			[]string{"2026-03-07T00:00:00Z", "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-14T00:00:00Z"},
		},
		{
			"Thursday in upper case", "UTC", "0 0 * * THU", "2026-03-06T00:00:00Z",
			[]string{"2026-03-12T00:00:00Z"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, z := parse(t, test.expression), zone(t, test.zone)
			now := at(t, test.after)
			for _, want := range test.want {
				next := e.Next(now, z)
				if got := next.Format(time.RFC3339); got != want {
					t.Fatalf("after %s: %s, want %s", now.In(z).Format(time.RFC3339), got, want)
				}
				now = next
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]error{
		"":                                      cron.ErrSyntax,
		"   ":                                   cron.ErrSyntax,
		"* * * *":                               cron.ErrSyntax,
		"* * * * * *":                           cron.ErrSyntax, // T137: nothing is more frequent than once a minute
		"60 * * * *":                            cron.ErrSyntax,
		"* 24 * * *":                            cron.ErrSyntax,
		"* * 0 * *":                             cron.ErrSyntax,
		"* * * 13 *":                            cron.ErrSyntax,
		"* * * * 8":                             cron.ErrSyntax,
		"*/0 * * * *":                           cron.ErrSyntax,
		"-1 * * * *":                            cron.ErrSyntax,
		"H * * * *":                             cron.ErrSyntax,
		"0 0 L * *":                             cron.ErrSyntax,
		"@every 1s":                             cron.ErrSyntax,
		"@reboot":                               cron.ErrSyntax,
		"TZ=":                                   cron.ErrSyntax,
		"TZ=UTC":                                cron.ErrSyntax,
		"TZ= * * * * *":                         cron.ErrSyntax,
		"TZ=UTC 0 0 * * *":                      cron.ErrSyntax,
		"CRON_TZ=Europe/Berlin * * * *":         cron.ErrSyntax,
		"0 0 30 2 *":                            cron.ErrNever,
		"0 0 31 4,6,9,11 *":                     cron.ErrNever,
		strings.Repeat("1,", 200) + "1 * * * *": cron.ErrTooLong,
	}
	for text, want := range tests {
		if _, err := cron.Parse(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestZoneRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "+02:00", "Europe/Berlin\x00"} {
		if _, ok := cron.Zone(name); ok {
			t.Errorf("%q is a zone", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"* * * * *", "TZ=", "TZ= ", "CRON_TZ=UTC * * * * *", "*/5 2-4 1,15 jan-mar mon-fri", "@daily", "0 0 29 2 *", "1-0 22-2 31-1 dec-jan sat-sun", "0/7 ? * * ?"} {
		f.Add(seed, int64(1774746000))
	}
	z, _ := cron.Zone("Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		e, err := cron.Parse(text)
		if err != nil {
			return
		}
		now := time.Unix(seconds%(1<<34), 0)
		for range 3 {
			next := e.Next(now, z)
			if !next.After(now) || next.Second() != 0 {
				t.Fatalf("%q: after %s comes %s", text, now, next)
			}
			now = next
		}
	})
}
