package workflow

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// turnNodes bounds a turn: how many nodes begin with the items that it begins.
const turnNodes = 1000

// loopTurn is a look at a loop whose node waits, in one transaction.
type loopTurn struct {
	*engine
	tx    bun.IDB
	claim *claim

	was, loop loopRow
	begun     []*beginning
	more      bool // there is room for more items than one turn begins
	ended     bool // every item has
}

// turn goes on with a loop: it fails when too many of its items have, begins as
// many of the others as there is room for, and succeeds when all have ended. ok =
// false: the loop goes on.
func (e *engine) turn(ctx context.Context, c *claim) (o outcome, ok bool, err error) {
	var t *loopTurn
	err = e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		t = &loopTurn{engine: e, tx: tx, claim: c}
		return t.take(ctx)
	})
	switch {
	case errors.Is(err, errNotOurs): // it waits no more
		return outcome{}, false, nil
	case errors.Is(err, errRunHeld): // others do not wait for that
		e.after(maxHeldPause, func() { e.tender.add(parentOf(&c.node)) })
		return outcome{}, false, nil
	case err != nil:
		return outcome{}, false, err
	}
	e.itemsBegun(ctx, t.begun)
	if t.loop != t.was {
		e.s.events.items(&c.node, &t.loop)
	}
	switch {
	case t.loop.Failed > t.loop.MaxFailures:
		o, err = e.tooManyFailed(ctx, c, &t.loop)
		return o, err == nil, err
	case t.ended:
		return e.collect(ctx, c, &t.loop)
	case t.more:
		e.tender.add(parentOf(&c.node))
	}
	return outcome{}, false, nil
}

func (t *loopTurn) take(ctx context.Context) (err error) {
	err = t.holdParent(ctx, t.tx, t.claim, NodeWaiting, t.s.cfg.DB.Dialect.LockFree)
	if problem.Is(err, problem.NotFound) || store.IsMissing(err) {
		return errRunHeld
	}
	if err != nil {
		return err
	}
	if t.was, err = readLoop(ctx, t.tx, &t.claim.node); err != nil {
		return err
	}
	t.loop = t.was
	if err := t.count(ctx); err != nil {
		return err
	}
	if t.loop.Failed <= t.loop.MaxFailures {
		if err := t.goOn(ctx); err != nil {
			return err
		}
	}
	if t.loop == t.was {
		return nil
	}
	_, err = t.tx.NewUpdate().Model(&t.loop).Column("begun", "ended", "failed", "next").WherePK().Where("tenant_id = ?", t.loop.TenantID).Exec(ctx)
	return err
}

// count looks how many of the items that have begun have ended, and how many of
// these failed. When any number may fail, that is looked at a hundred times a loop,
// for it costs as much as have.
func (t *loopTurn) count(ctx context.Context) error {
	l, open := &t.loop, 0
	err := t.tx.NewRaw(`SELECT count(*) FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.parent_run_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ?
		AND r.finished_at IS NULL`, l.TenantID, l.RunID, l.NodeID, l.Attempt).Scan(ctx, &open)
	if err != nil {
		return err
	}
	l.Ended = l.Begun - open
	if percent := max(1, l.Items/100); l.MaxFailures == l.Items && l.Ended < l.Items && l.Ended/percent == t.was.Ended/percent {
		return nil
	}
	return t.tx.NewRaw(`SELECT count(*) FROM (SELECT 1 FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.parent_node_id = ? AND r.parent_attempt = ?
		AND (r.status = 'failed' OR r.status = 'cancelled' OR r.status = 'timedOut') LIMIT ?) AS failed`, l.TenantID, l.NodeID, l.Attempt, l.MaxFailures+1).Scan(ctx, &l.Failed)
}

// goOn begins items, or finds that none is left.
func (t *loopTurn) goOn(ctx context.Context) error {
	l := &t.loop
	room := l.Concurrency - (l.Begun - l.Ended)
	if most := max(1, turnNodes/len(t.claim.plan.flows[t.claim.node.Key].roots)); room > most {
		room, t.more = most, true
	}
	if room <= 0 {
		return nil
	}
	if err := t.begin(ctx, room); err != nil {
		return err
	}
	t.more = t.more && len(t.begun) == room
	if len(t.begun) > 0 || l.Ended < l.Begun {
		return nil
	}
	left, err := t.tx.NewSelect().Model((*itemRow)(nil)).Where("tenant_id = ?", l.TenantID).Where("node_id = ?", l.NodeID).Where("attempt = ?", l.Attempt).
		Where("item_run_id IS NULL").Count(ctx)
	l.Begun, l.Ended = l.Items-int(left), l.Items-int(left)
	if t.ended = left == 0; !t.ended { // the runs of items that were taken over are gone
		l.Next, t.more = 0, true
	}
	return err
}

// begin stores the runs of the next items, which take the place of their rows. The
// rows are looked for by a range of their indexes, whatever the planner believes of
// the table.
func (t *loopTurn) begin(ctx context.Context, room int) error {
	l := &t.loop
	var next []itemRow
	err := t.tx.NewRaw(`DELETE FROM ?schema.jet_run_item WHERE tenant_id = ?0 AND node_id = ?1 AND attempt = ?2 AND item_run_id IS NULL AND item_index >= ?3
			AND item_index <= (SELECT max(picked.item_index) FROM (SELECT i.item_index FROM ?schema.jet_run_item AS i WHERE i.tenant_id = ?0 AND i.node_id = ?1 AND i.attempt = ?2 AND i.item_index >= ?3
				AND i.item_run_id IS NULL ORDER BY i.node_id, i.attempt, i.item_index LIMIT ?4) AS picked)
		RETURNING item_index, value`, l.TenantID, l.NodeID, l.Attempt, l.Next, room).Scan(ctx, &next)
	if err != nil || len(next) == 0 {
		return err
	}
	slices.SortFunc(next, func(a, b itemRow) int { return cmp.Compare(a.ItemIndex, b.ItemIndex) })
	now := t.s.cfg.Clock.Now()
	for _, item := range next {
		t.begun = append(t.begun, newItem(t.claim, item, now))
	}
	l.Begun, l.Next = l.Begun+len(next), next[len(next)-1].ItemIndex+1
	return insertRuns(ctx, t.tx, t.begun)
}

// itemsBegun does what follows the commit of runs of items.
func (e *engine) itemsBegun(ctx context.Context, begun []*beginning) {
	for _, b := range begun {
		e.s.events.run(ctx, &b.run, nil)
		e.s.telemetry.started(&b.run)
	}
	if len(begun) > 0 {
		e.dispatch(Hint{begun[0].run.TenantID, len(begun) * len(begun[0].ready)})
	}
}
