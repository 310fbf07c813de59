package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"

	"github.com/jetadmin/jetadmin/problem"
)

// The row of a run may be held by somebody else's transaction, for as long as
// that likes: a cancel that waits for its record, or a host's own. Results of
// other runs must not wait for that. So a batch waits for a moment, as one that
// meets the batch of another process has to. Then it goes on without the runs
// that are still held, and their results are offered again.

const (
	// heldPatience is how long a batch waits for the rows of its runs.
	heldPatience = 250 * time.Millisecond

	// answerPatience is the same for what somebody answers and waits for.
	answerPatience = 5 * time.Second

	// loopPatience is how long a loop of the engine offers a result of a run that is
	// held. What it gives up is found again.
	loopPatience = time.Second

	// lookTimeout bounds the look of such a loop at a single run or slot.
	lookTimeout = 5 * time.Second

	heldPause    = 5 * time.Millisecond
	maxHeldPause = 250 * time.Millisecond
)

// errRunHeld says that somebody else's transaction holds the row of a run.
var errRunHeld = &problem.Error{
	Kind: problem.Unavailable, Code: "run_held", Message: "the run is being changed by somebody else", Remedy: "try again", RetryAfter: time.Second,
}

// runsOf are the runs of a batch, in the order in which their rows are locked.
func runsOf(batch []*transition) []string {
	ids := make([]string, len(batch))
	for i, t := range batch {
		ids[i] = t.claim.node.RunID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// holdRuns locks the rows of runs and reads of them what results change.
// Everything that changes several rows of a run locks that first, so that no two
// such transactions can wait for each other.
func (s *settlement) holdRuns(ctx context.Context, ids []string) (map[string]*runRow, error) {
	d := s.s.cfg.DB.Dialect
	read := func(ctx context.Context, rows *[]runRow, lock string) error {
		return store.Select(ctx, s.tx, rows, `SELECT id, tenant_id, status, open_nodes, waiting_nodes, started_at
			FROM ?schema.jet_run /* across tenants: results of one process */ WHERE `+d.AnyOf("id")+` ORDER BY id `+lock, d.IDs(ids))
	}
	var rows []runRow
	if s.patience > 0 {
		patient, cancel := context.WithTimeout(ctx, s.patience)
		defer cancel()
		err := read(patient, &rows, d.ForUpdate())
		if err != nil && patient.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errRunHeld, err)
		}
		return byID(rows), err
	}
	if err := read(ctx, &rows, d.SkipLocked()); err != nil || len(rows) == len(ids) {
		return byID(rows), err
	}
	runs, all := byID(rows), []runRow(nil)
	if err := read(ctx, &all, ""); err != nil {
		return nil, err
	}
	for i := range all {
		if runs[all[i].ID] != nil {
			continue
		}
		if !all[i].Status.Final() { // a run that has ended may be held by whom it likes
			s.held[all[i].ID] = true
		}
		runs[all[i].ID] = &all[i]
	}
	return runs, nil
}

func byID(rows []runRow) map[string]*runRow {
	runs := make(map[string]*runRow, len(rows))
	for i := range rows {
		runs[rows[i].ID] = &rows[i]
	}
	return runs
}

// storePatiently stores a batch, without the runs that are held for longer than
// patience: their transitions are held then, and nothing of them is stored.
func (e *engine) storePatiently(ctx context.Context, batch []*transition, patience time.Duration) error {
	if slices.ContainsFunc(batch, func(t *transition) bool { return t.held }) {
		patience = 0 // it was waited for
	}
	err := e.storeAll(ctx, batch, patience)
	if errors.Is(err, errRunHeld) {
		err = e.storeAll(ctx, batch, 0)
	}
	return err
}
