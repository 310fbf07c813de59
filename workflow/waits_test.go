package workflow_test

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// person is the context of a user with roles and permissions.
func (b *bundle) person(userID string, roles []string, permissions ...auth.Permission) context.Context {
	who := auth.ServicePrincipal(b.tenant, "test")
	who.Kind, who.UserID, who.Roles = auth.KindUser, userID, roles
	for _, p := range permissions {
		who.Grants = append(who.Grants, auth.Grant{Permission: p})
	}
	return auth.NewContext(context.Background(), who)
}

// forked is start, a node, and one end for each of its ports.
func forked(n workflow.GraphNode, ports ...string) workflow.Graph {
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil), n}, Edges: []workflow.Edge{edge("start", n.Key)}}
	for _, port := range ports {
		g.Nodes = append(g.Nodes, step("end_"+port, "end", map[string]any{"output": map[string]any{"port": port, "of": "{{ steps." + n.Key + " }}"}}))
		g.Edges = append(g.Edges, edgeOn(n.Key, port, "end_"+port))
	}
	return g
}

func approving(config map[string]any) workflow.Graph {
	full := map[string]any{"title": "Refund?"}
	for k, v := range config {
		full[k] = v
	}
	return forked(step("ask", "approval", full), "approved", "rejected", "expired")
}

// asked starts a run and waits until it asks.
func (b *bundle) asked(t testing.TB, ctx context.Context, workflowID string, input map[string]any) workflow.Waiting {
	t.Helper()
	r, err := b.Start(ctx, workflow.StartParams{WorkflowID: workflowID, Input: input})
	if err != nil {
		t.Fatal(err)
	}
	return b.waitsOf(t, r.ID, 1)[0]
}

// waitsOf waits until a run waits for n things.
func (b *bundle) waitsOf(t testing.TB, runID string, n int) []workflow.Waiting {
	t.Helper()
	var items []workflow.Waiting
	eventually(t, func() bool {
		list, err := b.Waits(b.ctx, workflow.WaitFilter{RunID: runID}, page.Request{Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		items = list.Items
		return len(items) == n
	})
	return items
}

func yes() workflow.Answer { v := true; return workflow.Answer{Approved: &v, Comment: "fine"} }
func no() workflow.Answer  { v := false; return workflow.Answer{Approved: &v} }

// port is the port of the end that a run reached.
func port(d workflow.RunDetail) string {
	out, _ := d.Output.(map[string]any)
	p, _ := out["port"].(string)
	return p
}

func TestAnApprovalIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		b := setup(t, db, queue)
		w := b.publish(t, approving(map[string]any{"message": "For {{ input.order }}"}))
		for i, answer := range []workflow.Answer{yes(), no()} {
			wait := b.asked(t, b.ctx, w, map[string]any{"order": "A-17"})
			if wait.Message != "For A-17" || wait.Type != "approval" || wait.Status != workflow.WaitOpen {
				t.Errorf("the wait: %+v", wait)
			}
			boss := b.person(id.New(), nil, auth.RunAnswer)
			got, err := b.Answer(boss, wait.ID, answer)
			if err != nil || got.Status != workflow.WaitAnswered || got.AnsweredBy != auth.FromContext(boss).Actor() || got.Answer.Comment != answer.Comment {
				t.Fatalf("answered %+v, %v", got, err)
			}
			d := b.wait(t, wait.RunID)
			if want := []string{"approved", "rejected"}[i]; d.Status != workflow.RunSucceeded || port(d) != want {
				t.Errorf("%s by %q, want %q", d.Status, port(d), want)
			}
			of := d.Output.(map[string]any)["of"].(map[string]any)
			if of["by"] != got.AnsweredBy || of["userId"] != auth.FromContext(boss).UserID || of["comment"] != answer.Comment || of["at"] == nil {
				t.Errorf("output %v", of)
			}
			if _, err := b.Answer(boss, wait.ID, answer); problem.KindOf(err) != problem.Conflict || problem.Of(err).Code != "wait_answered" {
				t.Errorf("a second answer: %v", err)
			}
		}
		audited := 0
		for _, e := range *b.audits {
			if e.Action == "run.answer" && e.Detail["node"] == "ask" {
				audited++
			}
		}
		if audited != 2 {
			t.Errorf("%d answers were audited", audited)
		}
	})
}

// T106: other user, lost role, own request, already used, after the end.
func TestWhoMayAnswer(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		boss, starter, role := id.New(), id.New(), id.New()
		starting := b.person(starter, []string{role}, auth.WorkflowExecute, auth.RunAnswer, auth.RunRead)
		wait := b.asked(t, starting, b.publish(t, approving(map[string]any{"users": []any{boss}, "roles": []any{role}})), nil)

		mine := func(ctx context.Context) int {
			t.Helper()
			list, err := b.Waits(ctx, workflow.WaitFilter{Mine: true}, page.Request{})
			if err != nil {
				t.Fatal(err)
			}
			return len(list.Items)
		}
		for _, test := range []struct {
			name   string
			ctx    context.Context
			answer problem.Kind
			read   problem.Kind
			mine   int
		}{
			{"another user", b.person(id.New(), nil, auth.RunAnswer), problem.NotFound, problem.NotFound, 0},
			{"another user who may see the run", b.person(id.New(), nil, auth.RunAnswer, auth.RunRead), problem.Forbidden, "", 0},
			{"with another role", b.person(id.New(), []string{id.New()}, auth.RunAnswer), problem.NotFound, problem.NotFound, 0},
			{"the starter, who has the role", starting, problem.Forbidden, "", 0},
			{"the starter without a view of runs", b.person(starter, []string{role}, auth.RunAnswer), problem.NotFound, problem.NotFound, 0},
			{"without the permission", b.person(boss, nil, auth.RunRead), problem.Forbidden, problem.Forbidden, -1},
			{"nobody", context.Background(), problem.Unauthenticated, problem.Unauthenticated, -1},
			{"another tenant", as(newTenant(t, db), "*"), problem.NotFound, problem.NotFound, 0},
		} {
			if _, err := b.Answer(test.ctx, wait.ID, yes()); problem.KindOf(err) != test.answer {
				t.Errorf("%s answers: %v", test.name, err)
			}
			if _, err := b.Waiting(test.ctx, wait.ID); problem.KindOf(err) != test.read {
				t.Errorf("%s reads: %v", test.name, err)
			}
			if test.mine >= 0 && mine(test.ctx) != test.mine {
				t.Errorf("%s has %d waits", test.name, mine(test.ctx))
			}
		}
		if _, err := b.Waits(b.person(boss, nil, auth.RunAnswer), workflow.WaitFilter{}, page.Request{}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("the list of all without run.list: %v", err)
		}
		for _, who := range []context.Context{b.person(boss, nil, auth.RunAnswer), b.person(id.New(), []string{id.New(), role}, auth.RunAnswer)} {
			if mine(who) != 1 {
				t.Error("who is asked does not see it")
			}
			if got, err := b.Waiting(who, wait.ID); err != nil || got.ID != wait.ID {
				t.Errorf("who is asked reads: %v", err)
			}
		}
		for _, missing := range []string{"", "x", id.New(), "{" + wait.ID + "}"} {
			if _, err := b.Answer(b.ctx, missing, yes()); problem.KindOf(err) != problem.NotFound {
				t.Errorf("answer %q: %v", missing, err)
			}
		}
		if _, err := b.Answer(b.person(boss, nil, auth.RunAnswer), wait.ID, yes()); err != nil {
			t.Fatal(err)
		}
		if mine(b.person(boss, nil, auth.RunAnswer)) != 0 {
			t.Error("an answered wait is still listed")
		}
	})
}

func TestTwoAnswersAtOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, approving(nil))
		for range 5 {
			wait := b.asked(t, b.ctx, w, nil)
			var wg sync.WaitGroup
			errs := make([]error, 6)
			for i := range errs {
				wg.Go(func() {
					answer := yes()
					if i%2 == 0 {
						answer = no()
					}
					_, errs[i] = b.Answer(b.ctx, wait.ID, answer)
				})
			}
			wg.Wait()
			won := 0
			for i, err := range errs {
				switch {
				case err == nil:
					won++
					d := b.wait(t, wait.RunID)
					if want := []string{"rejected", "approved"}[i%2]; port(d) != want {
						t.Errorf("the answer that counted was %s, the run went %s", want, port(d))
					}
				case problem.KindOf(err) != problem.Conflict:
					t.Error(err)
				}
			}
			if won != 1 {
				t.Errorf("%d answers counted", won)
			}
		}
	})
}

func TestAWaitExpires(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for _, deadline := range []string{"50ms", "2001-01-31T08:00:00Z"} {
			d := b.run(t, b.publish(t, approving(map[string]any{"deadline": deadline})), nil)
			of, _ := d.Output.(map[string]any)["of"].(map[string]any)
			if d.Status != workflow.RunSucceeded || port(d) != "expired" || of["decision"] != "expired" || of["by"] != nil {
				t.Errorf("%s: %s by %q: %v", deadline, d.Status, port(d), of)
			}
		}
		var waitID string
		if err := db.NewRaw("SELECT id FROM ?schema.jet_wait WHERE tenant_id = ? ORDER BY id LIMIT 1", b.tenant).Scan(b.ctx, &waitID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Answer(b.ctx, waitID, yes()); problem.KindOf(err) != problem.Conflict || problem.Of(err).Code != "wait_expired" {
			t.Errorf("an answer after the deadline: %v", err)
		}
	})
}

// An answer before the deadline counts and one after it does not, whoever is
// first at the row.
func TestAnswerAndExpiryRace(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, approving(map[string]any{"deadline": "300ms"}))
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
				if err != nil {
					t.Error(err)
					return
				}
				list := workflow.Waiting{}
				eventually(t, func() bool {
					var ids []string
					err := db.NewRaw("SELECT id FROM ?schema.jet_wait WHERE tenant_id = ? AND run_id = ?", b.tenant, r.ID).Scan(b.ctx, &ids)
					if err == nil && len(ids) == 1 {
						list.ID = ids[0]
					}
					return list.ID != ""
				})
				<-time.After(time.Duration(200+20*i) * time.Millisecond)
				_, err = b.Answer(b.ctx, list.ID, yes())
				d := b.wait(t, r.ID)
				switch {
				case err == nil && port(d) != "approved":
					t.Errorf("the answer counted, and the run went %q", port(d))
				case err != nil && (port(d) != "expired" || problem.KindOf(err) != problem.Conflict):
					t.Errorf("%v, and the run went %q", err, port(d))
				}
			})
		}
		wg.Wait()
	})
}

func TestAnAnswerToACancelledRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		wait := b.asked(t, b.ctx, b.publish(t, approving(nil)), nil)
		if _, err := b.Cancel(b.ctx, wait.RunID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Answer(b.ctx, wait.ID, yes()); problem.KindOf(err) != problem.Conflict || problem.Of(err).Code != "run_ended" {
			t.Errorf("%v", err)
		}
		got, err := b.Waiting(b.ctx, wait.ID)
		if err != nil || got.Status != workflow.WaitCancelled {
			t.Errorf("%+v, %v", got, err)
		}
		if d := b.wait(t, wait.RunID); d.Status != workflow.RunCancelled || statuses(d)["ask"] != workflow.NodeCancelled {
			t.Errorf("the run is %s", d.Status)
		}
	})
}

// A node that fails the run ends the waits beside it.
func TestAFailureEndsTheWaitsBesideIt(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	g := approving(nil)
	g.Nodes = append(g.Nodes, step("pause", "delay", map[string]any{"duration": "200ms"}),
		step("fail", "end", map[string]any{"failed": true}))
	g.Edges = append(g.Edges, edge("start", "pause"), edge("pause", "fail"))
	wait := b.asked(t, b.ctx, b.publish(t, g), nil)
	if d := b.wait(t, wait.RunID); d.Status != workflow.RunFailed {
		t.Fatalf("the run is %s", d.Status)
	}
	if got, err := b.Waiting(b.ctx, wait.ID); err != nil || got.Status != workflow.WaitCancelled {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAFormTellsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, forked(step("ask", "form", map[string]any{"title": "Details", "fields": map[string]any{
			"type": "object", "required": []any{"amount", "reason"},
			"properties": map[string]any{
				"amount": map[string]any{"type": "integer", "minimum": 1},
				"reason": map[string]any{"type": "string", "minLength": 3},
				"urgent": map[string]any{"type": "boolean", "default": false},
			},
		}}), "success", "expired"))
		wait := b.asked(t, b.ctx, w, nil)
		if wait.Form["type"] != "object" {
			t.Errorf("the form: %v", wait.Form)
		}
		v := true
		_, err := b.Answer(b.ctx, wait.ID, workflow.Answer{Approved: &v, Values: map[string]any{"amount": 0, "urgent": "very", "tenantId": "x"}})
		var paths []string
		for _, f := range problem.Of(err).Faults {
			paths = append(paths, f.Path)
		}
		slices.Sort(paths)
		if want := []string{"approved", "values.amount", "values.reason", "values.tenantId", "values.urgent"}; problem.KindOf(err) != problem.Invalid || !slices.Equal(paths, want) {
			t.Errorf("faults at %v, want %v: %v", paths, want, err)
		}
		if _, err := b.Answer(b.ctx, wait.ID, workflow.Answer{Values: map[string]any{"amount": json.Number("12345678901234567"), "reason": "broken"}}); err != nil {
			t.Fatal(err)
		}
		d := b.wait(t, wait.RunID)
		values := d.Output.(map[string]any)["of"].(map[string]any)["values"].(map[string]any)
		if port(d) != "success" || encoded(values) != `{"amount":12345678901234567,"reason":"broken","urgent":false}` {
			t.Errorf("%s: %s", port(d), encoded(values))
		}
	})
}

func TestWaitsOutliveTheEngine(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		w := b.publish(t, approving(map[string]any{"deadline": "366d"}))
		answered, kept := b.asked(t, b.ctx, w, nil), b.asked(t, b.ctx, w, nil)
		event := b.asked(t, b.ctx, b.publish(t, awaiting("paid", "")), nil)
		b.Abandon()
		// With no engine at all an answer and an event are still taken.
		if _, err := b.Answer(b.ctx, answered.ID, yes()); err != nil {
			t.Fatal(err)
		}
		if e, err := b.SendEvent(b.ctx, workflow.NewEvent{Name: "paid"}); err != nil || e.Status != workflow.EventDelivered {
			t.Fatalf("%+v, %v", e, err)
		}
		b.startEngine(t)
		if _, err := b.Answer(b.ctx, kept.ID, no()); err != nil {
			t.Fatal(err)
		}
		for runID, want := range map[string]string{answered.RunID: "approved", kept.RunID: "rejected", event.RunID: "success"} {
			if d := b.wait(t, runID); d.Status != workflow.RunSucceeded || port(d) != want {
				t.Errorf("%s by %q, want %q", d.Status, port(d), want)
			}
		}
	})
}

func TestWaitsCostNothing(t *testing.T) {
	b := setup(t, testdb.SQLite(t))
	const waits = 120
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
	for i := range waits {
		k := "n" + itoa(i)
		n := step(k, "approval", map[string]any{"title": "n", "deadline": "29s"}) // soon enough for a delay to have a timer of its own
		if i%2 == 0 {
			n = step(k, "waitEvent", map[string]any{"event": "e", "key": k, "timeout": "29s"})
		}
		g.Nodes = append(g.Nodes, n)
		g.Edges = append(g.Edges, edge("start", k))
	}
	w := b.publish(t, g)
	before := runtime.NumGoroutine()
	r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return b.waiting(t) == waits })
	if d, err := b.Run(b.ctx, r.ID); err != nil || d.Status != workflow.RunWaiting {
		t.Errorf("the run is %s: %v", d.Status, err)
	}
	eventually(t, func() bool { return runtime.NumGoroutine() < before+50 })
	// Every slot is free: another run is done at once.
	if d := b.run(t, b.publish(t, chain(step("a", "transform", map[string]any{"value": 1}))), nil); d.Status != workflow.RunSucceeded {
		t.Errorf("another run is %s", d.Status)
	}
	if _, err := b.Cancel(b.ctx, r.ID); err != nil {
		t.Fatal(err)
	}
}

func TestWaitsAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	wait := b.asked(t, b.ctx, b.publish(t, approving(nil)), nil)
	if _, err := b.Answer(b.ctx, wait.ID, yes()); err != nil {
		t.Fatal(err)
	}
	b.wait(t, wait.RunID)
	if err := b.StopEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
	var told []workflow.WaitStatus
	for _, e := range b.events.of("run:" + wait.RunID) {
		if data, ok := e.data.(workflow.WaitEvent); ok && e.kind == workflow.EventWait && data.ID == wait.ID && data.Key == "ask" {
			told = append(told, data.Status)
		}
	}
	if !slices.Equal(told, []workflow.WaitStatus{workflow.WaitOpen, workflow.WaitAnswered}) {
		t.Errorf("told %v", told)
	}
	asked := 0
	for _, e := range b.events.of("tenant:" + b.tenant) {
		if e.kind == workflow.EventWait {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("the tenant was told %d times", asked)
	}
}

// T5: whoever a node names is looked up when it is saved, and again when it is
// known.
func TestAssigneesAreLookedUp(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		known := id.New()
		b := setup(t, db, func(c *workflow.Config) {
			c.Assignees = func(_ context.Context, a workflow.Assignees) (workflow.Assignees, error) {
				var f problem.Faults
				for i, user := range a.Users {
					f.Check(user == known, "users."+itoa(i), "is not a member of this tenant")
				}
				return a, f.Err("assignee_unknown", "somebody does not exist")
			}
		})
		_, err := b.Create(b.ctx, workflow.NewWorkflow{Name: "x", Draft: approving(map[string]any{"users": []any{known, id.New(), "{{ input.boss }}"}})})
		faults := problem.Of(err).Faults
		if len(faults) != 1 || faults[0].Path != "nodes.ask.config.users.1" {
			t.Errorf("faults %+v of %v", faults, err)
		}
		w := b.publish(t, approving(map[string]any{"users": []any{"{{ input.boss }}"}}))
		if wait := b.asked(t, b.ctx, w, map[string]any{"boss": known}); !slices.Equal(wait.Assignees.Users, []string{known}) {
			t.Errorf("asked %+v", wait.Assignees)
		}
		for _, boss := range []string{id.New(), ""} {
			if d := b.run(t, w, map[string]any{"boss": boss}); d.Status != workflow.RunFailed || d.Error.Kind != problem.Invalid {
				t.Errorf("the boss %q: %s, %+v", boss, d.Status, d.Error)
			}
		}
	})
}

// A node of the host waits without knowing what an approval is.
func TestANodeOfTheHostWaits(t *testing.T) {
	t.Parallel()
	waiting := func(typ string, ports ...string) workflow.Node {
		return workflow.NodeFunc(workflow.NodeSpec{Type: typ, Ports: ports}, func(context.Context, *workflow.Call, struct{}) (any, error) {
			return workflow.Result{Wait: &workflow.Wait{Title: "Well?"}}, nil
		})
	}
	b := setup(t, testdb.SQLite(t), withNodes(waiting("ask", "success", "expired"), waiting("portless", "success")))
	if d := b.run(t, b.publish(t, chain(step("ask", "portless", nil))), nil); d.Status != workflow.RunFailed || d.Error.Code != "node_port_unknown" {
		t.Errorf("without a port for its end: %s %+v", d.Status, d.Error)
	}
	wait := b.asked(t, b.ctx, b.publish(t, chain(step("ask", "ask", nil))), nil)
	if _, err := b.Answer(b.ctx, wait.ID, workflow.Answer{Values: map[string]any{"n": 1}}); err != nil {
		t.Fatal(err)
	}
	d := b.wait(t, wait.RunID)
	if out, _ := d.Output.(map[string]any); encoded(out["values"]) != `{"n":1}` {
		t.Errorf("%s: %v", d.Status, d.Output)
	}
}

// A text that no database column holds fails the node that asks for it, and
// nothing that is stored together with it.
func TestAWaitWithANULFailsItsNode(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		d := b.run(t, b.publish(t, chain(step("wait", "waitEvent", map[string]any{"event": "paid", "key": "{{ input.key }}"}))), map[string]any{"key": "a\x00b"})
		if d.Status != workflow.RunFailed || d.Error.Code != "wait_invalid" {
			t.Errorf("the run is %s with %+v", d.Status, d.Error)
		}
	})
}

// An answer with much in it stands beside its row like any output.
func TestALargeAnswerIsStoredByReference(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		fields := map[string]any{"type": "object", "properties": map[string]any{"text": map[string]any{"type": "string"}}}
		wait := b.asked(t, b.ctx, b.publish(t, chain(step("form", "form", map[string]any{"title": "?", "fields": fields}))), nil)
		large := strings.Repeat("large ", 100_000)
		if _, err := b.Answer(b.ctx, wait.ID, workflow.Answer{Values: map[string]any{"text": large}}); err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, wait.RunID); d.Status != workflow.RunSucceeded || !strings.Contains(encoded(d.Output), large) {
			t.Errorf("%s with %d bytes: %+v", d.Status, len(encoded(d.Output)), d.Error)
		}
		var widest int
		err := db.NewRaw("SELECT MAX(length(output)) FROM ?schema.jet_run_output WHERE tenant_id = ? AND run_id = ?", b.tenant, wait.RunID).Scan(b.ctx, &widest)
		if err != nil || widest > 32<<10 {
			t.Errorf("a row has %d characters: %v", widest, err)
		}
	})
}
