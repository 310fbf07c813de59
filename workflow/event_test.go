package workflow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// awaiting is a graph that waits for an event.
func awaiting(name, key string) workflow.Graph {
	return forked(step("wait", "waitEvent", map[string]any{"event": name, "key": key}), "success", "expired")
}

func (b *bundle) send(t testing.TB, e workflow.NewEvent) workflow.Event {
	t.Helper()
	sent, err := b.SendEvent(b.ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// received is the event that a run waited for.
func received(t testing.TB, d workflow.RunDetail) map[string]any {
	t.Helper()
	out, _ := d.Output.(map[string]any)
	of, _ := out["of"].(map[string]any)
	if d.Status != workflow.RunSucceeded || out["port"] != "success" {
		t.Fatalf("the run is %s by %v", d.Status, out["port"])
	}
	return of
}

func TestAnEventEndsItsWaits(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		b := setup(t, db, queue)
		w := b.publish(t, awaiting("paid", "{{ input.order }}"))
		first, second := b.asked(t, b.ctx, w, map[string]any{"order": 17}), b.asked(t, b.ctx, w, map[string]any{"order": 17})
		other := b.asked(t, b.ctx, w, map[string]any{"order": 18})
		if first.Event != "paid" || first.EventKey != "17" {
			t.Errorf("the wait: %+v", first)
		}
		if e := b.send(t, workflow.NewEvent{Name: "paid", Key: "7"}); e.Status != workflow.EventKept {
			t.Errorf("nobody waits for it, and it is %s", e.Status)
		}
		sent := b.send(t, workflow.NewEvent{Name: "paid", Key: "17", Data: map[string]any{"cents": 4200}, ID: "evt_1"})
		if sent.Status != workflow.EventDelivered || sent.ID != "evt_1" {
			t.Errorf("sent %+v", sent)
		}
		for _, runID := range []string{first.RunID, second.RunID} {
			e := received(t, b.wait(t, runID))
			if e["id"] != "evt_1" || e["key"] != "17" || encoded(e["data"]) != `{"cents":4200}` || e["sentBy"] != "service:test" {
				t.Errorf("received %v", e)
			}
		}
		if got, err := b.Waiting(b.ctx, other.ID); err != nil || got.Status != workflow.WaitOpen {
			t.Errorf("a wait for another key: %+v, %v", got, err)
		}
		if _, err := b.Answer(b.ctx, other.ID, yes()); problem.KindOf(err) != problem.Conflict {
			t.Errorf("an answer to a wait for an event: %v", err)
		}
	})
}

func TestAnEventBeforeItsWait(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, awaiting("paid", "A"))
		b.send(t, workflow.NewEvent{Name: "paid", Key: "A", Data: 1})
		b.send(t, workflow.NewEvent{Name: "paid", Key: "A", Data: 2})
		for _, want := range []string{"1", "2"} { // in their order, each once
			if e := received(t, b.run(t, w, nil)); encoded(e["data"]) != want {
				t.Errorf("received %v, want %s", e, want)
			}
		}
		wait := b.asked(t, b.ctx, w, nil)
		eventually(t, func() bool { // it has looked, and there was nothing
			var state string
			err := db.NewRaw("SELECT state FROM ?schema.jet_wait WHERE tenant_id = ? AND id = ?", b.tenant, wait.ID).Scan(b.ctx, &state)
			return err == nil && state == "open"
		})
	})
}

func TestAnEventIsTakenOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, awaiting("paid", ""))
		first := b.asked(t, b.ctx, w, nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				e, err := b.SendEvent(b.ctx, workflow.NewEvent{Name: "paid", ID: "once", Data: "x"})
				if err != nil || e.ID != "once" {
					t.Errorf("%+v, %v", e, err)
				}
			})
		}
		wg.Wait()
		received(t, b.wait(t, first.RunID))
		second := b.asked(t, b.ctx, w, nil)
		if e := b.send(t, workflow.NewEvent{Name: "another", ID: "once"}); e.Name != "paid" || e.Status != workflow.EventDelivered {
			t.Errorf("the same id again: %+v", e)
		}
		if got, err := b.Waiting(b.ctx, second.ID); err != nil || got.Status != workflow.WaitOpen {
			t.Errorf("the second wait: %+v, %v", got, err)
		}
		// Ids are the sender's: another tenant has its own.
		if e, err := b.SendEvent(as(newTenant(t, db), "*"), workflow.NewEvent{Name: "paid", ID: "once"}); err != nil || e.Status != workflow.EventKept {
			t.Errorf("the id in another tenant: %+v, %v", e, err)
		}
	})
}

// Events and waits that come at the same time find each other, each event one
// wait.
func TestEventsAndWaitsMeet(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, awaiting("paid", "{{ input.n }}"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		var runs []string
		for i := range 40 {
			wg.Go(func() {
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, Input: map[string]any{"n": i}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				runs = append(runs, r.ID)
			})
			wg.Go(func() {
				if _, err := b.SendEvent(b.ctx, workflow.NewEvent{Name: "paid", Key: itoa(i), Data: i}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, runID := range runs {
			d := b.wait(t, runID)
			if e := received(t, d); encoded(e["data"]) != encoded(d.Input["n"]) {
				t.Errorf("run %v received %v", d.Input, e)
			}
		}
	})
}

// What a process leaves undone when it dies between its commits is done by the
// sweeper.
func TestTheSweeperFinishesWhatWasBegun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		if err := b.StartEngine(b.ctx); err != nil {
			t.Fatal(err)
		}
		unseen := b.asked(t, b.ctx, b.publish(t, awaiting("unseen", "")), nil)
		met := b.asked(t, b.ctx, b.publish(t, awaiting("met", "")), nil)
		unlooked := b.asked(t, b.ctx, b.publish(t, awaiting("unlooked", "")), nil)
		if err := b.StopEngine(b.ctx); err != nil {
			t.Fatal(err)
		}
		plant := func(name, state string) string {
			t.Helper()
			e := b.send(t, workflow.NewEvent{Name: name, Key: "elsewhere", Data: name})
			b.exec(t, "UPDATE ?schema.jet_event SET state = ?, key = '' WHERE tenant_id = ? AND event_id = ?", state, b.tenant, e.ID)
			return e.ID
		}
		plant("unseen", "new")
		b.exec(t, "UPDATE ?schema.jet_wait SET state = 'met', event_id = ? WHERE tenant_id = ? AND id = ?", plant("met", "used"), b.tenant, met.ID)
		plant("unlooked", "kept")
		b.exec(t, "UPDATE ?schema.jet_wait SET state = 'new' WHERE tenant_id = ? AND id = ?", b.tenant, unlooked.ID)
		b.startEngine(t)
		for name, runID := range map[string]string{"unseen": unseen.RunID, "met": met.RunID, "unlooked": unlooked.RunID} {
			if e := received(t, b.wait(t, runID)); e["data"] != name {
				t.Errorf("%s received %v", name, e)
			}
		}
	})
}

func (b *bundle) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := b.db.NewRaw(query, args...).Exec(b.ctx); err != nil {
		t.Fatal(err)
	}
}

func TestEventsAreForgotten(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		for i := range 3 {
			b.send(t, workflow.NewEvent{Name: "old", ID: itoa(i)})
		}
		b.send(t, workflow.NewEvent{Name: "young"})
		b.exec(t, "UPDATE ?schema.jet_event SET expires_at = ? WHERE tenant_id = ? AND name = 'old'", time.Now().UTC().Add(-time.Hour), b.tenant)
		b.startEngine(t)
		eventually(t, func() bool {
			var names []string
			if err := db.NewRaw("SELECT name FROM ?schema.jet_event WHERE tenant_id = ?", b.tenant).Scan(b.ctx, &names); err != nil {
				t.Fatal(err)
			}
			return len(names) == 1 && names[0] == "young"
		})
		// One whose time is over is not taken, even while it is still there.
		b.exec(t, "UPDATE ?schema.jet_event SET expires_at = ? WHERE tenant_id = ?", time.Now().UTC().Add(-time.Hour), b.tenant)
		d := b.run(t, b.publish(t, forked(step("wait", "waitEvent", map[string]any{"event": "young", "timeout": "100ms"}), "success", "expired")), nil)
		if port(d) != "expired" {
			t.Errorf("the run went %q", port(d))
		}
	})
}

func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		wait := b.asked(t, b.ctx, b.publish(t, awaiting("wanted", "")), nil)
		rows := "SELECT 0 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 9998"
		uuid := "CAST(md5('e' || n) AS uuid)"
		if db.Dialect == store.SQLite {
			uuid = "'e' || n"
		}
		now := time.Now().UTC()
		b.exec(t, `WITH RECURSIVE numbers AS (`+rows+`)
			INSERT INTO ?schema.jet_event (tenant_id, id, event_id, name, key, data, sent_by, state, received_at, expires_at)
			SELECT /* across tenants: a test fills one */ CAST(? AS `+typeOf(db)+`), `+uuid+`, 'e' || n, 'n', '', 'null', '', 'kept', ?, ? FROM numbers`,
			b.tenant, now, now.Add(time.Hour))
		if e := b.send(t, workflow.NewEvent{Name: "last"}); e.Status != workflow.EventKept {
			t.Errorf("%+v", e)
		}
		_, err := b.SendEvent(b.ctx, workflow.NewEvent{Name: "toomuch", ID: "x"})
		if p := problem.Of(err); err == nil || p.Kind != problem.RateLimited || p.RetryAfter == 0 {
			t.Errorf("%v", err)
		}
		if e := b.send(t, workflow.NewEvent{Name: "wanted"}); e.Status != workflow.EventDelivered {
			t.Errorf("one that is waited for: %+v", e)
		}
		received(t, b.wait(t, wait.RunID))
	})
}

func typeOf(db *store.DB) string {
	if db.Dialect == store.SQLite {
		return "text"
	}
	return "uuid"
}

func TestWhatAnEventMayBe(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	long := strings.Repeat("x", 201)
	_, err := b.SendEvent(b.ctx, workflow.NewEvent{Key: long, ID: long, Data: strings.Repeat("x", 64<<10), TTL: workflow.Duration(time.Millisecond)})
	if len(problem.Of(err).Faults) != 5 || problem.KindOf(err) != problem.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := b.SendEvent(as(b.tenant, auth.RunAnswer), workflow.NewEvent{Name: "x"}); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("without run.signal: %v", err)
	}
	list, err := b.Waits(b.ctx, workflow.WaitFilter{RunID: "x", Type: "y"}, page.Request{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
