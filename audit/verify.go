package audit

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jetadmin/jetadmin/internal/store"
)

// Fault is what is wrong with a chain at its first broken event.
type Fault string

// The faults that [Log.Verify] tells apart.
const (
	Edited    Fault = "edited"    // the event does not have the content that was hashed
	Missing   Fault = "missing"   // the event with this number is not there, later ones are
	Unlinked  Fault = "unlinked"  // the event does not follow the one before it
	Truncated Fault = "truncated" // the head tells of this event, but the record ends before it
	Headless  Fault = "headless"  // the record goes on to this event, but the head does not tell of it
)

// Verification is the result of walking a chain.
type Verification struct {
	Valid   bool    `json:"valid"`
	Events  int64   `json:"events"`           // how many were found good, from the first on
	Dropped int64   `json:"dropped"`          // how many lie before the first: retention dropped them, and says so in the chain
	Head    string  `json:"head,omitempty"`   // hash of the last good event in hex, worth keeping elsewhere; "" for an empty record
	HeadSeq int64   `json:"headSeq"`          // the number of that event, worth keeping with it
	Broken  *Broken `json:"broken,omitempty"` // nil when Valid
}

// Broken is the first event at which a chain is not as it was written.
type Broken struct {
	Seq   int64 `json:"seq"`
	Fault Fault `json:"fault"`
}

// verifyBatch is how many events are held in memory at a time.
const verifyBatch = 1000

// Verify walks the whole record of the caller's tenant, from its first event to
// the head. Changes may go on meanwhile. It takes some 10 µs an event.
//
// Where retention has dropped the beginning, the walk starts at the hash of the
// last event dropped, and an event of [Retained] in the chain must tell of just
// that one: otherwise events are [Missing].
//
// Errors: those of Config.Authorize; RateLimited as of [Log.Export]. A broken chain is not an error but a result.
func (l *Log) Verify(ctx context.Context) (Verification, error) {
	tenantID, err := l.tenant(ctx)
	if err != nil {
		return Verification{}, err
	}
	leave, err := l.enter(ctx, tenantID)
	if err != nil {
		return Verification{}, err
	}
	defer leave()
	w, err := l.walk(ctx, tenantID)
	if err != nil {
		return Verification{}, fmt.Errorf("verify the audit record: %w", err)
	}
	v := Verification{Valid: w.broken == nil, Events: w.seq - w.from, Dropped: w.from, HeadSeq: w.seq, Broken: w.broken}
	if v.Events > 0 {
		v.Head = hex.EncodeToString(w.last)
	}
	return v, nil
}

// walk verifies a chain. What is broken may be what retention has dropped since
// the walk began: then it begins once more.
func (l *Log) walk(ctx context.Context, tenantID string) (*walk, error) {
	for {
		head, err := l.readHead(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		w := newWalk(head)
		w.first = l.first
		if err := w.run(ctx, l); err != nil || w.broken == nil {
			return w, err
		}
		now, err := l.readHead(ctx, tenantID)
		if err != nil || now.DroppedSeq == head.DroppedSeq {
			return w, err
		}
	}
}

// walk is how far a verification came.
type walk struct {
	tenantID string
	from     int64  // number of the event before the first
	seq      int64  // number of the last good event
	last     []byte // its hash
	vouched  anchor // what the last good event of retention tells
	broken   *Broken
	start    anchor
	first    string // action of event 1; "" = any
}

func newWalk(head headRow) *walk {
	w := &walk{tenantID: head.TenantID, last: origin()}
	if head.DroppedSeq > 0 {
		w.from, w.seq, w.last = head.DroppedSeq, head.DroppedSeq, head.DroppedHash
		w.start = anchor{head.DroppedSeq, hex.EncodeToString(head.DroppedHash)}
	}
	return w
}

// run reads events until there are no more, and only then the head: the head is
// never older than the events read before it. When it tells of more events, those
// may have been written in between, so it reads on.
func (w *walk) run(ctx context.Context, l *Log) error {
	var told int64 // the end that the head told of before
	for {
		rows, err := w.next(ctx, l, verifyBatch)
		if err != nil {
			rows, err = w.nextReadable(ctx, l, err)
		}
		if err != nil || w.broken != nil {
			return err
		}
		for i := range rows {
			if w.step(&rows[i]); w.broken != nil {
				return nil
			}
		}
		if len(rows) > 0 {
			continue
		}
		if w.seq < told {
			w.fail(w.seq+1, Truncated)
			return nil
		}
		head, err := l.readHead(ctx, w.tenantID)
		if err != nil {
			return err
		}
		if head.Seq <= w.seq {
			w.compare(head)
			return nil
		}
		told = head.Seq
	}
}

func (w *walk) next(ctx context.Context, l *Log, most int) ([]eventRow, error) {
	var rows []eventRow
	err := l.db.NewSelect().Model(&rows).Where("a.tenant_id = ?", w.tenantID).Where("a.seq > ?", w.seq).
		OrderExpr("a.seq").Limit(int64(most)).Scan(ctx)
	return rows, err
}

// nextReadable reads one event where many cannot be read. One that is there and cannot
// be read is not as it was written: SQLite, alone, holds a text in the place of a time.
func (w *walk) nextReadable(ctx context.Context, l *Log, failure error) ([]eventRow, error) {
	rows, err := w.next(ctx, l, 1)
	if err == nil || l.db.Dialect != store.SQLite {
		return rows, err
	}
	var there int
	err = l.db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ? AND seq > ?", w.tenantID, w.seq).Scan(ctx, &there)
	if err != nil || there == 0 {
		return nil, failure
	}
	w.fail(w.seq+1, Edited)
	return nil, nil
}

// readHead reads the ends of a chain; one that was never begun is empty.
func (l *Log) readHead(ctx context.Context, tenantID string) (headRow, error) {
	head := headRow{TenantID: tenantID, Hash: origin()}
	err := l.db.NewSelect().Model(&head).Where("h.tenant_id = ?", tenantID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return headRow{TenantID: tenantID, Hash: origin()}, nil
	}
	return head, err
}

func (w *walk) step(e *eventRow) {
	switch {
	case e.Seq != w.seq+1, w.seq == 0 && w.first != "" && e.Action != w.first:
		w.fail(w.seq+1, Missing)
	case !bytes.Equal(e.Hash, e.digest()):
		w.fail(e.Seq, Edited)
	case !bytes.Equal(e.Previous, w.last):
		w.fail(e.Seq, Unlinked)
	default:
		w.seq, w.last = e.Seq, e.Hash
		if e.Action == Retained {
			w.vouched = e.retained()
		}
	}
}

// compare holds the head against the last event, when it tells of no more.
func (w *walk) compare(head headRow) {
	switch {
	case head.Seq < w.seq:
		w.fail(head.Seq+1, Headless)
	case !bytes.Equal(head.Hash, w.last):
		w.fail(w.seq, Unlinked)
	case w.vouched != w.start:
		w.fail(w.vouched.Seq+1, Missing)
	case w.seq == 0 && w.first != "":
		w.fail(1, Truncated)
	}
}

func (w *walk) fail(seq int64, fault Fault) { w.broken = &Broken{Seq: seq, Fault: fault} }
