package audit

import (
	"context"
	"encoding/json"
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
	return page.List[eventRow, Event]{
		By:    "seq",
		Key:   func(e Event) string { return strconv.FormatInt(e.Seq, 10) },
		Query: l.db.NewSelect().Where("tenant_id = ?", tenantID).Apply(f.narrow),
		Scope: []string{"audit", tenantID, f.Action, f.Actor, f.ObjectID, f.ObjectType},
		View:  page.Plain((*eventRow).event),
	}.Read(ctx, l.pages, r)
}

func (f Filter) narrow(q *bun.SelectQuery) *bun.SelectQuery {
	for _, c := range []struct{ column, value string }{
		{"action", f.Action}, {"actor", f.Actor}, {"object_id", f.ObjectID}, {"object_type", f.ObjectType},
	} {
		if c.value != "" {
			q = q.Where("? = ?", bun.Ident(c.column), storable(c.value))
		}
	}
	return q
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
