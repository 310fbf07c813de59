package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

type bundle struct {
	*audit.Log
	db     *store.DB
	tenant string
	later  *atomic.Int64 // nanoseconds by which the clock was moved
}

// setup returns a log whose caller is in a tenant of the test's own, at a time
// that no database keeps as it is.
func setup(t *testing.T, db *store.DB, change ...func(*audit.Config)) bundle {
	t.Helper()
	b := bundle{db: db, tenant: id.New(), later: new(atomic.Int64)}
	start := time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.FixedZone("", 5*3600+1800))
	var ticks atomic.Int64
	var err error
	cfg := audit.Config{
		Actor:     actorOf,
		Authorize: func(ctx context.Context) (string, error) { return tenantOf(ctx, b.tenant), nil },
		Clock: func() time.Time {
			return start.Add(time.Duration(ticks.Add(1))*1234567 + time.Duration(b.later.Load()))
		},
		DB:        db,
		Logger:    slog.New(slog.DiscardHandler),
		Pages:     page.NewSigner([]byte("key")),
		RequestID: func(context.Context) string { return "request" },
	}
	for _, f := range change {
		f(&cfg)
	}
	b.Log, err = audit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pass moves the clock.
func (b bundle) pass(d time.Duration) { b.later.Add(int64(d)) }

type actorKey struct{}

// as is a context of a user.
func as(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, actorKey{}, audit.Actor{Name: name})
}

func actorOf(ctx context.Context) audit.Actor {
	if actor, ok := ctx.Value(actorKey{}).(audit.Actor); ok {
		return actor
	}
	return audit.Actor{Name: "user:1", OnBehalfOf: "1"}
}

// events are the events of the tenant that a filter picks, oldest first.
func (b bundle) events(t *testing.T, f audit.Filter) []audit.Event {
	t.Helper()
	var events []audit.Event
	err := b.Export(t.Context(), f, func(e audit.Event) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

type tenantKey struct{}

func inTenant(ctx context.Context, tenantID string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenantID)
}

func tenantOf(ctx context.Context, otherwise string) string {
	if tenantID, ok := ctx.Value(tenantKey{}).(string); ok {
		return tenantID
	}
	return otherwise
}

func (b bundle) record(t *testing.T, e audit.Entry) {
	t.Helper()
	err := b.db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error { return b.Record(ctx, tx, e) })
	if err != nil {
		t.Fatal(err)
	}
}

func (b bundle) fill(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		b.record(t, audit.Entry{
			TenantID: b.tenant, Action: "query.update", ObjectType: "query", ObjectID: fmt.Sprint(i),
			Detail: map[string]any{"name": "Umsätze", "n": i, "nested": map[string]any{"b": nil, "a": 1.5}},
		})
	}
}

func (b bundle) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := b.db.NewRaw(query, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b bundle) verify(t *testing.T) audit.Verification {
	t.Helper()
	v, err := b.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordIsPartOfTheChange(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.fill(t, 1)
		refused := errors.New("refused")
		err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
			if err := b.Record(ctx, tx, audit.Entry{TenantID: b.tenant, Action: "query.delete"}); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		b.fill(t, 1)
		if v := b.verify(t); !v.Valid || v.Events != 2 {
			t.Errorf("after a change that was rolled back: %+v", v)
		}
	})
}

func TestVerifyAcceptsWhatWasWritten(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		if v := b.verify(t); !v.Valid || v.Events != 0 || v.Head != "" {
			t.Errorf("empty record: %+v", v)
		}
		for _, hostile := range hostileTexts() {
			b.record(t, audit.Entry{
				TenantID: b.tenant, Action: hostile, ObjectType: hostile, ObjectID: hostile,
				Detail: map[string]any{hostile: hostile},
			})
		}
		v := b.verify(t)
		if !v.Valid || v.Events != int64(len(hostileTexts())) || v.HeadSeq != v.Events || len(v.Head) != 64 {
			t.Errorf("%+v", v)
		}
	})
}

// T135: hostile names never fail a change.
func hostileTexts() []string {
	return []string{
		"", "plain", "NUL \x00 within", "not \xff\xfe UTF-8", "'; DROP TABLE jet_audit; --", "?schema.x ?0 ?", `back\slash \u0000`,
		"\u202eright to left", "zero\u200bwidth", "😀", strings.Repeat("long ", 13000),
	}
}

// A record that lost its beginning with its head, or all of it, is none that was begun.
func TestVerifyKnowsHowARecordBegins(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *audit.Config) { c.First = "query.update" })
		if v := b.verify(t); v.Valid || *v.Broken != (audit.Broken{Seq: 1, Fault: audit.Truncated}) {
			t.Errorf("nothing: %+v", v)
		}
		b.fill(t, 3)
		if v := b.verify(t); !v.Valid {
			t.Errorf("what was written: %+v", v)
		}
		if v, err := b.Platform().Verify(t.Context()); err != nil || !v.Valid {
			t.Errorf("the record of no tenant: %+v (%v)", v, err)
		}
		for _, table := range []string{"?schema.jet_audit", "?schema.jet_audit_head"} {
			b.exec(t, "DELETE FROM "+table+" WHERE tenant_id = ?", b.tenant)
		}
		if v := b.verify(t); v.Valid {
			t.Errorf("all is gone: %+v", v)
		}
		b.record(t, audit.Entry{TenantID: b.tenant, Action: "query.delete", ObjectType: "query", ObjectID: "1"})
		if v := b.verify(t); v.Valid || *v.Broken != (audit.Broken{Seq: 1, Fault: audit.Missing}) {
			t.Errorf("another beginning: %+v", v)
		}
	})
}

// SQLite takes a text for a time: what cannot be read is edited, and shown as far as
// it can be.
func TestVerifyNamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, edit := range []string{"time = 'garbage'", "time = ''", "time = 7", "hash = 12", "detail = 'not json'"} {
		t.Run(edit, func(t *testing.T) {
			t.Parallel()
			b := setup(t, testdb.SQLite(t))
			b.fill(t, 5)
			b.exec(t, "UPDATE ?schema.jet_audit SET "+edit+" WHERE tenant_id = ? AND seq = 3", b.tenant)
			if v := b.verify(t); v.Valid || v.Events != 2 || *v.Broken != (audit.Broken{Seq: 3, Fault: audit.Edited}) {
				t.Errorf("%+v %+v", v, v.Broken)
			}
			if !strings.HasPrefix(edit, "detail") {
				return
			}
			p, err := b.List(t.Context(), audit.Filter{Seq: 3}, page.Request{})
			if err != nil || len(p.Items) != 1 || !json.Valid(p.Items[0].Detail) {
				t.Errorf("%+v (%v)", p.Items, err)
			}
		})
	}
}

func TestVerifyNamesTheFirstBrokenEvent(t *testing.T) {
	t.Parallel()
	const table = "?schema.jet_audit"
	edit := func(set string) string { return "UPDATE " + table + " SET " + set + " WHERE tenant_id = ? AND seq = 3" }
	cases := []struct {
		name    string
		tamper  []string // each gets the tenant as its argument
		want    audit.Fault
		wantSeq int64
	}{
		{"time", []string{edit("time = '2020-01-01 00:00:00+00:00'")}, audit.Edited, 3},
		{"actor", []string{edit("actor = 'user:2'")}, audit.Edited, 3},
		{"on behalf of", []string{edit("on_behalf_of = '2'")}, audit.Edited, 3},
		{"action", []string{edit("action = 'query.read'")}, audit.Edited, 3},
		{"object type", []string{edit("object_type = 'run'")}, audit.Edited, 3},
		{"object id", []string{edit("object_id = '9'")}, audit.Edited, 3},
		{"request", []string{edit("request_id = ''")}, audit.Edited, 3},
		{"detail", []string{edit("detail = '{}'")}, audit.Edited, 3},
		{"previous hash", []string{edit("previous = hash")}, audit.Edited, 3},
		{"hash", []string{edit("hash = previous")}, audit.Edited, 3},
		{"first deleted", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq = 1"}, audit.Missing, 1},
		{"middle deleted", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq = 3"}, audit.Missing, 3},
		{"deleted and closed up", []string{
			"DELETE FROM " + table + " WHERE tenant_id = ? AND seq = 5",
			"UPDATE " + table + " SET seq = 5 WHERE tenant_id = ? AND seq = 6",
		}, audit.Edited, 5},
		{"reordered", []string{
			"UPDATE " + table + " SET seq = 99 WHERE tenant_id = ? AND seq = 3",
			"UPDATE " + table + " SET seq = 3 WHERE tenant_id = ? AND seq = 4",
			"UPDATE " + table + " SET seq = 4 WHERE tenant_id = ? AND seq = 99",
		}, audit.Edited, 3},
		{"end cut off", []string{"DELETE FROM " + table + " WHERE tenant_id = ? AND seq > 4"}, audit.Truncated, 5},
		{"all cut off", []string{"DELETE FROM " + table + " WHERE tenant_id = ?"}, audit.Truncated, 1},
		{"head moved back", []string{"UPDATE ?schema.jet_audit_head SET seq = 4 WHERE tenant_id = ?"}, audit.Headless, 5},
		{"head of another event", []string{
			"UPDATE ?schema.jet_audit_head SET hash = (SELECT hash FROM " + table + " AS a WHERE a.tenant_id = jet_audit_head.tenant_id AND a.seq = 2) WHERE tenant_id = ?",
		}, audit.Unlinked, 6},
		{"head removed", []string{"DELETE FROM ?schema.jet_audit_head WHERE tenant_id = ?"}, audit.Headless, 1},
	}
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := setup(t, db)
				b.fill(t, 6)
				if v := b.verify(t); !v.Valid || v.Events != 6 {
					t.Fatalf("before: %+v", v)
				}
				for _, statement := range c.tamper {
					b.exec(t, statement, b.tenant)
				}
				v := b.verify(t)
				if v.Valid || v.Broken == nil || *v.Broken != (audit.Broken{Seq: c.wantSeq, Fault: c.want}) {
					t.Errorf("got %+v %+v, want %s at %d", v, v.Broken, c.want, c.wantSeq)
				}
			})
		}
	})
}

// unlimited lets everybody do everything.
type unlimited struct{}

func (unlimited) Take(context.Context, string, int, time.Duration) (time.Duration, error) {
	return 0, nil
}

func (unlimited) Forget(context.Context, string) error { return nil }

func TestConcurrentChangesMakeOneChain(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *audit.Config) { c.Limiter = unlimited{} })
		const writers, each = 6, 8
		var verified sync.WaitGroup
		stop := make(chan struct{})
		verified.Go(func() {
			for {
				if v, err := b.Verify(t.Context()); err != nil || !v.Valid {
					t.Errorf("while changes go on: %+v %v", v.Broken, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		var done sync.WaitGroup
		for range writers {
			done.Go(func() {
				for range each {
					err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
						return b.Record(ctx, tx, audit.Entry{TenantID: b.tenant, Action: "run.cancel"})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
		close(stop)
		verified.Wait()
		if v := b.verify(t); !v.Valid || v.Events != writers*each {
			t.Errorf("%+v %+v", v, v.Broken)
		}
	})
}

func TestListFiltersAndPages(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.fill(t, 5)
		b.record(t, audit.Entry{TenantID: b.tenant, Action: "query.delete", ObjectType: "query", ObjectID: "2"})

		var seqs []int64
		request := page.Request{Limit: 2}
		for {
			p, err := b.List(t.Context(), audit.Filter{}, request)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Items {
				seqs = append(seqs, e.Seq)
			}
			if request.Cursor = p.NextCursor; request.Cursor == "" {
				break
			}
		}
		if fmt.Sprint(seqs) != "[6 5 4 3 2 1]" {
			t.Errorf("events come as %v", seqs)
		}

		for _, c := range []struct {
			filter audit.Filter
			want   int
		}{
			{audit.Filter{Action: "query.delete"}, 1},
			{audit.Filter{ObjectType: "query", ObjectID: "2"}, 2},
			{audit.Filter{Actor: "user:1"}, 6},
			{audit.Filter{Actor: "user:"}, 0},
			{audit.Filter{ObjectID: "%"}, 0},
			{audit.Filter{Action: "query.update", ObjectID: "2"}, 1},
			{audit.Filter{Seq: 3}, 1},
			{audit.Filter{Seq: 7}, 0},
		} {
			p, err := b.List(t.Context(), c.filter, page.Request{})
			if err != nil || len(p.Items) != c.want {
				t.Errorf("%+v: %d events, want %d (%v)", c.filter, len(p.Items), c.want, err)
			}
		}
	})
}

func TestEventIsWhatWasTold(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.fill(t, 1)
		p, err := b.List(t.Context(), audit.Filter{}, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		got := p.Items[0]
		if got.Actor != "user:1" || got.OnBehalfOf != "1" || got.Action != "query.update" || got.ObjectType != "query" ||
			got.ObjectID != "0" || got.RequestID != "request" || string(got.Detail) != `{"n":0,"name":"Umsätze","nested":{"a":1.5,"b":null}}` {
			t.Errorf("%+v", got)
		}
		if want := time.Date(2026, 3, 28, 20, 29, 59, 124691000, time.UTC); !got.Time.Equal(want) || got.Time.Location() != time.UTC {
			t.Errorf("time is %s, want %s", got.Time, want)
		}
	})
}

// T1, T6: a tenant's record is seen from within alone.
func TestT1_TenantsSeeTheirOwnRecord(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.fill(t, 3)
		first, err := b.List(t.Context(), audit.Filter{}, page.Request{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		other := inTenant(t.Context(), id.New())
		p, err := b.List(other, audit.Filter{}, page.Request{})
		if err != nil || len(p.Items) != 0 {
			t.Errorf("another tenant sees %d events (%v)", len(p.Items), err)
		}
		if _, err := b.List(other, audit.Filter{}, page.Request{Cursor: first.NextCursor}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("the cursor of another tenant: %v", err)
		}
		if v, err := b.Verify(other); err != nil || v.Events != 0 {
			t.Errorf("another tenant verifies %+v (%v)", v, err)
		}
	})
}

func TestRecordOfNoTenantIsClosed(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.record(t, audit.Entry{Action: "user.create", ObjectType: "user", ObjectID: "1"})
	nowhere := inTenant(t.Context(), "")
	if _, err := b.List(nowhere, audit.Filter{}, page.Request{}); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("list without a tenant: %v", err)
	}
	if _, err := b.Verify(nowhere); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("verify without a tenant: %v", err)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := audit.New(audit.Config{}); err == nil {
		t.Error("an empty Config is accepted")
	}
}

// An export needs no more memory than a batch, and ends although events are added.
func TestExportGoesOverBatches(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		const events = 1203
		err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
			for range events {
				if err := b.Record(ctx, tx, audit.Entry{TenantID: b.tenant, Action: "query.update"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		seq := int64(0)
		err = b.Export(t.Context(), audit.Filter{}, func(e audit.Event) error {
			if seq++; e.Seq != seq {
				t.Fatalf("event %d comes as number %d", e.Seq, seq)
			}
			if seq%400 == 0 {
				b.fill(t, 1)
			}
			return nil
		})
		if err != nil || seq != events {
			t.Errorf("%d events, %v", seq, err)
		}
		stop := errors.New("stop")
		if err := b.Export(t.Context(), audit.Filter{}, func(audit.Event) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("a reader that ends: %v", err)
		}
	})
}
