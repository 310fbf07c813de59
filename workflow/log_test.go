package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// logging is a node type that does what a test says with its logger.
func logging(fn func(call *workflow.Call) error) func(*workflow.Config) {
	n := workflow.NodeFunc(workflow.NodeSpec{Type: "logging"}, func(_ context.Context, call *workflow.Call, _ struct{}) (any, error) {
		return nil, fn(call)
	})
	return func(cfg *workflow.Config) { cfg.Nodes = append(cfg.Nodes, n) }
}

// logs reads every line of a run, page by page.
func (b *bundle) logs(t *testing.T, runID string, f workflow.LogFilter) []workflow.LogLine {
	t.Helper()
	var all []workflow.LogLine
	for r := (page.Request{Limit: 200}); ; {
		p, err := b.Logs(b.ctx, runID, f, r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Items...)
		if r.Cursor = p.NextCursor; r.Cursor == "" {
			return all
		}
	}
}

func TestLogKeepsWhatNodesLog(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			log := call.Logger.With("order", 7).WithGroup("http")
			log.Info("asked", "status", 200, "took", time.Second, "error", errors.New("none"))
			log.Warn("slow", slog.Group("limit", "ms", 5))
			call.Logger.Debug("the host does not show this level")
			call.Logger.Error("broken", "value", math.NaN(), slog.Group("nothing"))
			return nil
		}))
		run := b.run(t, b.publish(t, chain(step("a", "logging", nil), step("b", "logging", nil))), nil)

		lines := b.logs(t, run.ID, workflow.LogFilter{})
		if len(lines) != 6 {
			t.Fatalf("the log has %d lines: %s", len(lines), encoded(lines))
		}
		for i, want := range []workflow.LogLine{
			{Node: "a", Attempt: 1, Seq: 1, Level: workflow.LogInfo, Message: "asked",
				Attributes: map[string]any{"order": 7.0, "http": map[string]any{"status": 200.0, "took": "1s", "error": "none"}}},
			{Node: "a", Attempt: 1, Seq: 2, Level: workflow.LogWarn, Message: "slow",
				Attributes: map[string]any{"order": 7.0, "http": map[string]any{"limit": map[string]any{"ms": 5.0}}}},
			{Node: "a", Attempt: 1, Seq: 3, Level: workflow.LogError, Message: "broken", Attributes: map[string]any{"value": "NaN"}},
			{Node: "b", Attempt: 1, Seq: 1, Level: workflow.LogInfo, Message: "asked",
				Attributes: map[string]any{"order": 7.0, "http": map[string]any{"status": 200.0, "took": "1s", "error": "none"}}},
		} {
			got := lines[i]
			if got.ID == "" || got.At.Before(run.CreatedAt) {
				t.Errorf("line %d has the id %q and the time %s", i, got.ID, got.At)
			}
			if want.ID, want.At = got.ID, got.At; encoded(got) != encoded(want) {
				t.Errorf("line %d is\n%s, want\n%s", i, encoded(got), encoded(want))
			}
		}
		if got := b.logs(t, run.ID, workflow.LogFilter{Node: "b"}); len(got) != 3 || got[0].Node != "b" {
			t.Errorf("the lines of b are %s", encoded(got))
		}
		if got := b.logs(t, run.ID, workflow.LogFilter{After: lines[4].ID}); len(got) != 1 || got[0].ID != lines[5].ID {
			t.Errorf("after the fifth line come %s", encoded(got))
		}
		eventually(t, func() bool { return len(ofKind(b.events.of("run:"+run.ID), workflow.EventLog)) == 6 })
		live, _ := ofKind(b.events.of("run:"+run.ID), workflow.EventLog)[0].data.(workflow.LogEvent)
		if live.ID != lines[0].ID || live.Message != "asked" || live.Node != "a" || live.Seq != 1 || len(live.Attributes) == 0 {
			t.Errorf("the first line was sent live as %s", encoded(live))
		}
	})
}

func ofKind(events []recorded, kind string) []recorded {
	var list []recorded
	for _, e := range events {
		if e.kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func TestLogCountsAttempts(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			call.Logger.Info("try")
			if call.Attempt < 3 {
				return errors.New("not yet")
			}
			return nil
		}))
		n := step("a", "logging", nil)
		n.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 3, Delay: workflow.Duration(time.Millisecond)}}
		run := b.run(t, b.publish(t, chain(n)), nil)
		lines := b.logs(t, run.ID, workflow.LogFilter{})
		if len(lines) != 3 {
			t.Fatalf("the log is %s", encoded(lines))
		}
		for i, l := range lines {
			if l.Attempt != i+1 || l.Seq != 1 {
				t.Errorf("line %d is of attempt %d, number %d", i, l.Attempt, l.Seq)
			}
		}
	})
}

// A node that logs without end harms neither the database nor its run.
func TestLogFloodIsCut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			for i := range 50_000 {
				call.Logger.Info("line " + itoa(i))
			}
			return nil
		}), func(cfg *workflow.Config) { cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) })
		began := time.Now()
		run := b.run(t, b.publish(t, chain(step("a", "logging", nil))), nil)
		if run.Status != workflow.RunSucceeded {
			t.Errorf("the run is %s", run.Status)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the run took %s", took)
		}
		b.allStored(t, run.ID, workflow.MaxAttemptLines)
		lines := b.logs(t, run.ID, workflow.LogFilter{})
		if len(lines) != workflow.MaxAttemptLines || !lines[len(lines)-1].Truncated || lines[0].Truncated {
			t.Errorf("%d lines, the last is %s", len(lines), encoded(lines[len(lines)-1]))
		}
		sent := 0
		for _, e := range ofKind(b.events.of("run:"+run.ID), workflow.EventLog) {
			if l, _ := e.data.(workflow.LogEvent); l.Dropped > 0 {
				sent += l.Dropped
			} else {
				sent++
			}
		}
		if sent != workflow.MaxAttemptLines {
			t.Errorf("watchers heard of %d lines", sent)
		}
	})
}

// allStored waits until lines that are still on their way are in the database.
func (b *bundle) allStored(t *testing.T, runID string, lines int) {
	t.Helper()
	eventually(t, func() bool { return len(b.logs(t, runID, workflow.LogFilter{})) >= lines })
}

// Many attempts do not add up to more than a run may keep.
func TestLogOfARunIsBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			for range 100 {
				call.Logger.Info(strings.Repeat("x", 4000))
			}
			return nil
		}), func(cfg *workflow.Config) { cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) })
		steps := make([]workflow.GraphNode, 24) // a quarter of a megabyte each, six in all
		for i := range steps {
			steps[i] = step("n"+itoa(i), "logging", nil)
		}
		run := b.run(t, b.publish(t, chain(steps...)), nil)
		var lines []workflow.LogLine
		eventually(t, func() bool {
			lines = b.logs(t, run.ID, workflow.LogFilter{})
			return len(lines) > 0 && strings.Contains(lines[len(lines)-1].Message, "of this run")
		})
		size := 0
		for _, l := range lines {
			size += len(l.Message)
		}
		if size > workflow.MaxRunLog+workflow.MaxLogLine || size < workflow.MaxRunLog/2 {
			t.Errorf("%d bytes in %d lines are kept of the run", size, len(lines))
		}
	})
}

func TestLogTakesAnyText(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error {
			call.Logger.Info(strings.Repeat("ä", 10<<20), "more", strings.Repeat("b", 10<<20), "small", 1)
			call.Logger.Info("\xff\xfe a\x00b \xc3", "k\x00\xff", "v\x00\xff", "bytes", []byte{0, 0xff})
			call.Logger.Info("", "fn", func() {}, "panics", crash{}, "valuer", slog.AnyValue(crash{}))
			deep := slog.String("k", "v")
			for range 100 {
				deep = slog.Group("g", deep)
			}
			call.Logger.Info("deep", deep)
			var many []any
			for i := range 5000 {
				many = append(many, "key"+itoa(i), i)
			}
			call.Logger.Info("many", many...)
			return nil
		}), func(cfg *workflow.Config) { cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) })
		run := b.run(t, b.publish(t, chain(step("a", "logging", nil))), nil)
		if run.Status != workflow.RunSucceeded {
			t.Fatalf("the run is %s", encoded(run))
		}
		b.allStored(t, run.ID, 5)
		lines := b.logs(t, run.ID, workflow.LogFilter{})
		if l := lines[0]; len(l.Message) > workflow.MaxLogLine || !utf8.ValidString(l.Message) || !l.Truncated || l.Attributes["small"] != 1.0 {
			t.Errorf("the huge line has %d bytes, truncated %v, attributes %.100s", len(l.Message), l.Truncated, encoded(l.Attributes))
		}
		if l := lines[1]; l.Message != "\uFFFD a\uFFFDb \uFFFD" || l.Attributes["k\uFFFD\uFFFD"] != "v\uFFFD\uFFFD" {
			t.Errorf("invalid text became %q, %s", l.Message, encoded(l.Attributes))
		}
		if l := lines[2]; l.Message != "" || l.Attributes["panics"] != nil || !l.Truncated {
			t.Errorf("values that cannot be written became %s", encoded(l))
		}
		for _, i := range []int{3, 4} {
			if l := lines[i]; !l.Truncated || len(l.Attributes) == 0 || len(encoded(l.Attributes)) > workflow.MaxLogLine {
				t.Errorf("line %d is %.200s", i, encoded(l))
			}
		}
	})
}

type crash struct{}

func (crash) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }

// What a node that was given up logs later is not taken for the next attempt's.
func TestLogEndsWithItsAttempt(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var kept atomic.Pointer[slog.Logger]
		b := setup(t, db, logging(func(call *workflow.Call) error {
			call.Logger.Info("during")
			kept.Store(call.Logger)
			return nil
		}))
		run := b.run(t, b.publish(t, chain(step("a", "logging", nil))), nil)
		kept.Load().Info("after")
		kept.Load().With("k", "v").WithGroup("g").Error("after")
		if again := b.run(t, b.publish(t, chain(step("a", "logging", nil))), nil); len(b.logs(t, again.ID, workflow.LogFilter{})) != 1 {
			t.Error("the next run has another log")
		}
		if lines := b.logs(t, run.ID, workflow.LogFilter{}); len(lines) != 1 || lines[0].Message != "during" {
			t.Errorf("the log is %s", encoded(lines))
		}
	})
}

// T1: the log of another tenant's run is not there.
func TestLogsStayInTheirTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, logging(func(call *workflow.Call) error { call.Logger.Info("ours"); return nil }))
		run := b.run(t, b.publish(t, chain(step("a", "logging", nil))), nil)
		foreign := newTenant(t, db)
		if _, err := b.Logs(as(foreign, "*"), run.ID, workflow.LogFilter{}, page.Request{}); problem.KindOf(err) != problem.NotFound {
			t.Errorf("another tenant got %v", err)
		}
		if _, err := b.Logs(as(b.tenant, "run.list"), run.ID, workflow.LogFilter{}, page.Request{}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("who may not read runs got %v", err)
		}
		for _, missing := range []string{id.New(), "nonsense"} {
			if _, err := b.Logs(b.ctx, missing, workflow.LogFilter{}, page.Request{}); problem.KindOf(err) != problem.NotFound {
				t.Errorf("a run that is not there gave %v", err)
			}
		}
		if _, err := b.Logs(b.ctx, run.ID, workflow.LogFilter{After: "x' OR 1=1"}, page.Request{}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("a bad after gave %v", err)
		}
	})
}

// statementCount counts statements on a table.
type statementCount struct {
	table string
	n     atomic.Int64
}

func (c *statementCount) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if strings.Contains(e.Query, c.table) {
		c.n.Add(1)
	}
	return ctx
}

func (c *statementCount) AfterQuery(context.Context, *bun.QueryEvent) {}

func TestLogCostsNothingWithoutLines(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		count := &statementCount{table: "jet_run_log"}
		counted := *db
		counted.DB = db.DB.WithQueryHook(count)
		b := setup(t, &counted, logging(func(call *workflow.Call) error {
			if call.Key == "loud" {
				for range 20 {
					call.Logger.Info("x")
				}
			}
			return nil
		}))
		b.run(t, b.publish(t, chain(step("a", "logging", nil), step("b", "logging", nil))), nil)
		if n := count.n.Load(); n != 0 {
			t.Errorf("%d statements without a line", n)
		}
		b.run(t, b.publish(t, chain(step("loud", "logging", nil))), nil)
		if n := count.n.Load(); n == 0 || n > 4 {
			t.Errorf("%d statements for twenty lines", n)
		}
	})
}

// Whatever attributes hold, what is kept of them is JSON within the limit.
func FuzzLogText(f *testing.F) {
	f.Add("message", "key", "value", 100)
	f.Add("\x00\xff", "a\xc3", strings.Repeat("\x00", 50), 20)
	f.Fuzz(func(t *testing.T, message, key, value string, limit int) {
		if limit < 16 || limit > 1<<16 {
			t.Skip()
		}
		clean, _ := workflow.CleanText(message, limit)
		if len(clean) > limit || !utf8.ValidString(clean) || strings.ContainsRune(clean, 0) {
			t.Errorf("%q became %q", message, clean)
		}
		text := workflow.AttributesOf([]slog.Attr{slog.String(key, value), slog.Group(key, slog.Any(value, key)), slog.Int("n", 1)}, limit)
		if text == "" {
			return
		}
		if len(text) > limit || !isJSONObject(text) || strings.ContainsRune(text, 0) {
			t.Errorf("the attributes became %q", text)
		}
	})
}

func isJSONObject(s string) bool {
	var m map[string]any
	return json.Unmarshal([]byte(s), &m) == nil
}
