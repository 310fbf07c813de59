package workflow

import (
	"context"
	"slices"

	"github.com/uptrace/bun"
)

// A run and a limit on its workflow's runs: those above it may hold the places
// that it asks for, and wait for it. So a run that is waited for, all the way up to
// one that holds a place, runs in that place and takes none of its own. And no run
// cancels one that it descends from.

// standUnder says what the runs above mean for the place of a run that is about to
// be stored as the child of parent.
func (b *beginning) standUnder(ctx context.Context, db bun.IDB, parent runRow) error {
	if b.run.SlotKey == nil {
		return nil
	}
	awaited := !b.run.Detached
	for above := parent; ; {
		if above.SlotKey != nil && above.slot() == b.run.slot() {
			if awaited {
				b.run.SlotKey = nil
				return nil
			}
			b.above = append(b.above, above.ID)
		}
		if above.ParentRunID == nil {
			return nil
		}
		awaited = awaited && !above.Detached
		var err error
		if above, err = readRun(ctx, db, above.TenantID, *above.ParentRunID, nil); err != nil {
			return err
		}
	}
}

// oldestBeside is the first of the runs that a run does not descend from; -1 =
// there is none.
func (b *beginning) oldestBeside(admitted []runRow) int {
	return slices.IndexFunc(admitted, func(r runRow) bool { return !slices.Contains(b.above, r.ID) })
}
