package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/page"
)

// Filter picks events. An empty field picks all; a set one must be equal.
type Filter struct {
	Action     string // e.g. "query.update"
	Actor      string // e.g. "user:<id>"
	ObjectID   string
	ObjectType string // e.g. "query"
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
	Detail     json.RawMessage `json:"detail"` // an object
}

// List returns the events of the caller's tenant, newest first.
//
// Errors: those of Config.Authorize; Invalid for a bad page request.
func (l *Log) List(ctx context.Context, f Filter, r page.Request) (page.Page[Event], error) {
	tenantID, err := l.tenant(ctx)
	if err != nil {
		return page.Page[Event]{}, err
	}
	window, err := l.pages.Open(r, f.scope(tenantID))
	if err != nil {
		return page.Page[Event]{}, err
	}
	rows, err := selectEvents(ctx, l.db.DB, tenantID, f, window)
	if err != nil {
		return page.Page[Event]{}, fmt.Errorf("read the audit record: %w", err)
	}
	events := make([]Event, len(rows))
	for i := range rows {
		events[i] = rows[i].event()
	}
	return page.Cut(window, events, func(e Event) []string { return []string{strconv.FormatInt(e.Seq, 10)} }), nil
}

// scope quotes what a caller chose, so that one filter cannot pose as another.
func (f Filter) scope(tenantID string) string {
	return fmt.Sprintf("audit|%s|%q|%q|%q|%q", tenantID, f.Action, f.Actor, f.ObjectID, f.ObjectType)
}

func selectEvents(ctx context.Context, db bun.IDB, tenantID string, f Filter, window page.Window) ([]eventRow, error) {
	var rows []eventRow
	q := db.NewSelect().Model(&rows).Where("a.tenant_id = ?", tenantID).OrderExpr("a.seq DESC").Limit(int64(window.Limit) + 1)
	for _, c := range []struct{ column, value string }{
		{"action", f.Action}, {"actor", f.Actor}, {"object_id", f.ObjectID}, {"object_type", f.ObjectType},
	} {
		if c.value != "" {
			q = q.Where("a.? = ?", bun.Ident(c.column), storable(c.value))
		}
	}
	if window.After != nil {
		seq, err := strconv.ParseInt(window.After[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the cursor: %w", err)
		}
		q = q.Where("a.seq < ?", seq)
	}
	return rows, q.Scan(ctx)
}

func (e *eventRow) event() Event {
	return Event{
		Seq:        e.Seq,
		Time:       e.Time.UTC(),
		Actor:      e.Actor,
		OnBehalfOf: e.OnBehalfOf,
		Action:     e.Action,
		ObjectType: e.ObjectType,
		ObjectID:   e.ObjectID,
		RequestID:  e.RequestID,
		Detail:     json.RawMessage(e.Detail),
	}
}
