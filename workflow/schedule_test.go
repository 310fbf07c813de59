package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// schedule makes one that would not fire in the time of a test.
func (b *bundle) schedule(t testing.TB, in workflow.NewSchedule) workflow.Schedule {
	t.Helper()
	if in.Name == "" {
		in.Name = id.New()
	}
	if in.Expression == "" {
		in.Expression = "@yearly"
	}
	s, err := b.CreateSchedule(b.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// turnBack makes a schedule wait for a time as if it had been planned.
func (b *bundle) turnBack(t testing.TB, scheduleID string, at time.Time) time.Time {
	t.Helper()
	at = at.UTC().Truncate(time.Second)
	n, err := store.Changed(b.db.NewRaw("UPDATE ?schema.jet_schedule SET next_at = ? WHERE id = ? AND tenant_id = ?", at, scheduleID, b.tenant).
		Exec(context.Background()))
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	return at
}

func (b *bundle) read(t testing.TB, scheduleID string) workflow.Schedule {
	t.Helper()
	s, err := b.Schedule(b.ctx, scheduleID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fired waits until a schedule has left a planned time behind.
func (b *bundle) fired(t testing.TB, scheduleID string, at time.Time) workflow.Schedule {
	t.Helper()
	var s workflow.Schedule
	eventually(t, func() bool {
		s = b.read(t, scheduleID)
		return s.NextAt == nil || s.NextAt.After(at)
	})
	return s
}

// plannedOf are the planned times of runs, as their keys name them.
func plannedOf(t testing.TB, runs []workflow.Run) []time.Time {
	t.Helper()
	var times []time.Time
	for _, r := range runs {
		at, err := time.Parse(time.RFC3339, r.IdempotencyKey[strings.LastIndex(r.IdempotencyKey, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, at)
	}
	return times
}

func declared(name string) workflow.Graph {
	g := chain()
	g.Nodes[0].Config = map[string]any{"input": map[string]any{
		"type": "object", "required": []any{name}, "properties": map[string]any{name: map[string]any{"type": "string"}},
	}}
	return g
}

// slow is a graph whose runs wait for a day.
func slow() workflow.Graph {
	return chain(step("wait", "delay", map[string]any{"duration": "24h"}))
}

func TestScheduleStartsARunOfItsOwn(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, declared("country"))
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Input: map[string]any{"country": "DE"}})
		if !s.Enabled || s.NextAt == nil || s.Zone != "UTC" || s.Overlap != workflow.OverlapSkip || s.CatchUp != workflow.CatchUpLast {
			t.Fatalf("made %s", encoded(s))
		}
		at := b.turnBack(t, s.ID, time.Now())
		s = b.fired(t, s.ID, at)
		if s.LastAt == nil || !s.LastAt.Equal(at) || s.LastError != nil {
			t.Fatalf("after the time: %s", encoded(s))
		}
		d := b.wait(t, s.LastRunID)
		if d.Status != workflow.RunSucceeded || d.Trigger != workflow.TriggerSchedule || d.StartedBy != "service:schedule:"+s.ID || d.Input["country"] != "DE" {
			t.Fatalf("the run: %s", encoded(d))
		}
		if d.IdempotencyKey != "schedule/"+s.ID+"/"+at.Format(time.RFC3339) {
			t.Fatalf("its key is %q", d.IdempotencyKey)
		}
		if s.Version != 1 {
			t.Fatalf("firing changed the version to %d", s.Version)
		}
	})
}

// It fires at most a second after its time, or after a timer of this process: a
// machine that is busy keeps both waiting. Of several times the best one counts,
// for what else the machine does between the two.
func TestScheduleIsOnTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: b.publish(t, chain())})
		reference := b.publish(t, chain())
		var late []time.Duration
		for range 5 {
			at := b.turnBack(t, s.ID, time.Now().Add(3*time.Second))
			timer := time.NewTimer(time.Until(at))
			<-timer.C
			beside, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: reference})
			if err != nil {
				t.Fatal(err)
			}
			run, err := b.Run(b.ctx, b.fired(t, s.ID, at).LastRunID)
			if err != nil {
				t.Fatal(err)
			}
			if run.CreatedAt.Before(at) {
				t.Fatalf("the run was started %s before its time", at.Sub(run.CreatedAt))
			}
			late = append(late, min(run.CreatedAt.Sub(at), run.CreatedAt.Sub(beside.CreatedAt)))
			if late[len(late)-1] <= time.Second {
				return
			}
		}
		t.Errorf("late by %v", late)
	})
}

// However many engines there are, a planned time starts one run.
func TestManyEnginesFireOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for range 3 {
			other := newBundle(t, db)
			other.startEngine(t)
		}
		const schedules = 12
		flow := b.publish(t, chain())
		var ids []string
		for range schedules {
			ids = append(ids, b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Overlap: workflow.OverlapAllow}).ID)
		}
		var want []string
		for round := range 3 {
			at := time.Now().Add(time.Duration(round) * time.Second)
			for _, s := range ids {
				want = append(want, "schedule/"+s+"/"+b.turnBack(t, s, at).Format(time.RFC3339))
			}
			for _, s := range ids {
				b.fired(t, s, at)
			}
		}
		var got []string
		for _, r := range b.runsOf(t, flow) {
			got = append(got, r.IdempotencyKey)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%d runs, want %d:\n%v\n%v", len(got), len(want), got, want)
		}
	})
}

// A clock that jumps, or a process that comes back, finds the same planned time
// again: it does not start a second run.
func TestAClockThatJumpsBackFiresNothingTwice(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, chain())
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Overlap: workflow.OverlapAllow})
		at := b.turnBack(t, s.ID, time.Now())
		first := b.fired(t, s.ID, at)
		b.turnBack(t, s.ID, at)
		again := b.fired(t, s.ID, at)
		if runs := b.runsOf(t, flow); len(runs) != 1 || again.LastRunID != first.LastRunID {
			t.Fatalf("%d runs, last %s and %s", len(runs), first.LastRunID, again.LastRunID)
		}
	})
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		policy workflow.CatchUp
		limit  int
		want   int
	}{
		{workflow.CatchUpNone, 0, 0},
		{workflow.CatchUpLast, 0, 1},
		{workflow.CatchUpAll, 3, 3},
		{workflow.CatchUpAll, 100, 6},
	}
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for _, test := range tests {
			// Every hour, the last time half an hour ago. The clock jumps six hours, or no
			// process was there for as long.
			last := time.Now().UTC().Add(-30 * time.Minute).Truncate(time.Minute)
			flow := b.publish(t, chain())
			s := b.schedule(t, workflow.NewSchedule{
				WorkflowID: flow, Expression: fmt.Sprintf("%d * * * *", last.Minute()), Overlap: workflow.OverlapAllow,
				CatchUp: test.policy, CatchUpLimit: test.limit,
			})
			first := b.turnBack(t, s.ID, last.Add(-5*time.Hour))
			s = b.fired(t, s.ID, last)
			var want []time.Time
			for i := range test.want {
				want = append(want, last.Add(-time.Duration(test.want-1-i)*time.Hour))
			}
			if got := plannedOf(t, b.runsOf(t, flow)); !slices.EqualFunc(got, want, time.Time.Equal) {
				t.Errorf("%s, limit %d: runs for %v, want %v", test.policy, test.limit, got, want)
			}
			if left := test.want < 6; left != (s.SkippedAt != nil && s.SkippedAt.Equal(first)) {
				t.Errorf("%s, limit %d: left out %v", test.policy, test.limit, s.SkippedAt)
			}
			if next := last.Add(time.Hour); !s.NextAt.Equal(next) {
				t.Errorf("%s, limit %d: next at %s, want %s", test.policy, test.limit, s.NextAt, next)
			}
		}
	})
}

// What the platform fails at, after an outage say, is tried again however late the
// time is already, and then the times behind it have their turn.
func TestCatchUpEnduresWhatFailsForAMoment(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var asked atomic.Int32
		b := setup(t, db, func(c *workflow.Config) {
			c.Hooks.BeforeStart = func(context.Context, workflow.StartParams) error {
				if n := asked.Add(1); n == 1 || n == 3 {
					return errors.New("not yet")
				}
				return nil
			}
		})
		flow := b.publish(t, chain())
		last := time.Now().UTC().Add(-30 * time.Minute).Truncate(time.Minute)
		s := b.schedule(t, workflow.NewSchedule{
			WorkflowID: flow, Expression: fmt.Sprintf("%d * * * *", last.Minute()), Overlap: workflow.OverlapAllow, CatchUp: workflow.CatchUpAll, CatchUpLimit: 10,
		})
		b.turnBack(t, s.ID, last.Add(-2*time.Hour))
		s = b.fired(t, s.ID, last)
		want := []time.Time{last.Add(-2 * time.Hour), last.Add(-time.Hour), last}
		if got := plannedOf(t, b.runsOf(t, flow)); !slices.EqualFunc(got, want, time.Time.Equal) || s.LastError != nil {
			t.Errorf("runs for %v, want %v: %+v", got, want, s.LastError)
		}
	})
}

// Each run that is made up for cancels the one before it, also when that is one of
// the same look.
func TestCatchUpCancelsThePrevious(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, slow())
		last := time.Now().UTC().Add(-30 * time.Minute).Truncate(time.Minute)
		s := b.schedule(t, workflow.NewSchedule{
			WorkflowID: flow, Expression: fmt.Sprintf("%d * * * *", last.Minute()), Overlap: workflow.OverlapCancelPrevious, CatchUp: workflow.CatchUpAll, CatchUpLimit: 10,
		})
		b.turnBack(t, s.ID, last.Add(-2*time.Hour))
		s = b.fired(t, s.ID, last)
		runs := b.runsOf(t, flow)
		if len(runs) != 3 || runs[0].Status != workflow.RunCancelled || runs[1].Status != workflow.RunCancelled || runs[2].Status.Final() {
			t.Errorf("%s, %+v", encoded(runs), s.LastError)
		}
	})
}

// A schedule of every minute that was left alone for years is not walked through.
func TestCatchUpOfYearsIsQuick(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, chain())
		s := b.schedule(t, workflow.NewSchedule{
			WorkflowID: flow, Expression: "* * * * *", Overlap: workflow.OverlapAllow, CatchUp: workflow.CatchUpAll, CatchUpLimit: 20,
		})
		b.turnBack(t, s.ID, time.Now().AddDate(-30, 0, 0))
		start := time.Now()
		b.fired(t, s.ID, start)
		if n := len(b.runsOf(t, flow)); n < 20 || n > 22 {
			t.Fatalf("%d runs, want the limit of 20 and what became due since", n)
		}
	})
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		policy workflow.Overlap
		want   []workflow.RunStatus
	}{
		{workflow.OverlapSkip, []workflow.RunStatus{workflow.RunWaiting}},
		{workflow.OverlapAllow, []workflow.RunStatus{workflow.RunWaiting, workflow.RunWaiting}},
		{workflow.OverlapCancelPrevious, []workflow.RunStatus{workflow.RunCancelled, workflow.RunWaiting}},
	}
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for _, test := range tests {
			flow := b.publish(t, slow())
			s := b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Overlap: test.policy})
			first := b.turnBack(t, s.ID, time.Now().Add(-10*time.Second))
			s = b.fired(t, s.ID, first)
			eventually(t, func() bool { return b.runsOf(t, flow)[0].Status == workflow.RunWaiting })
			second := b.turnBack(t, s.ID, time.Now())
			s = b.fired(t, s.ID, second)
			var got []workflow.RunStatus
			eventually(t, func() bool {
				got = nil
				for _, r := range b.runsOf(t, flow) {
					got = append(got, r.Status)
				}
				return slices.Equal(got, test.want)
			})
			if skipped := s.SkippedAt != nil && s.SkippedAt.Equal(second); skipped != (test.policy == workflow.OverlapSkip) {
				t.Errorf("%s: skipped %v", test.policy, s.SkippedAt)
			}
		}
	})
}

// What keeps a schedule from starting its run is recorded, and is nobody else's
// trouble.
func TestAScheduleThatCannotStartBlocksNoOther(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var refuse, crash atomic.Value
		refuse.Store("")
		crash.Store("")
		b := setup(t, db, func(c *workflow.Config) {
			c.Hooks.BeforeStart = func(_ context.Context, p workflow.StartParams) error {
				switch p.WorkflowID {
				case refuse.Load():
					return problem.New(problem.Forbidden, "not_today", "not today")
				case crash.Load():
					panic("a hook of the host")
				}
				return nil
			}
		})
		draft, err := b.Create(b.ctx, workflow.NewWorkflow{Name: id.New(), Draft: chain()})
		if err != nil {
			t.Fatal(err)
		}
		deleted, invalid, refused, crashed, good := b.publish(t, chain()), b.publish(t, chain()), b.publish(t, chain()), b.publish(t, chain()), b.publish(t, chain())
		refuse.Store(refused)
		crash.Store(crashed)
		want := map[string]string{draft.ID: "workflow_not_published", deleted: "not_found", invalid: "run_invalid", refused: "not_today", crashed: "schedule_crashed", good: ""}
		schedules := map[string]string{}
		for flow := range want {
			schedules[flow] = b.schedule(t, workflow.NewSchedule{WorkflowID: flow}).ID
		}
		if err := b.Delete(b.ctx, deleted); err != nil {
			t.Fatal(err)
		}
		graph := declared("country")
		if _, err := b.Update(b.ctx, invalid, workflow.Update{Draft: &graph}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(b.ctx, invalid, 0); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for _, s := range schedules {
			b.turnBack(t, s, at)
		}
		for flow, code := range want {
			s := b.fired(t, schedules[flow], at)
			switch {
			case code == "" && (s.LastError != nil || s.LastRunID == ""):
				t.Errorf("the good one: %s", encoded(s))
			case code != "" && (s.LastError == nil || s.LastError.Code != code || s.LastRunID != "" || !s.Enabled):
				t.Errorf("want %s: %s", code, encoded(s))
			}
		}
	})
}

// The bound on how many runs of a workflow are under way holds for triggers too.
func TestTriggersKeepToTheBoundOfRuns(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		bounded := func(policy workflow.ConcurrencyPolicy) string {
			g := slow()
			g.Settings = &workflow.Settings{Concurrency: &workflow.Concurrency{Max: 1, Policy: policy}}
			return b.publish(t, g)
		}
		refusing, replacing := bounded(workflow.ConcurrencyReject), bounded(workflow.ConcurrencyCancelOldest)
		for _, flow := range []string{refusing, replacing} {
			hook := b.webhook(t, workflow.NewWebhook{WorkflowID: flow})
			hook.mustDeliver(t, hook.delivery(`{"n":1}`))
			s := b.schedule(t, workflow.NewSchedule{WorkflowID: flow})
			at := b.turnBack(t, s.ID, time.Now())
			s = b.fired(t, s.ID, at)
			_, err := hook.deliver(hook.delivery(`{"n":2}`))
			runs := b.runsOf(t, flow)
			switch flow {
			case refusing:
				if len(runs) != 1 || s.LastError == nil || s.LastError.Code != "concurrency_limit" || problem.KindOf(err) != problem.RateLimited {
					t.Errorf("refused: %d runs, %s, %v", len(runs), encoded(s), err)
				}
			default:
				if len(runs) != 3 || err != nil || runs[0].Status != workflow.RunCancelled || runs[1].Status != workflow.RunCancelled {
					t.Errorf("replaced: %s, %v", encoded(runs), err)
				}
			}
		}
	})
}

func TestScheduleIsChecked(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		flow := b.publish(t, declared("country"))
		foreign := newBundle(t, db).publish(t, chain())
		good := workflow.NewSchedule{WorkflowID: flow, Name: "Daily", Expression: "@daily", Input: map[string]any{"country": "DE"}}
		tests := map[string]func(*workflow.NewSchedule){
			"name":          func(in *workflow.NewSchedule) { in.Name = " " },
			"expression":    func(in *workflow.NewSchedule) { in.Expression = "TZ=UTC 0 0 * * *" },
			"zone":          func(in *workflow.NewSchedule) { in.Zone = "Local" },
			"overlap":       func(in *workflow.NewSchedule) { in.Overlap = "maybe" },
			"catchUp":       func(in *workflow.NewSchedule) { in.CatchUp = "maybe" },
			"catchUpLimit":  func(in *workflow.NewSchedule) { in.CatchUpLimit = 101 },
			"input.country": func(in *workflow.NewSchedule) { in.Input = map[string]any{} },
			"input":         func(in *workflow.NewSchedule) { in.Input = map[string]any{"country": strings.Repeat("x", 65<<10)} },
			"workflowId":    func(in *workflow.NewSchedule) { in.WorkflowID = foreign }, // T5
		}
		for path, spoil := range tests {
			in := good
			spoil(&in)
			_, err := b.CreateSchedule(b.ctx, in)
			if faults := problem.Of(err); problem.KindOf(err) != problem.Invalid || len(faults.Faults) != 1 || faults.Faults[0].Path != path {
				t.Errorf("%s: %v", path, err)
			}
		}
		s, err := b.CreateSchedule(b.ctx, good)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.CreateSchedule(b.ctx, good); problem.KindOf(err) != problem.Conflict {
			t.Errorf("the same name: %v", err)
		}
		// T31: what is checked when it is made is checked when it is changed.
		bad, zone, overlap, catchUp, limit := "* * *", "Nowhere", workflow.Overlap("x"), workflow.CatchUp("x"), 0
		for path, in := range map[string]workflow.ScheduleUpdate{
			"expression": {Expression: &bad}, "zone": {Zone: &zone}, "overlap": {Overlap: &overlap}, "catchUp": {CatchUp: &catchUp},
			"catchUpLimit": {CatchUpLimit: &limit}, "input.country": {Input: map[string]any{"country": 7}},
		} {
			if _, err := b.UpdateSchedule(b.ctx, s.ID, in); problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != path {
				t.Errorf("update %s: %v", path, err)
			}
		}
	})
}

func TestScheduleChanges(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: b.publish(t, chain()), Expression: "@hourly", Disabled: true})
		if s.Enabled || s.NextAt != nil {
			t.Fatalf("made disabled: %s", encoded(s))
		}
		yes, no, daily := true, false, "0 3 * * *"
		s, err := b.UpdateSchedule(b.ctx, s.ID, workflow.ScheduleUpdate{Enabled: &yes, Version: 1})
		if err != nil || s.NextAt == nil || s.NextAt.Minute() != 0 || s.Version != 2 {
			t.Fatalf("enabled: %s, %v", encoded(s), err)
		}
		if _, err := b.UpdateSchedule(b.ctx, s.ID, workflow.ScheduleUpdate{Enabled: &no, Version: 1}); problem.KindOf(err) != problem.Stale {
			t.Fatalf("a stale version: %v", err)
		}
		name := "Nightly"
		s, err = b.UpdateSchedule(b.ctx, s.ID, workflow.ScheduleUpdate{Expression: &daily, Name: &name})
		if err != nil || s.NextAt.Hour() != 3 || s.Name != name {
			t.Fatalf("another expression: %s, %v", encoded(s), err)
		}
		// What lies in the past is not caught up by enabling it again.
		b.turnBack(t, s.ID, time.Now().Add(-time.Hour))
		if _, err := b.UpdateSchedule(b.ctx, s.ID, workflow.ScheduleUpdate{Enabled: &no}); err != nil {
			t.Fatal(err)
		}
		s, err = b.UpdateSchedule(b.ctx, s.ID, workflow.ScheduleUpdate{Enabled: &yes})
		if err != nil || !s.NextAt.After(time.Now()) {
			t.Fatalf("enabled again: %s, %v", encoded(s), err)
		}
		other := as(newTenant(t, db), "*")
		if _, err := b.Schedule(other, s.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("T1: another tenant: %v", err)
		}
		if err := b.DeleteSchedule(other, s.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("T1: another tenant: %v", err)
		}
		if _, err := b.CreateSchedule(as(b.tenant, auth.ScheduleCreate), workflow.NewSchedule{WorkflowID: s.WorkflowID, Name: "x", Expression: "@daily"}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("without the right to start the workflow: %v", err)
		}
		if err := b.DeleteSchedule(b.ctx, s.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Schedule(b.ctx, s.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("deleted: %v", err)
		}
		var actions []string
		for _, e := range *b.audits {
			if e.ObjectType == "schedule" {
				actions = append(actions, e.Action)
			}
		}
		if got := strings.Join(actions, " "); got != "schedule.create schedule.update schedule.update schedule.update schedule.update schedule.delete" {
			t.Errorf("audited %s", got)
		}
	})
}

func TestPreview(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		list, err := b.PreviewSchedule(b.ctx, "30 2 * * *", "Europe/Berlin", 50)
		if err != nil || len(list) != 50 || !list[0].At.After(time.Now()) {
			t.Fatalf("%d times, %v", len(list), err)
		}
		for i := 1; i < len(list); i++ {
			if !list[i].At.After(list[i-1].At) || len(list[i].Local) != len("2026-01-01T02:30:00+01:00") {
				t.Fatalf("%s after %s", list[i], list[i-1])
			}
		}
		for _, count := range []int{0, -1, 51} {
			if _, err := b.PreviewSchedule(b.ctx, "@daily", "UTC", count); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%d times: %v", count, err)
			}
		}
		if _, err := b.PreviewSchedule(b.ctx, "TZ=", "Mars/Base", 1); len(problem.Of(err).Faults) != 2 {
			t.Errorf("two faults: %v", err)
		}
		if list, err := b.PreviewSchedule(b.ctx, "@daily", "", 1); err != nil || len(list) != 1 || list[0].At.Hour() != 0 {
			t.Errorf("no zone is UTC: %v, %v", list, err)
		}
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: b.publish(t, chain()), Disabled: true})
		if list, err := b.NextTimes(b.ctx, s.ID, 2); err != nil || len(list) != 2 || list[0].At.Month() != time.January {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// The zone of a schedule that names none is the tenant's of when it is made.
func TestScheduleTakesTheZoneOfTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		zone := "Asia/Kolkata"
		b := newBundle(t, db, func(c *workflow.Config) {
			c.Zone = func(context.Context, string) (string, error) { return zone, nil }
		})
		flow := b.publish(t, chain())
		none := b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Expression: "0 0 * * *"})
		named := b.schedule(t, workflow.NewSchedule{WorkflowID: flow, Expression: "0 0 * * *", Zone: "UTC"})
		if none.Zone != zone || none.NextAt.Hour() != 18 || none.NextAt.Minute() != 30 || named.Zone != "UTC" || named.NextAt.Hour() != 0 {
			t.Errorf("made %s and %s", encoded(none), encoded(named))
		}
		if list, err := b.PreviewSchedule(b.ctx, "0 0 * * *", "", 1); err != nil || !strings.HasSuffix(list[0].Local, "T00:00:00+05:30") {
			t.Errorf("%v, %v", list, err)
		}
		zone = "Europe/Berlin"
		name := "renamed"
		if kept, err := b.UpdateSchedule(b.ctx, none.ID, workflow.ScheduleUpdate{Name: &name}); err != nil || kept.Zone != none.Zone || !kept.NextAt.Equal(*none.NextAt) {
			t.Errorf("moved to %s (%v)", encoded(kept), err)
		}
		if list, err := b.NextTimes(b.ctx, none.ID, 1); err != nil || !list[0].At.Equal(*none.NextAt) {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// T5: a reference to another tenant's workflow that got into the database by
// another way leads nowhere.
func TestT5_TriggersStayInTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, other := setup(t, db, withKeys(t)), newBundle(t, db)
		own, foreign := b.publish(t, chain()), other.publish(t, chain())
		s, hook := b.schedule(t, workflow.NewSchedule{WorkflowID: own}), b.webhook(t, workflow.NewWebhook{WorkflowID: own})
		for _, table := range []string{"jet_schedule", "jet_webhook"} {
			if _, err := db.NewRaw("UPDATE ?schema."+table+" SET workflow_id = ? WHERE tenant_id = ?", foreign, b.tenant).Exec(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		at := b.turnBack(t, s.ID, time.Now())
		if s = b.fired(t, s.ID, at); s.LastError == nil || s.LastError.Kind != problem.NotFound {
			t.Errorf("the schedule: %s", encoded(s))
		}
		if _, err := hook.deliver(hook.delivery(`{}`)); problem.KindOf(err) != problem.Conflict {
			t.Errorf("the webhook: %v", err)
		}
		if n := len(b.runsOf(t, foreign)) + len(other.runsOf(t, foreign)); n != 0 {
			t.Errorf("%d runs were started", n)
		}
	})
}

// Nobody can take a trigger's keys, and so keep it from starting its runs.
func TestKeysOfTriggersAreReserved(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		flow := b.publish(t, chain())
		for _, key := range []string{"schedule/x/2026-01-01T00:00:00Z", "webhook/x", "failure/x"} {
			_, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: flow, IdempotencyKey: key})
			if problem.KindOf(err) != problem.Invalid {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}
