package datasource_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// values are what is easily lost on the way out.
func hardValues() [][]any {
	return [][]any{
		{nil, "", "a,b", `q"q`, "two\r\nlines", " spaced ", "größe 漢字 😀"},
		{int64(math.MaxInt64), int64(-7), uint64(math.MaxUint64), 0.1, 1e21, -1.5e-7, float64(1 << 53)},
		{datasource.Decimal("-12345678901234567890.123456789"), datasource.Decimal("NaN"), math.NaN(), math.Inf(-1), true, false, nil},
		{[]byte{0, 255, 1}, time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.FixedZone("", 3600)), datasource.Date("1969-12-31"), datasource.JSON(`{"b":[1,2.50],"a":null}`), []any{int64(1), nil, "x,y"}, "bad\xff", "nul\x00"},
	}
}

func (w *world) streaming(t testing.TB, rows [][]any) datasource.Query {
	t.Helper()
	w.fake.mu.Lock()
	w.fake.rows = rows
	w.fake.mu.Unlock()
	return w.savedOn(t, "fake", "rows", datasource.NewQuery{Operation: sqlText("rows"), RowLimit: 1})
}

func TestStreamsKeepEveryValue(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.streaming(t, hardValues())
	var text bytes.Buffer
	got, err := w.StreamQuery(w.viewer(t), q.ID, nil, datasource.NewCSV(&text))
	if err != nil || got.RowCount != 4 || got.Truncated {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := "a,b,c,d,e,f,g\r\n" +
		",\"\",\"a,b\",\"q\"\"q\",\"two\r\nlines\",\" spaced \",größe 漢字 😀\r\n" +
		"9223372036854775807,-7,18446744073709551615,0.1,1e+21,-1.5e-07,9007199254740992\r\n" +
		"-12345678901234567890.123456789,NaN,NaN,-Infinity,true,false,\r\n" +
		"AP8B,2024-02-29T11:00:00.123456Z,1969-12-31,\"{\"\"b\"\":[1,2.50],\"\"a\"\":null}\",\"[1,null,\"\"x,y\"\"]\",bad\uFFFD,nul\x00\r\n"
	if text.String() != want {
		t.Errorf("got\n%q\nwant\n%q", text.String(), want)
	}

	text.Reset()
	lines := datasource.NewNDJSON(&text)
	if got, err = w.StreamQuery(w.viewer(t), q.ID, nil, lines); err != nil {
		t.Fatal(err)
	}
	if err := lines.End(got); err != nil {
		t.Fatal(err)
	}
	split := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(split) != 6 || !strings.HasPrefix(split[0], `{"columns":[{"name":"a"`) || !strings.HasPrefix(split[5], `{"rowCount":4,"truncated":false,`) {
		t.Fatalf("got %q", split)
	}
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{RowLimit: new(10)}); err != nil {
		t.Fatal(err)
	}
	whole, err := w.RunQuery(w.viewer(t), q.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range whole.Rows {
		b, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		var streamed, same any
		if json.Unmarshal([]byte(split[i+1]), &streamed) != nil || json.Unmarshal(b, &same) != nil || fmt.Sprint(streamed) != fmt.Sprint(same) {
			t.Errorf("row %d: streamed %s, whole %s", i, split[i+1], b)
		}
	}
}

// Case T116: no cell is a formula to a spreadsheet.
func TestT116_FormulasAreText(t *testing.T) {
	t.Parallel()
	var rows [][]any
	cells := map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1+1": "'-1+1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"=cmd|'/c calc'!A1": "'=cmd|'/c calc'!A1", "-": "'-", "＝1+1": "'＝1+1", "＠x": "'＠x", "-2-3": "'-2-3", "--1": "'--1",
		" =1+1": "' =1+1", "\u00a0\u3000@x": "'\u00a0\u3000@x", "\ufeff=1": "'\ufeff=1", " \n=1": "' \n=1", "  ＝1": "'  ＝1", " -1+1": "' -1+1",
		" -1": " -1", " a=1": " a=1", "  ": "  ",
		"-1": "-1", "-1.5e3": "-1.5e3", "a=1": "a=1", "'=1": "'=1", "1-1": "1-1",
	}
	var wants []string
	for cell, want := range cells {
		rows, wants = append(rows, []any{cell}), append(wants, want)
	}
	for _, v := range []any{datasource.Date("-infinity"), datasource.Decimal("=1"), datasource.JSON("-x"), []byte{0xf8}} {
		rows, wants = append(rows, []any{v}), append(wants, "'")
	}
	rows, wants = append(rows, []any{int64(-5)}, []any{-5.5}, []any{datasource.Decimal("-5.25")}), append(wants, "-5", "-5.5", "-5.25")
	w := setup(t, testdb.SQLite(t))
	q := w.streaming(t, rows)
	var text bytes.Buffer
	if _, err := w.StreamQuery(w.viewer(t), q.ID, nil, datasource.NewCSV(&text)); err != nil {
		t.Fatal(err)
	}
	read, err := csv.NewReader(strings.NewReader(strings.ReplaceAll(text.String(), "\r\n", "\n"))).ReadAll()
	if err != nil || len(read) != len(rows)+1 {
		t.Fatalf("%d lines, %v: %q", len(read), err, text.String())
	}
	for i, want := range wants {
		if got := read[i+1][0]; got != want && !(want == "'" && strings.HasPrefix(got, "'")) {
			t.Errorf("%#v is %q, want %q", rows[i][0], got, want)
		}
	}
	text.Reset()
	header := datasource.NewCSV(&text)
	if err := header.Begin([]datasource.Column{{Name: "=HYPERLINK(1)"}}); err != nil || text.String() != "'=HYPERLINK(1)\r\n" {
		t.Errorf("the name of a column is %q, %v", text.String(), err)
	}
}

// count is a writer that only counts.
type count struct {
	begun bool
	rows  int
	full  int // rows after which it refuses; 0 = never
}

var errFull = errors.New("the disk is full")

func (c *count) Begin([]datasource.Column) error { c.begun = true; return nil }

func (c *count) Row([]any) error {
	if c.rows++; c.full > 0 && c.rows >= c.full {
		return errFull
	}
	return nil
}

func TestStreamsEndAtAMillionRows(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {{ n }}) SELECT n FROM c", datasource.Param{Name: "n", Type: "integer"})
	for n, truncated := range map[int]bool{datasource.MaxStreamRows: false, datasource.MaxStreamRows + 1: true} {
		var rows count
		got, err := w.StreamQuery(w.viewer(t), q.ID, map[string]any{"n": n}, &rows)
		if err != nil || got.RowCount != datasource.MaxStreamRows || rows.rows != datasource.MaxStreamRows || got.Truncated != truncated {
			t.Errorf("%d: %+v with %d rows, %v", n, got, rows.rows, err)
		}
	}
}

func TestStreamsThatFail(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), canWrite)
	broken := problem.New(problem.Upstream, "connect_failed", "it broke")
	for name, c := range map[string]struct {
		rows  [][]any
		to    count
		begun bool
		code  string
	}{
		"at once":       {[][]any{{&datasource.StatementError{Message: "no", Position: -1}}}, count{}, false, "query_failed"},
		"in the middle": {[][]any{{"x"}, {broken}}, count{}, true, "connect_failed"},
		"the writer":    {[][]any{{"x"}, {"y"}, {"z"}}, count{full: 2}, true, ""},
	} {
		w.fake.mu.Lock()
		w.fake.rows = c.rows
		w.fake.mu.Unlock()
		q := w.savedOn(t, "fake", name, datasource.NewQuery{Operation: sqlText("rows")})
		closed := w.fake.closedRows.Load()
		_, err := w.StreamQuery(w.viewer(t), q.ID, nil, &c.to)
		if c.code == "" && !errors.Is(err, errFull) || c.code != "" && problem.Of(err).Code != c.code || c.to.begun != c.begun || err == nil {
			t.Errorf("%s: begun %v, %v", name, c.to.begun, err)
		}
		if w.fake.closedRows.Load() != closed+1 {
			t.Errorf("%s: the rows are not closed", name)
		}
	}
	write := w.savedOn(t, "writing", "write", datasource.NewQuery{Operation: sqlText("ok"), Writes: true})
	_, err := w.StreamQuery(w.viewer(t), write.ID, nil, &count{})
	if e := problem.Of(err); e == nil || e.Kind != problem.Conflict || e.Remedy == "" {
		t.Errorf("a write: %v", err)
	}
	_, err = w.StreamQuery(as(t, w.a, auth.QueryRead), write.ID, nil, &count{})
	requireKind(t, err, problem.Forbidden)
	_, err = w.StreamQuery(as(t, w.b, "*"), write.ID, nil, &count{})
	requireKind(t, err, problem.NotFound)
	q := w.query(t, w.shopSource(t), "SELECT {{ n }}", datasource.Param{Name: "n", Type: "integer", Required: true})
	_, err = w.StreamQuery(w.viewer(t), q.ID, nil, &count{})
	requireKind(t, err, problem.Invalid)
}

// Case T92: whoever leaves in the middle of a stream ends its statement, and so do
// the time limit before the first row and the loss of the right to it (T30).
func TestT92_StreamsEndWithTheirReader(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Revalidate = func(_ context.Context, who *auth.Principal) (*auth.Principal, error) {
			if gone.Load() {
				return nil, problem.New(problem.Unauthenticated, "", "signed out")
			}
			return who, nil
		}
	})
	q := w.streaming(t, [][]any{{"x"}, nil})
	for code, end := range map[string]func(cancel func()){"query_cancelled": func(cancel func()) { cancel() }, "": func(func()) { gone.Store(true) }} {
		ctx, cancel := context.WithCancel(w.viewer(t))
		ended := make(chan error, 1)
		go func() {
			_, err := w.StreamQuery(ctx, q.ID, nil, &count{})
			ended <- err
		}()
		<-w.fake.started
		end(cancel)
		began := time.Now()
		if e := problem.Of(<-ended); e == nil || e.Code != code || code == "" && e.Kind != problem.Unauthenticated {
			t.Errorf("%q: %v", code, e)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%q: took %s", code, took)
		}
		cancel()
		gone.Store(false)
	}
	slow := w.savedOn(t, "fake", "slow", datasource.NewQuery{Operation: sqlText("wait"), TimeoutMS: 20})
	if _, err := w.StreamQuery(w.viewer(t), slow.ID, nil, &count{}); problem.Of(err).Code != "query_timeout" {
		t.Errorf("no first row: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := w.StreamQuery(w.viewer(t), q.ID, nil, &count{})
		ended <- err
	}()
	<-w.fake.started
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	requireKind(t, <-ended, problem.Unavailable)
}

func TestStreamsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.streaming(t, [][]any{{"x"}, nil})
	ctx, cancel := context.WithCancel(w.viewer(t))
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := w.StreamQuery(ctx, q.ID, nil, &count{})
			ended <- err
		}()
		<-w.fake.started
	}
	_, err := w.StreamQuery(w.viewer(t), q.ID, nil, &count{})
	if e := problem.Of(err); e == nil || e.Kind != problem.RateLimited || e.Code != "too_many_streams" || e.RetryAfter <= 0 {
		t.Errorf("a third stream: %v", err)
	}
	if _, err := w.StreamQuery(w.viewer(t), w.query(t, w.shopSource(t), "SELECT 1").ID, nil, &count{}); err != nil {
		t.Errorf("of another datasource: %v", err)
	}
	cancel()
	<-ended
	<-ended
	one := w.savedOn(t, "fake", "one", datasource.NewQuery{Operation: sqlText("ok")})
	for range 100 {
		if _, err = w.StreamQuery(w.viewer(t), one.ID, nil, &count{}); err != nil {
			break
		}
	}
	requireKind(t, err, problem.RateLimited)
}

// FuzzCSV: whatever a cell is, it reads back as what it was, with an apostrophe in
// front when it could be a formula, and takes one cell.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"", "a", "=1", "\"", "\r", "\n", "a\nb", "a,b;c", "\xff", "'", " ", "-1", "-1-", "＋"} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, cell, next string) {
		var text bytes.Buffer
		if err := datasource.NewCSV(&text).Row([]any{cell, next, nil}); err != nil {
			t.Fatal(err)
		}
		// The reader of the library makes one line break of two characters.
		inside := strings.NewReplacer("\r\n", "\n")
		read, err := csv.NewReader(strings.NewReader(strings.TrimSuffix(text.String(), "\r\n") + "\n")).ReadAll()
		if err != nil || len(read) != 1 || len(read[0]) != 3 || read[0][2] != "" {
			t.Fatalf("%q reads as %q, %v", text.String(), read, err)
		}
		for i, want := range []string{cell, next} {
			want = inside.Replace(strings.ToValidUTF8(want, "\uFFFD"))
			got := read[0][i]
			if got != want && got != "'"+want {
				t.Fatalf("%q reads as %q", want, got)
			}
			if got != "" && strings.ContainsAny(got[:1], "=+@\t\r\n") {
				t.Fatalf("%q is a formula", got)
			}
		}
	})
}

// FuzzNDJSON: a row is one line of JSON with the values that were put in.
func FuzzNDJSON(f *testing.F) {
	f.Add("", int64(0), 0.0)
	f.Add("\x00\n\"\\<\u2028", int64(math.MaxInt64), math.NaN())
	f.Fuzz(func(t *testing.T, s string, n int64, x float64) {
		var text bytes.Buffer
		if err := datasource.NewNDJSON(&text).Row([]any{s, n, x, []byte(s)}); err != nil {
			t.Fatal(err)
		}
		if strings.Count(text.String(), "\n") != 1 {
			t.Fatalf("more than one line: %q", text.String())
		}
		var row []any
		d := json.NewDecoder(&text)
		d.UseNumber()
		if err := d.Decode(&row); err != nil || len(row) != 4 || row[0] != strings.ToValidUTF8(s, "\uFFFD") || fmt.Sprint(row[1]) != fmt.Sprint(n) {
			t.Fatalf("got %q, %v", row, err)
		}
		if back, err := json.Number(fmt.Sprint(row[2])).Float64(); !math.IsNaN(x) && (err != nil || back != x) {
			t.Fatalf("%g reads as %v", x, row[2])
		}
	})
}
