package workflow

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
)

// How an event and its waits find each other: each is committed first and looks
// for the other then, so that of two that come at the same time at least one
// sees the other. A match is a transaction of its own that makes the event used
// and its waits met; ending their nodes is owed from then on. What a process that
// dies in between leaves undone is on the agenda of others.

const (
	// maxDelivered is how many waits a sender of an event stays for. Others are
	// left to the agenda.
	maxDelivered = 100

	owedBatch = 500
)

// spread gives a new event to the waits for it.
func (e *engine) spread(ctx context.Context, row *eventRow) {
	ctx = auth.NewContext(context.WithoutCancel(ctx), auth.ServicePrincipal(row.TenantID, "event"))
	met, err := e.match(ctx, row)
	if err != nil {
		e.s.cfg.Logger.Warn("workflow engine: match an event", "event", row.ID, "error", err)
	}
	for i := range met {
		if i == maxDelivered {
			e.agenda.waits.nudge()
			return
		}
		e.deliverLogged(ctx, &met[i])
	}
}

// match makes an event, unless it is used, that of every open wait for it.
func (e *engine) match(ctx context.Context, row *eventRow) (met []waitRow, err error) {
	db, now := e.s.cfg.DB, e.s.cfg.Clock.Now()
	err = db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		met = nil
		err := tx.NewSelect().Model(row).Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Apply(db.Dialect.Lock).Scan(ctx)
		if store.IsMissing(err) || err == nil && (row.State == eventUsed || !row.ExpiresAt.After(now)) {
			return nil
		}
		if err != nil {
			return err
		}
		err = tx.NewRaw(`UPDATE ?schema.jet_wait SET state = 'met', event_id = ? WHERE tenant_id = ? AND id IN (
				SELECT id FROM ?schema.jet_wait AS m WHERE m.tenant_id = ? AND m.event_name = ? AND m.event_key = ? AND m.event_name <> ''
					AND m.closed_at IS NULL AND m.state <> 'met' AND m.deadline > ? ORDER BY id ?)
			RETURNING *`,
			row.ID, row.TenantID, row.TenantID, row.Name, row.Key, now, bun.Safe(db.Dialect.ForUpdate())).Scan(ctx, &met)
		if err != nil {
			return err
		}
		row.State = eventKept
		if len(met) > 0 {
			row.State = eventUsed
		}
		_, err = tx.NewUpdate().Model(row).Column("state").Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx)
		return err
	})
	return met, err
}

// lookForEvent gives a wait that was just stored the oldest event that is kept
// for it, or leaves it open for one that comes.
func (e *engine) lookForEvent(ctx context.Context, w *waitRow) {
	ctx = auth.NewContext(context.WithoutCancel(ctx), auth.ServicePrincipal(w.TenantID, "event"))
	if err := e.contain("wait", func() error { return e.look(ctx, w) }); err != nil {
		e.s.cfg.Logger.Warn("workflow engine: look for an event", "run", w.RunID, "node", w.Key, "error", err)
	}
}

func (e *engine) look(ctx context.Context, w *waitRow) error {
	for {
		var row eventRow
		err := e.s.cfg.DB.NewSelect().Model(&row).Where("tenant_id = ?", w.TenantID).Where("name = ?", w.EventName).Where("key = ?", w.EventKey).
			Where("state <> 'used'").Where("expires_at > ?", e.s.cfg.Clock.Now()).OrderExpr("id").Limit(1).Scan(ctx)
		if store.IsMissing(err) {
			_, err := e.s.cfg.DB.NewUpdate().Model((*waitRow)(nil)).Set("state = ?", waitOpen).
				Where("tenant_id = ?", w.TenantID).Where("id = ?", w.ID).Where("state = ?", waitNew).Exec(ctx)
			return err
		}
		if err != nil {
			return err
		}
		met, err := e.match(ctx, &row)
		if err != nil {
			return err
		}
		served := len(met) == 0 && row.State == eventKept // the wait itself is gone
		for i := range met {
			served = served || met[i].ID == w.ID
			e.deliverLogged(ctx, &met[i])
		}
		if served {
			return nil
		}
	}
}

func (e *engine) deliverLogged(ctx context.Context, w *waitRow) {
	if err := e.contain("event", func() error { return e.deliver(ctx, w) }); err != nil {
		e.s.cfg.Logger.Warn("workflow engine: deliver an event", "run", w.RunID, "node", w.Key, "error", err)
	}
}

// deliver ends the node of a wait that was met.
func (e *engine) deliver(ctx context.Context, w *waitRow) error {
	var row eventRow
	err := e.s.cfg.DB.NewSelect().Model(&row).Where("tenant_id = ?", w.TenantID).Where("id = ?", w.EventID).Scan(ctx)
	if err != nil {
		return err
	}
	event, err := row.event()
	if err != nil {
		return err
	}
	output, err := encodeOutput(event)
	if err != nil {
		return err
	}
	o := success(Result{Output: output, Port: PortSuccess})
	done, err := e.closeWait(ctx, &closing{wait: w, from: []waitState{waitMet}, to: waitAnswered, by: row.SentBy}, o, fenceEvent)
	if err != nil || done {
		return err
	}
	return e.abandonWait(ctx, w)
}

// abandonWait closes a wait that was met and whose run has ended nevertheless: it
// would be delivered for ever.
func (e *engine) abandonWait(ctx context.Context, w *waitRow) error {
	run, err := readRun(ctx, e.s.cfg.DB.DB, w.TenantID, w.RunID, nil)
	if err != nil || !run.Status.Final() {
		return err
	}
	return cancelWaits(ctx, e.s.cfg.DB.DB, &run, e.s.cfg.Clock.Now())
}

// giveOwed does what a process that died left undone.
func (e *engine) giveOwed(ctx context.Context) error {
	var waits []waitRow
	err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_wait /* across tenants: waits that something is owed to */
		WHERE state = 'new' OR state = 'met' ORDER BY id LIMIT ?`, owedBatch).Scan(ctx, &waits)
	for i := range waits {
		w := &waits[i]
		ctx := auth.NewContext(ctx, auth.ServicePrincipal(w.TenantID, "event"))
		if w.State == waitMet {
			e.deliverLogged(ctx, w)
		} else {
			e.lookForEvent(ctx, w)
		}
	}
	return err
}

// spreadOwed is the same for events.
func (e *engine) spreadOwed(ctx context.Context) error {
	var events []eventRow
	err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_event /* across tenants: events that nobody has looked at */
		WHERE state = 'new' ORDER BY id LIMIT ?`, owedBatch).Scan(ctx, &events)
	for i := range events {
		e.spread(ctx, &events[i])
	}
	return err
}

// forgetEvents removes a batch of events whose time is over, but none that is
// still owed to a wait.
func (e *engine) forgetEvents(ctx context.Context) error {
	db := e.s.cfg.DB
	_, err := db.NewRaw(`DELETE FROM ?schema.jet_event /* across tenants: retention */ WHERE id IN (
			SELECT id FROM ?schema.jet_event AS x WHERE x.expires_at <= ? AND NOT EXISTS (
				SELECT 1 FROM ?schema.jet_wait AS w WHERE w.tenant_id = x.tenant_id AND w.event_id = x.id AND w.state = 'met' AND w.closed_at IS NULL)
			ORDER BY x.expires_at LIMIT ? ?)`, e.s.cfg.Clock.Now(), owedBatch, bun.Safe(db.Dialect.SkipLocked())).Exec(ctx)
	return err
}
