package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Exported is the action of events that tell that somebody took the record along.
const Exported = "audit.export"

// recheckEvery is how long an export goes on before its caller's right is asked for
// again.
const recheckEvery = time.Second

// exportBatch is how many events of an export are held in memory.
const exportBatch = 500

// Export hands every event of the caller's tenant that a filter picks to a
// function, the oldest first, up to the last one there is at the beginning, without
// those about things that are denied to the caller meanwhile. It
// needs as much memory for all of them as for a few, and holds no transaction
// meanwhile. That there was an export is an event itself, which is not in it. An
// error of the function ends the export and is returned.
//
// Errors: those of Config.Authorize; those of Config.Recheck, within a second of the
// end of the right; Invalid for a filter that makes no sense; RateLimited while the
// caller goes through the record twice already, and when exports and checks of the tenant
// are more than 20 at once and then one in six seconds.
func (l *Log) Export(ctx context.Context, f Filter, each func(Event) error) error {
	tenantID, err := l.ready(ctx, f)
	if err != nil {
		return err
	}
	leave, err := l.enter(ctx, tenantID)
	if err != nil {
		return err
	}
	defer leave()
	head, err := l.readHead(ctx, tenantID)
	if err != nil {
		return fmt.Errorf("export the audit record: %w", err)
	}
	err = l.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		return l.Record(ctx, tx, Entry{TenantID: tenantID, Action: Exported, ObjectType: "audit", Detail: f.detail()})
	})
	if err != nil {
		return err
	}
	asked := l.clock.Now()
	for after := head.DroppedSeq; ; {
		visible, err := l.undenied(ctx, "a.object_type", "a.object_id")
		if err != nil {
			return err
		}
		var rows []eventRow
		err = l.db.NewSelect().Model(&rows).Where("a.tenant_id = ?", tenantID).Where("a.seq > ?", after).Where("a.seq <= ?", head.Seq).
			Apply(f.narrow, visible).OrderExpr("a.seq").Limit(exportBatch).Scan(ctx)
		if err != nil {
			return fmt.Errorf("export the audit record: %w", err)
		}
		for i := range rows {
			if now := l.clock.Now(); now.Sub(asked) >= recheckEvery {
				if err := l.mayStill(ctx); err != nil {
					return err
				}
				asked = now
			}
			if err := each(rows[i].event()); err != nil {
				return err
			}
		}
		if len(rows) < exportBatch {
			return nil
		}
		after = rows[len(rows)-1].Seq
	}
}

func (l *Log) mayStill(ctx context.Context) error {
	if l.recheck == nil || l.platform {
		return nil
	}
	return l.recheck(ctx)
}
