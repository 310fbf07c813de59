package datasource

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
)

func (h *history) loop() {
	for {
		pause := time.NewTimer(historyPause)
		select {
		case <-pause.C:
		case <-h.urgent:
		}
		pause.Stop()
		if err := guard(h.round); err != nil {
			h.logger.Warn("datasource: the history of executions is behind", "error", err)
		}
		if h.rest() {
			return
		}
	}
}

// rest reports whether there is nothing more to do.
func (h *history) rest() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storing = false
	close(h.rounds)
	h.rounds = make(chan struct{})
	if len(h.running) > 0 || len(h.due) > 0 {
		return false
	}
	h.working = false
	close(h.idle)
	return true
}

// round stores what there is, and ends what others want stopped.
func (h *history) round() error {
	// No principal: the rows are of several tenants, each names its own.
	ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
	defer cancel()
	rows, ended, dropped := h.take()
	over, running := h.present(rows[:ended]), h.present(rows[ended:])
	rows, ended = append(over, running...), len(over)
	if dropped > 0 {
		h.logger.Warn("datasource: executions are missing in the history, too many wait for the database", "executions", dropped)
	}
	for from := 0; from < len(rows); from += historyChunk {
		chunk := rows[from:min(from+historyChunk, len(rows))]
		if err := h.store(ctx, chunk); err != nil {
			h.giveBack(rows[from:])
			return err
		}
	}
	if err := h.heed(ctx); err != nil {
		return err
	}
	return h.pruner.prune(ctx, h, rows[:ended])
}

// take returns the rows to store: those that have ended, and those that have been
// running for so long that others should see them.
func (h *history) take() (rows []*executionRow, ended, dropped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows, ended, dropped = h.due, len(h.due), h.dropped
	h.due, h.dropped = nil, 0
	old := h.clock.Now().Add(-historyPause / 2)
	for _, e := range h.running {
		if !e.stored && !e.row.StartedAt.After(old) {
			e.stored = true
			rows = append(rows, e.row)
		}
	}
	h.storing = len(rows) > 0
	return rows, ended, dropped
}

// present leaves out what is of tenants that were deleted.
func (h *history) present(rows []*executionRow) []*executionRow {
	return slices.DeleteFunc(slices.Clone(rows), func(row *executionRow) bool { return h.gone(row.TenantID) })
}

// giveBack takes rows up again that could not be stored.
func (h *history) giveBack(rows []*executionRow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var due []*executionRow
	for _, row := range rows {
		if row.FinishedAt != nil {
			due = append(due, row)
		} else if e := h.running[row.ID]; e != nil {
			e.stored = false
		}
	}
	h.due = append(due, h.due...)
}

// store writes rows. One that is there already is brought up to date: it was
// stored while it ran, or the answer to the statement before was lost.
func (h *history) store(ctx context.Context, rows []*executionRow) error {
	return h.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := store.Exec(ctx, tx, store.InsertSQL[executionRow](tx)+` ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, error_code = EXCLUDED.error_code,
			row_count = EXCLUDED.row_count, cached = EXCLUDED.cached, finished_at = EXCLUDED.finished_at WHERE e.finished_at IS NULL`,
			store.Records(tx, rows))
		return err
	})
}

// heed ends the runs of this process that others want stopped.
func (h *history) heed(ctx context.Context) error {
	var ids, wanted []string
	h.mu.Lock()
	for id, e := range h.running {
		if e.stored {
			ids = append(ids, id)
		}
	}
	h.mu.Unlock()
	for from := 0; from < len(ids); from += historyChunk {
		chunk := ids[from:min(from+historyChunk, len(ids))]
		err := h.db.NewRaw(`SELECT id FROM ?schema.jet_execution /* across tenants: what this process runs */
			WHERE ? AND stop_requested = TRUE`, bun.SafeQuery(h.db.Dialect.AnyOf("id"), h.db.Dialect.IDs(chunk))).Scan(ctx, &wanted)
		if err != nil {
			return err
		}
		for _, id := range wanted {
			h.stop(id)
		}
	}
	return nil
}

const (
	pruneEvery   = time.Minute
	pruneBatch   = 500
	maxHistory   = 100_000 // executions of a tenant
	pruneTenants = 1000    // executions after which a tenant's are counted
)

// pruner keeps the history within its bounds.
type pruner struct {
	most  int // executions of a tenant
	next  time.Time
	since map[string]int // by tenant: what this process has stored since it last looked
}

func (p *pruner) prune(ctx context.Context, h *history, stored []*executionRow) error {
	if p.since == nil {
		p.since = map[string]int{}
	}
	for _, row := range stored {
		p.since[row.TenantID]++
	}
	for tenantID, n := range p.since {
		if n < pruneTenants {
			continue
		}
		delete(p.since, tenantID)
		_, err := h.db.NewRaw(`DELETE FROM ?schema.jet_execution WHERE tenant_id = ? AND id < (
			SELECT id FROM ?schema.jet_execution WHERE tenant_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`, tenantID, tenantID, p.most-1).Exec(ctx)
		if err != nil {
			return err
		}
	}
	if now := h.clock.Now(); h.keep > 0 && !now.Before(p.next) {
		p.next = now.Add(pruneEvery)
		n, err := store.Changed(h.db.NewRaw(`DELETE FROM ?schema.jet_execution /* across tenants: what is too old */ WHERE id IN (
			SELECT id FROM ?schema.jet_execution WHERE id < ? ORDER BY id LIMIT ?)`, id.First(now.Add(-h.keep)), pruneBatch).Exec(ctx))
		if n == pruneBatch {
			p.next = now // there is more
		}
		return err
	}
	return nil
}
