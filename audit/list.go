package audit

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// Filter picks events. An empty field picks all; a set one must be equal.
type Filter struct {
	Action     string // e.g. "query.update"
	Actor      string // e.g. "user:<id>"
	ObjectID   string
	ObjectType string // e.g. "query"
	Seq        int64  // the number of one event

	From, Until time.Time // the first moment, and the first one that is too late
}

// Event is one record.
type Event struct {
	Seq        int64           `json:"seq"` // 1, 2, 3, … in the tenant, without gaps
	Time       time.Time       `json:"time"`
	Actor      string          `json:"actor"`                // see [Actor]
	OnBehalfOf string          `json:"onBehalfOf,omitempty"` // the user behind a key or service
	Action     string          `json:"action"`
	ObjectType string          `json:"objectType"`
	ObjectID   string          `json:"objectId,omitempty"`
	RequestID  string          `json:"requestId,omitempty"`
	Detail     json.RawMessage `json:"detail"` // an object; of a change with "before" and "after", secrets masked
	Hash       string          `json:"hash"`   // in the chain, in hex
}

// List returns the events of the caller's tenant, newest first, without those about
// things that are denied to him.
//
// Errors: those of Config.Authorize; Invalid for a bad page request, and for a
// filter that makes no sense.
func (l *Log) List(ctx context.Context, f Filter, r page.Request) (page.Page[Event], error) {
	tenantID, err := l.ready(ctx, f)
	if err != nil {
		return page.Page[Event]{}, err
	}
	visible, err := l.undenied(ctx, "object_type", "object_id")
	if err != nil {
		return page.Page[Event]{}, err
	}
	return page.List[eventRow, Event]{
		By:    "seq",
		Key:   func(e Event) string { return strconv.FormatInt(e.Seq, 10) },
		Query: l.db.NewSelect().Where("tenant_id = ?", tenantID).Apply(l.kept(tenantID), f.narrow, visible),
		Scope: []string{"audit", tenantID, f.Action, f.Actor, f.ObjectID, f.ObjectType, number(f.Seq), stamp(f.From), stamp(f.Until)},
		View:  page.Plain((*eventRow).event),
	}.Read(ctx, l.pages, r)
}

// ready admits the caller, and makes sure that what was denied just now is in the
// record.
func (l *Log) ready(ctx context.Context, f Filter) (tenantID string, err error) {
	if tenantID, err = l.tenant(ctx); err != nil {
		return "", err
	}
	var faults problem.Faults
	faults.Check(f.From.IsZero() || f.Until.IsZero() || f.From.Before(f.Until), "until", "must be after from")
	if err := faults.Err("audit_filter_invalid", "the filter is not valid"); err != nil {
		return "", err
	}
	if err := l.flushOf(ctx, tenantID); err != nil && ctx.Err() == nil {
		l.logger.WarnContext(ctx, "audit: denied attempts wait for the database", "error", err)
	}
	return tenantID, nil
}

// detail tells of a filter in the record.
func (f Filter) detail() map[string]any {
	detail := map[string]any{}
	for name, value := range map[string]string{
		"action": f.Action, "actor": f.Actor, "objectId": f.ObjectID, "objectType": f.ObjectType, "seq": number(f.Seq), "from": stamp(f.From), "until": stamp(f.Until),
	} {
		if value != "" {
			detail[name] = value
		}
	}
	return detail
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// kept leaves out what retention has cut off already and not deleted yet.
func (l *Log) kept(tenantID string) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("seq > COALESCE((SELECT h.dropped_seq FROM ?schema.jet_audit_head AS h WHERE h.tenant_id = ?), 0)", tenantID)
	}
}

func (f Filter) narrow(q *bun.SelectQuery) *bun.SelectQuery {
	for _, c := range []struct{ column, value string }{
		{"action", f.Action}, {"actor", f.Actor}, {"object_id", f.ObjectID}, {"object_type", f.ObjectType},
	} {
		if c.value != "" {
			q = q.Where("? = ?", bun.Ident(c.column), storable(c.value))
		}
	}
	if f.Seq != 0 {
		q = q.Where("seq = ?", f.Seq)
	}
	if !f.From.IsZero() {
		q = q.Where("time >= ?", f.From.UTC())
	}
	if !f.Until.IsZero() {
		q = q.Where("time < ?", f.Until.UTC())
	}
	return q
}

// unreadable is shown for a detail that somebody has made to be no JSON.
const unreadable = `{"unreadable":true}`

func (e *eventRow) event() Event {
	detail := json.RawMessage(e.Detail)
	if !json.Valid(detail) {
		detail = json.RawMessage(unreadable)
	}
	return Event{
		Seq:        e.Seq,
		Time:       e.Time.UTC(),
		Actor:      e.Actor,
		OnBehalfOf: e.OnBehalfOf,
		Action:     e.Action,
		ObjectType: e.ObjectType,
		ObjectID:   e.ObjectID,
		RequestID:  e.RequestID,
		Detail:     detail,
		Hash:       hex.EncodeToString(e.Hash),
	}
}
