package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func (b bundle) denials(t *testing.T) (events []audit.Event, attempts int64) {
	t.Helper()
	events = b.events(t, audit.Filter{Action: audit.Denied})
	for _, e := range events {
		var detail struct{ Attempts int64 }
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			t.Fatal(err)
		}
		attempts += detail.Attempts
	}
	return events, attempts
}

func (b bundle) deny(t *testing.T, actor, action string) {
	t.Helper()
	b.Deny(as(t.Context(), actor), audit.Denial{TenantID: b.tenant, Action: action, ObjectType: "query", ObjectID: "7", Code: "permission_required"})
}

func TestDeniedAttemptsAreRecorded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.deny(t, "user:9", "query.delete")
		events, attempts := b.denials(t)
		if len(events) != 1 || attempts != 1 {
			t.Fatalf("%d events of %d attempts", len(events), attempts)
		}
		e := events[0]
		if e.Actor != "user:9" || e.ObjectType != "query" || e.ObjectID != "7" || e.RequestID != "request" ||
			!strings.Contains(string(e.Detail), `"attempted":"query.delete"`) || !strings.Contains(string(e.Detail), `"code":"permission_required"`) {
			t.Errorf("%+v %s", e, e.Detail)
		}
		// The same again is told when the minute is over, as a number.
		for range 50 {
			b.deny(t, "user:9", "query.delete")
		}
		if events, _ := b.denials(t); len(events) != 1 {
			t.Errorf("%d events within a minute", len(events))
		}
		b.pass(audit.DenialWindow)
		if events, attempts := b.denials(t); len(events) != 2 || attempts != 51 {
			t.Errorf("%d events of %d attempts", len(events), attempts)
		}
		if v := b.verify(t); !v.Valid {
			t.Errorf("%+v %+v", v, v.Broken)
		}
	})
}

// T138: a flood does not fill the record, and no attempt of it is left out of the
// count.
func TestT138_FloodOfDeniedAttemptsIsBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		const minutes, each = 3, 5000
		for minute := range minutes {
			for i := range each {
				b.deny(t, fmt.Sprintf("user:%d", i), "query.delete")
				if i%500 == 0 {
					if err := b.Flush(t.Context(), false); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.pass(audit.DenialWindow)
			if events, _ := b.denials(t); len(events) > (minute+2)*(audit.DenialsOfTenant+1) {
				t.Fatalf("%d events after %d minutes", len(events), minute+1)
			}
		}
		if err := b.Flush(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if _, attempts := b.denials(t); attempts != minutes*each {
			t.Errorf("%d attempts are told, want %d", attempts, minutes*each)
		}
	})
}

// Attempts on more tenants than are remembered share an event of no tenant.
func TestT138_FloodOverTenantsIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	for i := range 2 * audit.DenialsWaiting {
		b.Deny(t.Context(), audit.Denial{TenantID: fmt.Sprintf("tenant %d", i), Action: "query.read", ObjectType: "query"})
	}
	if err := b.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	var events int
	if err := b.db.NewRaw("SELECT count(*) FROM ?schema.jet_audit /* across tenants: the test counts all */").Scan(t.Context(), &events); err != nil || events != audit.DenialsWaiting+1 {
		t.Errorf("%d events (%v), want %d", events, err, audit.DenialsWaiting+1)
	}
	var several int
	err := b.Platform().Export(t.Context(), audit.Filter{Actor: "several"}, func(e audit.Event) error {
		several++
		if !strings.Contains(string(e.Detail), fmt.Sprintf(`"attempts":%d,`, audit.DenialsWaiting)) {
			t.Errorf("the rest is told as %s", e.Detail)
		}
		return nil
	})
	if err != nil || several != 1 {
		t.Errorf("%d events of several (%v)", several, err)
	}
}
