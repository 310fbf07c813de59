package audit_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

const day = 24 * time.Hour

// retaining is a log with six events, of which the first three are dropped.
func retaining(t *testing.T, db *store.DB) bundle {
	t.Helper()
	b := setup(t, db, func(c *audit.Config) { c.Retention = 30 * day })
	b.fill(t, 3)
	b.pass(20 * day)
	b.fill(t, 3)
	b.pass(20 * day)
	if err := b.ForgetOf(t.Context(), b.tenant); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRetentionKeepsTheChainVerifiable(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := retaining(t, db)
		v := b.verify(t)
		if !v.Valid || v.Dropped != 3 || v.Events != 4 || v.HeadSeq != 7 || len(v.Head) != 64 {
			t.Errorf("%+v %+v", v, v.Broken)
		}
		var seqs []int64
		for _, e := range b.events(t, audit.Filter{}) {
			seqs = append(seqs, e.Seq)
		}
		if fmt.Sprint(seqs) != "[4 5 6 7]" {
			t.Errorf("events are %v", seqs)
		}
		// Nothing new is old: no event is made of it.
		if err := b.ForgetOf(t.Context(), b.tenant); err != nil {
			t.Fatal(err)
		}
		if v := b.verify(t); !v.Valid || v.Dropped != 3 || v.Events != 5 {
			t.Errorf("after a second time: %+v %+v", v, v.Broken)
		}
		// All of them are: what tells of it is left.
		b.pass(100 * day)
		if err := b.ForgetOf(t.Context(), b.tenant); err != nil {
			t.Fatal(err)
		}
		if v := b.verify(t); !v.Valid || v.Dropped != 8 || v.Events != 1 {
			t.Errorf("after all were old: %+v %+v", v, v.Broken)
		}
		b.fill(t, 1)
		if v := b.verify(t); !v.Valid || v.Events != 2 {
			t.Errorf("afterwards: %+v %+v", v, v.Broken)
		}
	})
}

// What a crash between the cut and the deletion leaves is not part of the record,
// and goes the next time.
func TestRetentionGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := retaining(t, db)
		b.exec(t, `INSERT INTO ?schema.jet_audit (tenant_id, seq, time, actor, on_behalf_of, action, object_type, object_id, request_id, detail, previous, hash)
			SELECT tenant_id, 2, time, actor, on_behalf_of, action, object_type, object_id, request_id, detail, previous, hash
			FROM ?schema.jet_audit WHERE tenant_id = ? AND seq = 4`, b.tenant)
		if v := b.verify(t); !v.Valid {
			t.Errorf("%+v %+v", v, v.Broken)
		}
		if err := b.ForgetOf(t.Context(), b.tenant); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ? AND seq <= 3", b.tenant).Scan(t.Context(), &left); err != nil || left != 0 {
			t.Errorf("%d events are left (%v)", left, err)
		}
	})
}

// Verification names the first broken event after retention as before it; and a
// beginning that was cut off by somebody else is no retention.
func TestVerifyNamesTheFirstBrokenEventAfterRetention(t *testing.T) {
	t.Parallel()
	const table = "?schema.jet_audit"
	anchor := func(seq int) string {
		return fmt.Sprintf(`UPDATE ?schema.jet_audit_head SET dropped_seq = %d, dropped_hash = (
			SELECT hash FROM %s AS a WHERE a.tenant_id = jet_audit_head.tenant_id AND a.seq = %d) WHERE tenant_id = ?`, seq, table, seq)
	}
	cases := []struct {
		name    string
		tamper  []string
		want    audit.Fault
		wantSeq int64
	}{
		{"edited", []string{"UPDATE " + table + " SET actor = 'user:2' WHERE tenant_id = ? AND seq = 5"}, audit.Edited, 5},
		{"first edited", []string{"UPDATE " + table + " SET detail = '{}' WHERE tenant_id = ? AND seq = 4"}, audit.Edited, 4},
		{"first deleted", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq = 4"}, audit.Missing, 4},
		{"middle deleted", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq = 5"}, audit.Missing, 5},
		{"reordered", []string{
			"UPDATE " + table + " SET seq = 99 WHERE tenant_id = ? AND seq = 5",
			"UPDATE " + table + " SET seq = 5 WHERE tenant_id = ? AND seq = 6",
			"UPDATE " + table + " SET seq = 6 WHERE tenant_id = ? AND seq = 99",
		}, audit.Edited, 5},
		{"end cut off", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq > 6"}, audit.Truncated, 7},
		{"all cut off", []string{"DELETE FROM " + table + " WHERE tenant_id = ?"}, audit.Truncated, 4},
		{"more dropped than is told", []string{anchor(5), "DELETE FROM " + table + " WHERE tenant_id = ? AND seq <= 5"}, audit.Missing, 4},
		{"all dropped", []string{anchor(7), "DELETE FROM " + table + " WHERE tenant_id = ?"}, audit.Missing, 1},
		{"beginning moved back", []string{"UPDATE ?schema.jet_audit_head SET dropped_seq = 2 WHERE tenant_id = ?"}, audit.Missing, 3},
		{"beginning forgotten", []string{"UPDATE ?schema.jet_audit_head SET dropped_seq = 0 WHERE tenant_id = ?"}, audit.Missing, 1},
		{"beginning of another hash", []string{"UPDATE ?schema.jet_audit_head SET dropped_hash = hash WHERE tenant_id = ?"}, audit.Unlinked, 4},
		{"head removed", []string{"DELETE FROM ?schema.jet_audit_head WHERE tenant_id = ?"}, audit.Missing, 1},
	}
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := retaining(t, db)
				for _, statement := range c.tamper {
					b.exec(t, statement, b.tenant)
				}
				v := b.verify(t)
				if v.Valid || v.Broken == nil || *v.Broken != (audit.Broken{Seq: c.wantSeq, Fault: c.want}) {
					t.Errorf("got %+v %+v, want %s at %d", v, v.Broken, c.want, c.wantSeq)
				}
			})
		}
		t.Run("dropped without retention", func(t *testing.T) {
			b := setup(t, db)
			b.fill(t, 6)
			b.exec(t, anchor(3), b.tenant)
			b.exec(t, "DELETE FROM "+table+" WHERE tenant_id = ? AND seq <= 3", b.tenant)
			if v := b.verify(t); v.Valid || *v.Broken != (audit.Broken{Seq: 1, Fault: audit.Missing}) {
				t.Errorf("%+v %+v", v, v.Broken)
			}
		})
	})
}

func TestVerifyWhileRetentionGoesOn(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *audit.Config) { c.Retention = 30 * day })
		stop := make(chan struct{})
		var verified sync.WaitGroup
		verified.Go(func() {
			for {
				v, err := b.Verify(t.Context())
				if limited := problem.Is(err, problem.RateLimited); !limited && (err != nil || !v.Valid) { // until the next day
					t.Errorf("%+v %+v %v", v, v.Broken, err)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		for range 8 {
			b.fill(t, 3)
			b.pass(20 * day)
			if err := b.ForgetOf(t.Context(), b.tenant); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		verified.Wait()
	})
}

// A record that is broken is evidence: retention does not drop it.
func TestRetentionKeepsWhatIsBroken(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), func(c *audit.Config) { c.Retention = 30 * day })
	b.fill(t, 3)
	b.exec(t, "DELETE FROM ?schema.jet_audit WHERE tenant_id = ? AND seq = 2", b.tenant)
	b.pass(40 * day)
	good := bundle{Log: b.Log, db: b.db, tenant: "another", later: b.later}
	good.record(t, audit.Entry{TenantID: "another", Action: "query.update"})
	b.pass(40 * day)
	if err := b.Forget(t.Context()); err == nil || !strings.Contains(err.Error(), b.tenant) {
		t.Errorf("the record is broken, and nobody says so: %v", err)
	}
	if v, err := b.Verify(inTenant(t.Context(), "another")); err != nil || !v.Valid || v.Dropped != 1 {
		t.Errorf("the record beside it: %+v %v", v, err)
	}
	if v := b.verify(t); v.Valid || v.Dropped != 0 || *v.Broken != (audit.Broken{Seq: 2, Fault: audit.Missing}) {
		t.Errorf("%+v %+v", v, v.Broken)
	}
}
