package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// T30: an export ends within a second of its caller's right.
func TestT30_AnExportEndsWithTheRight(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		lost := false
		b := setup(t, db, func(cfg *audit.Config) {
			cfg.Recheck = func(context.Context) error {
				if lost {
					return problem.New(problem.Forbidden, "gone", "the right is gone")
				}
				return nil
			}
		})
		b.fill(t, 10)
		seen := 0
		err := b.Export(t.Context(), audit.Filter{}, func(audit.Event) error {
			seen++
			b.pass(2 * time.Second)
			lost = seen == 4
			return nil
		})
		if problem.Of(err).Code != "gone" || seen != 4 {
			t.Errorf("%d events, then %v", seen, err)
		}
	})
}

// What retention has cut off is shown no more, also while it is not deleted yet.
func TestWhatIsCutOffIsNotShown(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.fill(t, 10)
		if _, err := db.NewRaw("UPDATE ?schema.jet_audit_head SET dropped_seq = 7 WHERE tenant_id = ?", b.tenant).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := b.List(t.Context(), audit.Filter{}, page.Request{})
		if err != nil || len(left.Items) != 3 || left.Items[2].Seq != 8 {
			t.Errorf("the list shows %v, %v", left.Items, err)
		}
		facets, err := b.Facets(t.Context(), audit.Filter{})
		if err != nil || facets.Events != 3 {
			t.Errorf("%d are counted, %v", facets.Events, err)
		}
	})
}

// Who reads one record does not write down what was denied in another.
func TestReadersWaitForNoOtherTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		const other = "0190f5c4-7f3a-7c3e-9d5b-000000000001"
		for _, tenantID := range []string{b.tenant, other} {
			b.Deny(t.Context(), audit.Denial{TenantID: tenantID, Action: "query.update", ObjectType: "query", Code: "permission_required"})
		}
		if shown := b.events(t, audit.Filter{Action: audit.Denied}); len(shown) != 1 {
			t.Errorf("%d denials are shown", len(shown))
		}
		written := 0
		err := db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ?", other).Scan(t.Context(), &written)
		if err != nil || written != 0 {
			t.Errorf("%d of the other tenant were written, %v", written, err)
		}
		if err := b.Flush(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		err = db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ?", other).Scan(t.Context(), &written)
		if err != nil || written != 1 {
			t.Errorf("%d of the other tenant were written in the end, %v", written, err)
		}
	})
}

// Case T138: a tenant's record is gone through so often. That takes nothing from others,
// nor from the record of the platform.
func TestT138_ExportsAreThrottled(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := setup(t, testdb.SQLite(t), func(c *audit.Config) { c.Clock = func() time.Time { return now } })
	b.fill(t, 1)
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		if n%2 == 0 {
			_, err = b.Verify(t.Context())
		} else {
			err = b.Export(t.Context(), audit.Filter{}, func(audit.Event) error { return nil })
		}
	}
	if e := problem.Of(err); e == nil || e.Kind != problem.RateLimited || e.Code != "too_many_exports" || e.RetryAfter != 6*time.Second || n != 21 {
		t.Errorf("number %d: %+v", n, err)
	}
	for range 30 {
		if _, err := b.Platform().Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(6 * time.Second)
	if _, err := b.Verify(t.Context()); err != nil {
		t.Errorf("six seconds later: %v", err)
	}
}

// Case T138: a tenant's record is gone through by a few at a time.
func TestT138_ReadersOfARecordAreFew(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.fill(t, 1)
	var inner error
	export := func(each func(audit.Event) error) error { return b.Export(t.Context(), audit.Filter{}, each) }
	err := export(func(audit.Event) error {
		return export(func(audit.Event) error {
			if _, err := b.Verify(t.Context()); !problem.Is(err, problem.RateLimited) {
				t.Errorf("a third reader: %v", err)
			}
			inner = export(func(audit.Event) error { return nil })
			return nil
		})
	})
	if err != nil || !problem.Is(inner, problem.RateLimited) {
		t.Errorf("two readers: %v, a third: %v", err, inner)
	}
	if _, err := b.Verify(t.Context()); err != nil {
		t.Errorf("when they are done: %v", err)
	}
}
