package api

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

type idempotencyRow struct {
	bun.BaseModel `bun:"table:?schema.jet_idempotency"`

	Actor     string `bun:",pk"`
	TenantID  string `bun:",pk"`
	Key       string `bun:",pk"`
	Request   []byte // sealed
	Reply     *string
	CreatedAt time.Time
}

// take writes the key down as in use by this call and returns nil, or returns
// the row of the call that has it.
func (i *idempotency) take(ctx context.Context, c call) (*idempotencyRow, error) {
	var taken *idempotencyRow
	err := i.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		taken = nil
		now := i.clock.Now()
		if err := deleteKeyBefore(ctx, tx, c, now.Add(-keyLifetime)); err != nil {
			return err
		}
		mine := idempotencyRow{Actor: c.actor, TenantID: c.tenantID, Key: c.key, Request: []byte(i.ring.Seal(c.request, c.place("request"))), CreatedAt: now}
		n, err := store.Changed(tx.NewInsert().Model(&mine).On("CONFLICT DO NOTHING").Exec(ctx))
		if err != nil || n == 1 {
			return err
		}
		taken = &idempotencyRow{}
		return tx.NewSelect().Model(taken).
			Where("tenant_id = ? AND actor = ? AND key = ?", c.tenantID, c.actor, c.key).
			Scan(ctx)
	})
	return taken, err
}

func deleteKeyBefore(ctx context.Context, db bun.IDB, c call, before time.Time) error {
	_, err := db.NewDelete().Model((*idempotencyRow)(nil)).
		Where("tenant_id = ? AND actor = ? AND key = ? AND created_at < ?", c.tenantID, c.actor, c.key, before).
		Exec(ctx)
	return err
}

// finish keeps the sealed reply of a call.
func (i *idempotency) finish(ctx context.Context, c call, reply string) error {
	return i.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewUpdate().Model((*idempotencyRow)(nil)).Set("reply = ?", reply).
			Where("tenant_id = ? AND actor = ? AND key = ?", c.tenantID, c.actor, c.key).
			Exec(ctx)
		return err
	})
}

// release gives back the key of a call that changed nothing.
func (i *idempotency) release(ctx context.Context, c call) error {
	return i.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewDelete().Model((*idempotencyRow)(nil)).
			Where("tenant_id = ? AND actor = ? AND key = ? AND reply IS NULL", c.tenantID, c.actor, c.key).
			Exec(ctx)
		return err
	})
}

func (i *idempotency) deleteExpired(ctx context.Context, before time.Time, batch int) (n int64, err error) {
	err = i.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		n, err = store.Changed(tx.NewRaw(`/* across tenants: a key expires whoever made it */
			DELETE FROM ?schema.jet_idempotency WHERE (actor, tenant_id, key) IN (
				SELECT actor, tenant_id, key FROM ?schema.jet_idempotency WHERE created_at < ? ORDER BY created_at LIMIT ?)`,
			before, batch).Exec(ctx))
		return err
	})
	return n, err
}
