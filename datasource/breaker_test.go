package datasource_test

import (
	"context"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// requireCode runs a query and looks at the code of its error, "" = none.
func (w *world) requireCode(t *testing.T, queryID, code string) *problem.Error {
	t.Helper()
	_, err := w.RunQuery(w.viewer(t), queryID, nil)
	got := problem.Of(err)
	if got == nil {
		got = &problem.Error{}
	}
	if got.Code != code {
		t.Fatalf("got %v, want the code %q", err, code)
	}
	return got
}

func TestADatasourceThatCannotBeReachedIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.SetBreakerPause(time.Hour)
	q := w.savedOn(t, "fake", "shaky", datasource.NewQuery{Operation: sqlText("ok")})
	steady := w.savedOn(t, "fake", "steady", datasource.NewQuery{Operation: sqlText("ok")})
	w.requireCode(t, q.ID, "")
	w.fake.unreach(true)
	for range 5 {
		w.requireCode(t, q.ID, "connect_failed")
	}
	asked := w.fake.statements.Load()
	e := w.requireCode(t, q.ID, "datasource_unreachable")
	if e.Kind != problem.Unavailable || e.Remedy == "" || e.RetryAfter <= 0 || e.RetryAfter > time.Hour || w.fake.statements.Load() != asked {
		t.Errorf("got %+v, %d statements more", e, w.fake.statements.Load()-asked)
	}
	w.fake.unreach(false)
	w.requireCode(t, steady.ID, "") // another datasource
	w.requireCode(t, q.ID, "datasource_unreachable")

	// A test that succeeds, or a change, ends the wait.
	if report, err := w.TestSaved(w.owner(t), q.DatasourceID); err != nil || !report.OK {
		t.Fatalf("got %+v, %v", report, err)
	}
	w.requireCode(t, q.ID, "")
	w.fake.unreach(true)
	for range 5 {
		w.requireCode(t, q.ID, "connect_failed")
	}
	w.requireCode(t, q.ID, "datasource_unreachable")
	w.fake.unreach(false)
	if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Settings: map[string]any{"mode": "slow"}}); err != nil {
		t.Fatal(err)
	}
	w.requireCode(t, q.ID, "")
}

// After the pause one caller tries: the others wait for how that ends.
func TestOneCallerTriesAgain(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.SetBreakerPause(time.Nanosecond)
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate")})
	w.fake.unreach(true)
	for range 5 {
		w.requireCode(t, q.ID, "connect_failed")
	}
	w.requireCode(t, q.ID, "connect_failed") // the pause is over at once, the trial fails
	w.fake.unreach(false)
	trial := w.start(w.viewer(t), q.ID, nil)
	<-w.fake.started
	other, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "other", DatasourceID: q.DatasourceID, Operation: sqlText("ok")})
	if err != nil {
		t.Fatal(err)
	}
	w.requireCode(t, other.ID, "datasource_unreachable")
	w.fake.open()
	if <-trial.done; trial.err != nil {
		t.Fatal(trial.err)
	}
	w.requireCode(t, other.ID, "")
}

// The others go on as soon as the other side has answered the one who tries, however
// long he reads.
func TestATrialThatIsReadForLongHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.SetBreakerPause(time.Nanosecond)
	q := w.streaming(t, [][]any{{int64(1)}, nil})
	w.fake.unreach(true)
	for range 6 {
		w.requireCode(t, q.ID, "connect_failed")
	}
	w.fake.unreach(false)
	ctx, leave := context.WithCancel(w.viewer(t))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = w.StreamQuery(ctx, q.ID, nil, &count{})
	}()
	<-w.fake.started
	other, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "other", DatasourceID: q.DatasourceID, Operation: sqlText("ok")})
	if err != nil {
		t.Fatal(err)
	}
	w.requireCode(t, other.ID, "")
	leave()
	<-ended
	w.requireCode(t, other.ID, "")
}

// A host that swallows all packets: the time of the queries is over before that of
// connecting.
func TestTimeOutsWithoutAConnectionCount(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.SetBreakerPause(time.Hour)
	dials := w.savedOn(t, "fake", "dials", datasource.NewQuery{Operation: sqlText("dial"), TimeoutMS: 20})
	for range 5 {
		w.requireCode(t, dials.ID, "query_timeout")
	}
	w.requireCode(t, dials.ID, "datasource_unreachable")
	opens := w.savedOn(t, "fake", "opens", datasource.NewQuery{Operation: sqlText("ok"), TimeoutMS: 20})
	w.fake.swallow(t)
	for range 5 {
		w.requireCode(t, opens.ID, "query_timeout")
	}
	w.requireCode(t, opens.ID, "datasource_unreachable")
}

// Refusals, busy servers, panics and callers who leave say nothing against a
// connection.
func TestOnlyFailuresOfTheConnectionCount(t *testing.T) {
	t.Parallel()
	for word, code := range map[string]string{"refuse": "query_failed", "busy": datasource.CodeBusy, "panic": "datasource_failed", "wait": "query_timeout"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			w := setup(t, testdb.SQLite(t))
			q := w.savedOn(t, "fake", word, datasource.NewQuery{Operation: sqlText(word), TimeoutMS: 20})
			for range 8 {
				w.requireCode(t, q.ID, code)
			}
		})
	}
	w := setup(t, testdb.SQLite(t))
	w.SetBreakerPause(time.Hour)
	w.fake.set(problem.New(problem.Upstream, "connect_failed", "no way"))
	q := w.savedOn(t, "fake", "open", datasource.NewQuery{Operation: sqlText("ok")})
	for range 5 {
		w.requireCode(t, q.ID, "connect_failed")
	}
	w.requireCode(t, q.ID, "datasource_unreachable")
	if _, err := w.Schema(w.owner(t), q.DatasourceID); problem.Of(err).Code != "datasource_unreachable" {
		t.Errorf("the schema: %v", err)
	}
}
