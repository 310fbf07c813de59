package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/tenantid"
)

// Denied is the action of events that tell of attempts that were refused.
const Denied = "access.denied"

// Denial is an attempt that was refused.
type Denial struct {
	TenantID   string // "" = not of a tenant, or of one that the caller does not belong to
	Action     string // what was tried, e.g. "query.update"
	ObjectType string // e.g. "query"
	ObjectID   string // "" = the kind as a whole, or not known
	Code       string // why it was refused, e.g. "permission_required"
}

// The bounds that keep a flood of attempts from filling the record.
const (
	denialWindow    = time.Minute
	denialsOfTenant = 20   // events of a tenant in a window; what goes beyond shares one more
	denialsWaiting  = 1000 // of all tenants, in memory; what goes beyond shares one event of no tenant
	denialPause     = 5 * time.Second
	maxDenied       = 200 // bytes of a text
)

// denialKey is what attempts have in common that are told in one event.
type denialKey struct {
	tenantID, actor, onBehalfOf, viewing, address, action, objectType, code string
}

// tally is the first of like attempts, and their number.
type tally struct {
	denialKey
	objectID, requestID string
	first, last         time.Time
	attempts            int64
}

// denials are the attempts of this process that wait for the database. Like
// attempts become one event a window: the first of them is told within seconds,
// the others as a number.
type denials struct {
	mu      sync.Mutex
	waiting map[denialKey]*tally
	of      map[string]int // by tenant: how many of waiting
	window  time.Time      // when the window began
	told    map[denialKey]bool
	spent   map[string]int // by tenant: events of the window
}

// Deny takes down an attempt that was refused. It takes no time: the event is
// written in the background, and soon. Attempts of the same caller at the same
// thing are told once a minute with their number, and at most 21 events of a tenant
// a minute are written by a process. The caller, the address and the request are
// those of ctx.
func (l *Log) Deny(ctx context.Context, d Denial) {
	actor, now := l.actor(ctx), l.clock.Now()
	t := &tally{
		denialKey: denialKey{
			d.TenantID, brief(actor.Name), brief(actor.OnBehalfOf), brief(actor.Viewing), brief(l.address(ctx)), brief(d.Action), brief(d.ObjectType), brief(d.Code),
		},
		objectID: brief(d.ObjectID), requestID: brief(l.requestID(ctx)), first: now, last: now, attempts: 1,
	}
	l.denials.mu.Lock()
	defer l.denials.mu.Unlock()
	l.denials.add(t)
}

func brief(s string) string { return cut(s, maxDenied) }

func (d *denials) add(t *tally) {
	if d.waiting == nil {
		d.waiting, d.of = map[denialKey]*tally{}, map[string]int{}
	}
	if d.waiting[t.denialKey] == nil && d.of[t.tenantID] >= denialsOfTenant {
		t.denialKey, t.objectID, t.requestID = denialKey{tenantID: t.tenantID, actor: severalActors}, "", ""
	}
	if d.waiting[t.denialKey] == nil && len(d.waiting) >= denialsWaiting {
		t.denialKey, t.objectID, t.requestID = denialKey{actor: severalActors}, "", ""
	}
	if seen := d.waiting[t.denialKey]; seen != nil {
		seen.attempts += t.attempts
		seen.first, seen.last = earlier(seen.first, t.first), later(seen.last, t.last)
		return
	}
	d.waiting[t.denialKey] = t
	d.of[t.tenantID]++
}

// severalActors stands for the callers of an event that is of more than one.
const severalActors = "several"

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// take returns what may be told now, by tenant: all of it at the end. of says of
// which tenants.
func (d *denials) take(now time.Time, all bool, of func(tenantID string) bool) map[string][]*tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.window) >= denialWindow || now.Before(d.window) {
		d.window, d.told, d.spent = now, map[denialKey]bool{}, map[string]int{}
	}
	due := map[string][]*tally{}
	for _, t := range slices.SortedFunc(maps.Values(d.waiting), func(a, b *tally) int {
		return cmp.Or(a.first.Compare(b.first), strings.Compare(a.action, b.action))
	}) {
		room := denialsOfTenant
		if t.actor == severalActors {
			room++
		}
		if !of(t.tenantID) || !all && (d.told[t.denialKey] || d.spent[t.tenantID] >= room) {
			continue
		}
		delete(d.waiting, t.denialKey)
		d.of[t.tenantID]--
		if d.of[t.tenantID] == 0 {
			delete(d.of, t.tenantID)
		}
		d.told[t.denialKey] = true
		d.spent[t.tenantID]++
		due[t.tenantID] = append(due[t.tenantID], t)
	}
	return due
}

// flush writes what may be told of denied attempts. What the database does not
// take waits for the next time.
func (l *Log) flush(ctx context.Context, all bool) error {
	return l.write(ctx, l.denials.take(l.clock.Now(), all, func(string) bool { return true }))
}

// flushOf is flush for a tenant whose record is read: the reader does not wait for
// what others were denied.
func (l *Log) flushOf(ctx context.Context, tenantID string) error {
	return l.write(ctx, l.denials.take(l.clock.Now(), false, func(of string) bool { return of == tenantID }))
}

func (l *Log) write(ctx context.Context, due map[string][]*tally) error {
	var failed error
	for _, tenantID := range slices.Sorted(maps.Keys(due)) {
		tallies := due[tenantID]
		if l.gone(tenantID) {
			continue // nobody will ever read it
		}
		err := l.db.InTx(tenantid.NewContext(ctx, tenantID), func(ctx context.Context, tx bun.IDB) error {
			for _, t := range tallies {
				if err := l.tell(ctx, tx, t); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			failed = err
			l.denials.giveBack(tallies)
		}
	}
	return failed
}

func (d *denials) giveBack(tallies []*tally) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range tallies {
		delete(d.told, t.denialKey)
		d.spent[t.tenantID]--
		d.add(t)
	}
}

func (l *Log) tell(ctx context.Context, tx bun.IDB, t *tally) error {
	detail := map[string]any{"attempted": t.action, "code": t.code, "attempts": t.attempts, "first": t.first, "last": t.last}
	if t.address != "" {
		detail["address"] = t.address
	}
	if t.viewing != "" {
		detail["viewing"] = t.viewing
	}
	row, err := l.row(ctx, Entry{TenantID: t.tenantID, Action: Denied, ObjectType: t.objectType, ObjectID: t.objectID, Detail: detail})
	if err != nil {
		return err
	}
	row.Actor, row.OnBehalfOf, row.RequestID = storable(t.actor), storable(t.onBehalfOf), storable(t.requestID)
	return l.append(ctx, tx, row)
}
