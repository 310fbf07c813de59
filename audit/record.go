package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Record is a [Record]: it appends an event to the chain of the entry's tenant.
// The head of the chain stays locked until the end of the transaction, so the
// changes of one tenant are put in order by their audit records; make it the
// last statement of the change.
func (l *Log) Record(ctx context.Context, db bun.IDB, e Entry) error {
	row, err := l.row(ctx, e)
	if err != nil {
		return err
	}
	return l.append(ctx, db, row)
}

// append gives an event its place at the end of the chain.
func (l *Log) append(ctx context.Context, db bun.IDB, row *eventRow) error {
	if l.gone(row.TenantID) {
		return problem.Missing("tenant")
	}
	head, err := l.lockHead(ctx, db, row.TenantID)
	if err != nil {
		return fmt.Errorf("lock the head of the audit record: %w", err)
	}
	row.Seq, row.Previous = head.Seq+1, head.Hash
	row.Hash = row.digest()
	if _, err := db.NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("write the audit record: %w", err)
	}
	_, err = db.NewUpdate().Model((*headRow)(nil)).
		Set("seq = ?", row.Seq).Set("hash = ?", row.Hash).
		Where("tenant_id = ?", row.TenantID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("move the head of the audit record: %w", err)
	}
	if len(l.outlets) > 0 {
		told := told{row.TenantID, row.event()}
		store.AfterCommit(ctx, func() {
			for _, o := range l.outlets {
				o.offer(told)
			}
		})
	}
	return nil
}

func (l *Log) row(ctx context.Context, e Entry) (*eventRow, error) {
	actor := l.actor(ctx)
	if actor.Viewing != "" {
		e.Detail = maps.Clone(e.Detail)
		if e.Detail == nil {
			e.Detail = map[string]any{}
		}
		e.Detail["viewing"] = actor.Viewing
	}
	detail, err := e.detail()
	if err != nil {
		return nil, fmt.Errorf("write the detail of %s: %w", e.Action, err)
	}
	return &eventRow{
		TenantID:   e.TenantID,
		Time:       l.clock.Now(),
		Actor:      storable(actor.Name),
		OnBehalfOf: storable(actor.OnBehalfOf),
		Action:     storable(e.Action),
		ObjectType: storable(e.ObjectType),
		ObjectID:   storable(e.ObjectID),
		RequestID:  storable(l.requestID(ctx)),
		Detail:     storable(detail),
	}, nil
}

// lockHead returns the head of a chain, begun when there is none, locked for the
// transaction. Two changes that begin a chain at once both try to insert the
// head; the second waits for the first and then reads its row.
func (l *Log) lockHead(ctx context.Context, db bun.IDB, tenantID string) (headRow, error) {
	head, err := l.selectHead(ctx, db, tenantID)
	if !errors.Is(err, sql.ErrNoRows) {
		return head, err
	}
	first := &headRow{TenantID: tenantID, Hash: origin()}
	if _, err := db.NewInsert().Model(first).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return headRow{}, err
	}
	return l.selectHead(ctx, db, tenantID)
}

func (l *Log) selectHead(ctx context.Context, db bun.IDB, tenantID string) (headRow, error) {
	var head headRow
	err := db.NewRaw("SELECT tenant_id, seq, hash, dropped_seq, dropped_hash FROM ?schema.jet_audit_head WHERE tenant_id = ? "+l.db.Dialect.ForUpdate(),
		tenantID).Scan(ctx, &head)
	return head, err
}
