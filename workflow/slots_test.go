package workflow

import "testing"

// A tenant that runs nothing here has a slot, however busy another keeps the
// process; with one that it holds it has no more of these.
func TestSlotsAreSparedForWhoRunsNothing(t *testing.T) {
	t.Parallel()
	e := &engine{slots: newSlots(32)}
	e.crew.muster()
	var taken []*slot
	for s := e.vacant("busy"); s != nil; s = e.vacant("busy") {
		taken = append(taken, s)
	}
	if len(taken) != 30 {
		t.Fatalf("one tenant has taken %d of 32 slots", len(taken))
	}
	quiet := e.vacant("quiet")
	if quiet == nil || e.vacant("quiet") != nil {
		t.Error("a tenant that runs nothing has no slot, or two")
	}
	for _, s := range append(taken, quiet) {
		s.leave()
	}
	if e.slots.free() != 30 || len(e.slots.spared) != 0 || len(e.slots.held) != 0 {
		t.Errorf("%d are free, %d spared ones are taken, held: %v", e.slots.free(), len(e.slots.spared), e.slots.held)
	}
}
