package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Event is something that happened outside of a run and that a run may wait for.
// It is also the output of a waitEvent node.
type Event struct {
	ID         string      `json:"id" doc:"as the sender gave it, or made here"`
	Name       string      `json:"name"`
	Key        string      `json:"key"`
	Data       any         `json:"data"`
	SentBy     string      `json:"sentBy"`
	ReceivedAt time.Time   `json:"receivedAt"`
	ExpiresAt  time.Time   `json:"expiresAt"`
	Status     EventStatus `json:"status" enum:"kept,delivered"`
}

// EventStatus is what became of an event so far.
type EventStatus string

// The statuses of an event.
const (
	EventKept      EventStatus = "kept"      // nothing waits for it yet
	EventDelivered EventStatus = "delivered" // it has ended at least one wait
)

// NewEvent is what [Service.SendEvent] takes.
type NewEvent struct {
	Name string `json:"name" minLength:"1" maxLength:"200"`
	Key  string `json:"key,omitempty" maxLength:"200" doc:"which of the waits for this event is meant, e.g. the number of an order"`
	Data any    `json:"data,omitempty" doc:"any JSON; at most 64 KB"`

	// ID makes a second event of the same id be the first: it is not sent twice.
	ID string `json:"id,omitempty" maxLength:"200" doc:"an event of an id that is known already is the first one again"`

	// TTL is how long an event that nothing waits for yet is kept.
	TTL Duration `json:"ttl,omitempty" doc:"how long it is kept when nothing waits for it yet; default 24h, at most 30d"`
}

const (
	defaultEventTTL = 24 * time.Hour
	maxEventTTL     = 30 * 24 * time.Hour
	maxEventData    = 64 << 10

	// maxKeptEvents is how many events that nothing waits for a tenant may have.
	maxKeptEvents = 10_000
	fullPause     = time.Minute
)

// eventState is where an event stands in the database.
type eventState string

const (
	eventNew  eventState = "new"  // whether something waits for it was not looked at yet
	eventKept eventState = "kept" // for whatever waits for it next
	eventUsed eventState = "used" // by one wait or more
)

type eventRow struct {
	bun.BaseModel `bun:"table:?schema.jet_event,alias:e"`

	ID         string `bun:",pk"`
	TenantID   string
	EventID    string // the sender's
	Name       string
	Key        string
	Data       string
	SentBy     string
	State      eventState
	ReceivedAt time.Time
	ExpiresAt  time.Time
}

// SendEvent ends every open wait for an event of this name and key. When there
// is none, the event is kept for its TTL and ends the next one; it is then used
// up. It is stored when SendEvent returns.
//
// Errors: Forbidden without run.signal, Invalid, RateLimited when the tenant has
// too many events that nothing waits for.
func (s *Service) SendEvent(ctx context.Context, in NewEvent) (Event, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunSignal, "")
	if err != nil {
		return Event{}, err
	}
	row, err := newEvent(in, who, s.cfg.Clock.Now())
	if err != nil {
		return Event{}, err
	}
	known := false
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		known, err = insertEvent(ctx, tx, row)
		return err
	})
	if err != nil {
		return Event{}, err
	}
	if !known {
		s.engine.spread(ctx, row)
	}
	return row.event()
}

func newEvent(in NewEvent, who *auth.Principal, now time.Time) (*eventRow, error) {
	ttl := time.Duration(in.TTL)
	if ttl == 0 {
		ttl = defaultEventTTL
	}
	data, err := json.Marshal(in.Data)
	var f problem.Faults
	f.Check(in.Name != "" && len(in.Name) <= maxEventName, "name", fmt.Sprintf("must have 1 to %d characters", maxEventName))
	f.Check(len(in.Key) <= maxEventName, "key", fmt.Sprintf("must have at most %d characters", maxEventName))
	f.Check(len(in.ID) <= maxEventName, "id", fmt.Sprintf("must have at most %d characters", maxEventName))
	f.Check(err == nil && len(data) <= maxEventData, "data", fmt.Sprintf("must not be larger than %d bytes as JSON", maxEventData))
	f.Check(ttl >= time.Second && ttl <= maxEventTTL, "ttl", "must be between 1s and 30d")
	if err := f.Err("event_invalid", "the event is not valid"); err != nil {
		return nil, err
	}
	row := &eventRow{
		ID: id.New(), TenantID: who.TenantID, EventID: in.ID, Name: in.Name, Key: in.Key, Data: string(data),
		SentBy: who.Actor(), State: eventNew, ReceivedAt: now, ExpiresAt: now.Add(ttl),
	}
	if row.EventID == "" {
		row.EventID = row.ID
	}
	return row, nil
}

// insertEvent stores an event, or finds the one of the same id.
func insertEvent(ctx context.Context, tx bun.IDB, row *eventRow) (known bool, err error) {
	fresh := *row
	res, err := tx.NewInsert().Model(&fresh).On("CONFLICT DO NOTHING").Exec(ctx)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		return true, tx.NewSelect().Model(row).Where("tenant_id = ?", fresh.TenantID).Where("event_id = ?", fresh.EventID).Scan(ctx)
	}
	full, err := isFull(ctx, tx, row)
	if err == nil && full {
		err = &problem.Error{
			Kind: problem.RateLimited, Code: "events_full", RetryAfter: fullPause,
			Message: fmt.Sprintf("there are %d events already that nothing waits for", maxKeptEvents),
		}
	}
	return false, err
}

// isFull reports whether an event, just stored, is one too many. One that
// something waits for is not kept, so it never is.
func isFull(ctx context.Context, tx bun.IDB, row *eventRow) (bool, error) {
	var kept int
	err := tx.NewRaw(`SELECT count(*) FROM (SELECT 1 FROM ?schema.jet_event
			WHERE tenant_id = ? AND state <> 'used' AND expires_at > ? LIMIT ?) AS kept`,
		row.TenantID, row.ReceivedAt, maxKeptEvents+1).Scan(ctx, &kept)
	if err != nil || kept <= maxKeptEvents {
		return false, err
	}
	wanted, err := tx.NewSelect().Model((*waitRow)(nil)).Where("tenant_id = ?", row.TenantID).Where("event_name = ?", row.Name).
		Where("event_key = ?", row.Key).Where("state <> ?", waitMet).Where("event_name <> ''").Where("closed_at IS NULL").Exists(ctx)
	return !wanted, err
}

func (r *eventRow) event() (Event, error) {
	e := Event{
		ID: r.EventID, Name: r.Name, Key: r.Key, SentBy: r.SentBy, ReceivedAt: r.ReceivedAt, ExpiresAt: r.ExpiresAt, Status: EventKept,
	}
	if r.State == eventUsed {
		e.Status = EventDelivered
	}
	return e, decode(r.Data, &e.Data)
}
