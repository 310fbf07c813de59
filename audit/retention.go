package audit

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

// Retained is the action of events that tell up to where the record was cut at
// its beginning because it was too old. A cut that no event tells of is tampering.
const Retained = "audit.retain"

const (
	// retainEvery is how often old events are looked for, by one process of all.
	// Each time leaves an event in the records that were cut.
	retainEvery = 24 * time.Hour

	// retainBatch is how many events one transaction deletes; between two of them
	// others get their turn.
	retainBatch = 1000
	retainPause = 20 * time.Millisecond
)

// anchor is the last event that is not there any more: its number and hash.
type anchor struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

var errBroken = errors.New("the record is broken, so nothing of it is dropped: verify it")

// forget drops what is older than the retention from every record.
func (l *Log) forget(ctx context.Context) error {
	before := l.clock.Now().Add(-l.retention)
	var tenants []string
	if err := l.db.NewRaw("SELECT tenant_id FROM ?schema.jet_audit_head /* across tenants: all have one retention */ ORDER BY tenant_id").Scan(ctx, &tenants); err != nil {
		return err
	}
	var failed []error
	for _, tenantID := range tenants {
		if l.gone(tenantID) {
			continue
		}
		if err := l.forgetOf(ctx, tenantID, before); err != nil {
			failed = append(failed, fmt.Errorf("tenant %q: %w", tenantID, err))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed...)
}

// forgetOf first moves the beginning of a record, which says so in its chain, and
// then deletes what lies before. A process that dies in between leaves events that
// are not part of the record any more; the next time takes them.
//
// A record that is broken is evidence, of which nothing is dropped.
func (l *Log) forgetOf(ctx context.Context, tenantID string, before time.Time) error {
	head, err := l.readHead(ctx, tenantID)
	if err != nil {
		return err
	}
	last, err := l.lastOld(ctx, l.db.DB, head, before)
	if err != nil {
		return err
	}
	if last != nil {
		if w, err := l.walk(ctx, tenantID); err != nil || w.broken != nil {
			return cmp.Or(err, errBroken)
		}
	}
	var through int64
	err = l.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		through, err = l.cutOff(ctx, tx, tenantID, before)
		return err
	})
	if err != nil {
		return err
	}
	for {
		n, err := store.Changed(l.db.NewRaw(`DELETE FROM ?schema.jet_audit WHERE tenant_id = ? AND seq IN (
			SELECT seq FROM ?schema.jet_audit WHERE tenant_id = ? AND seq <= ? ORDER BY seq LIMIT ?)`, tenantID, tenantID, through, retainBatch).Exec(ctx))
		if err != nil || n < retainBatch {
			return err
		}
		select {
		case <-time.After(retainPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cutOff moves the beginning of a record behind its old events, and returns the
// number of the last event that is not part of it.
func (l *Log) cutOff(ctx context.Context, tx bun.IDB, tenantID string, before time.Time) (int64, error) {
	head, err := l.lockHead(ctx, tx, tenantID)
	if err != nil {
		return 0, err
	}
	last, err := l.lastOld(ctx, tx, head, before)
	if err != nil || last == nil {
		return head.DroppedSeq, err
	}
	_, err = tx.NewUpdate().Model((*headRow)(nil)).Set("dropped_seq = ?", last.Seq).Set("dropped_hash = ?", last.Hash).
		Where("tenant_id = ?", tenantID).Exec(ctx)
	if err != nil {
		return 0, err
	}
	row, err := l.row(ctx, Entry{
		TenantID: tenantID, Action: Retained, ObjectType: "audit",
		Detail: map[string]any{"through": anchor{last.Seq, hex.EncodeToString(last.Hash)}, "before": before},
	})
	if err != nil {
		return 0, err
	}
	row.Actor, row.OnBehalfOf = "service:retention", ""
	return last.Seq, l.append(ctx, tx, row)
}

// lastOld is the last event before the first one that is not old; nil = there is
// none to drop. It reads the old ones alone.
func (l *Log) lastOld(ctx context.Context, tx bun.IDB, head headRow, before time.Time) (*eventRow, error) {
	through := head.Seq
	var young []int64
	err := tx.NewRaw("SELECT seq FROM ?schema.jet_audit WHERE tenant_id = ? AND seq > ? AND time >= ? ORDER BY seq LIMIT 1",
		head.TenantID, head.DroppedSeq, before).Scan(ctx, &young)
	if err != nil && !store.IsMissing(err) {
		return nil, err
	}
	if len(young) > 0 {
		through = young[0] - 1
	}
	if through <= head.DroppedSeq {
		return nil, nil
	}
	row := new(eventRow)
	err = tx.NewSelect().Model(row).Where("a.tenant_id = ?", head.TenantID).Where("a.seq = ?", through).Scan(ctx)
	if store.IsMissing(err) {
		return nil, errBroken
	}
	return row, err
}

// retained reads what an event of [Retained] tells.
func (e *eventRow) retained() anchor {
	var detail struct {
		Through anchor `json:"through"`
	}
	if json.Unmarshal([]byte(e.Detail), &detail) != nil {
		return anchor{}
	}
	return detail.Through
}
