package clock_test

import (
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/clock"
)

func TestNowIsAsStored(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))
	got := clock.Clock(func() time.Time { return at }).Now()
	if want := time.Date(2030, 1, 2, 2, 4, 5, 123456000, time.UTC); got != want {
		t.Errorf("Now = %v, want %v", got, want)
	}
}

func TestNilIsTheMachine(t *testing.T) {
	t.Parallel()
	before := clock.Round(time.Now())
	if got := clock.Clock(nil).Now(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("Now = %v, it is %v", got, before)
	}
}
