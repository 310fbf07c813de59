package gofunc_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/gofunc"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// params is what the host's function of these tests takes.
type params struct {
	Do string `json:"do"`
	V  any    `json:"v,omitempty"`
}

type row struct {
	V any `json:"v"`
}

// host is a function that does as it is told, and what it did.
type host struct {
	running atomic.Int64
	notes   atomic.Int64
}

func (h *host) call(ctx context.Context, p params) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		h.running.Add(1)
		defer h.running.Add(-1)
		switch p.Do {
		case "echo":
			yield(row{p.V}, nil)
		case "many":
			for i := range 6000 {
				if !yield(row{i}, nil) {
					return
				}
			}
		case "large":
			yield(row{strings.Repeat("x", 1<<20)}, nil)
		case "wait":
			<-ctx.Done()
			yield(row{}, ctx.Err())
		case "refuse":
			yield(row{}, &datasource.StatementError{Message: "not today", Position: -1})
		case "note":
			h.notes.Add(1)
			yield(row{h.notes.Load()}, nil)
		}
	}
}

func operation(do string) json.RawMessage {
	return json.RawMessage(`{"params": {"do": "` + do + `", "v": "{{ v }}"}}`)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	h := &host{}
	fixtures := connectortest.Fixtures{
		Echo:     func(datasource.ParamType) json.RawMessage { return operation("echo") },
		EchoList: operation("echo"),
		Many:     json.RawMessage(`{"params": {"do": "many"}}`),
		Large:    json.RawMessage(`{"params": {"do": "large"}}`),
		Slow:     json.RawMessage(`{"params": {"do": "wait"}}`),
		Running:  func(*testing.T) int { return int(h.running.Load()) },
		Refused:  json.RawMessage(`{"params": {"do": "refuse"}}`),
		Harmful: map[string]json.RawMessage{
			"another function": json.RawMessage(`{"function": "os.Exit"}`),
			"more parameters":  json.RawMessage(`{"params": {"do": "echo", "w": 1}}`),
		},
		State: func(*testing.T) string { return fmt.Sprint(h.notes.Load()) },
	}
	t.Run("reading", func(t *testing.T) {
		connectortest.Run(t, gofunc.Stream(datasource.Spec{}, h.call), datasource.Settings{}, fixtures)
	})
	t.Run("writing", func(t *testing.T) {
		connectortest.Run(t, gofunc.Stream(datasource.Spec{Abilities: datasource.Abilities{Exec: true}}, h.call), datasource.Settings{}, connectortest.Fixtures{
			Write: json.RawMessage(`{"params": {"do": "note"}}`), State: fixtures.State,
		})
	})
}

// every has a field of each kind that parameters and rows can have.
type every struct {
	Text    string            `json:"text"`
	Int     int64             `json:"int"`
	Small   uint8             `json:"small"`
	Big     uint64            `json:"big"`
	Float   float64           `json:"float"`
	Single  float32           `json:"single"`
	Flag    bool              `json:"flag"`
	At      time.Time         `json:"at"`
	Day     datasource.Date   `json:"day"`
	Exact   json.Number       `json:"exact"`
	ID      uuid.UUID         `json:"id"`
	Raw     json.RawMessage   `json:"raw"`
	Bytes   []byte            `json:"bytes"`
	List    []int64           `json:"list"`
	Objects []struct{ A int } `json:"objects"`
	Nested  struct {
		B string `json:"b"`
	} `json:"nested"`
	Map     map[string]int `json:"map"`
	Pointer *string        `json:"pointer"`
	Any     any            `json:"any"`
	embedded
	Hidden string `json:"-"`
	_      chan int
}

type embedded struct {
	Below string `json:"below"`
}

// call runs an operation and returns its first row by the names of the columns.
func call(t *testing.T, c datasource.Connector, operation string, params map[string]any) (map[string]any, []datasource.Column, error) {
	t.Helper()
	op, err := c.Parse(json.RawMessage(operation))
	if err != nil {
		return nil, nil, err
	}
	conn, err := c.Open(t.Context(), datasource.Settings{TenantID: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 10, MaxBytes: 1 << 20})
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	values, err := rows.Next()
	if err != nil {
		return nil, nil, err
	}
	out := map[string]any{}
	for i, c := range rows.Columns() {
		out[c.Name] = values[i]
	}
	return out, rows.Columns(), nil
}

func TestTypesOfParametersAndColumns(t *testing.T) {
	t.Parallel()
	c := gofunc.New(datasource.Spec{}, func(_ context.Context, p every) ([]*every, error) { return []*every{&p}, nil })
	if _, err := datasource.CheckConnector(c); err != nil {
		t.Fatal(err)
	}
	got, columns, err := call(t, c, `{"params": {"text": "a {{ n }} {{ at }}", "int": "{{ n }}", "small": 7, "big": 18446744073709551615, "float": 0.5, "single": 0.1,
		"flag": "{{ flag }}", "at": "{{ at }}", "day": "{{ day }}", "exact": "{{ exact }}", "id": "{{ id }}", "raw": "{{ raw }}", "bytes": "aGk=",
		"list": ["{{ n }}", 2], "objects": [{"A": 1}], "nested": {"b": "{{ day }}"}, "map": {"x": 1}, "pointer": "{{ none }}", "any": "{{ n }}", "below": "x"}}`,
		map[string]any{
			"n": int64(1<<53 + 1), "flag": true, "at": time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC), "day": datasource.Date("2024-02-29"),
			"exact": json.Number("1.50"), "id": "0190163d-8694-739b-aea5-966c26f8ad91", "raw": json.RawMessage(`{"k":[1]}`), "none": nil,
		})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"text": "a 9007199254740993 2024-02-29T01:02:03.000004Z", "int": int64(1<<53 + 1), "small": uint64(7), "big": uint64(18446744073709551615), "float": 0.5, "single": 0.1,
		"flag": true, "at": time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC), "day": datasource.Date("2024-02-29"), "exact": datasource.JSON("1.50"),
		"id": "0190163d-8694-739b-aea5-966c26f8ad91", "raw": datasource.JSON(`{"k":[1]}`), "bytes": []byte("hi"), "list": []any{int64(1<<53 + 1), int64(2)},
		"objects": datasource.JSON(`[{"A":1}]`), "nested": datasource.JSON(`{"b":"2024-02-29"}`), "map": datasource.JSON(`{"x":1}`), "pointer": nil,
		"any": datasource.JSON("9007199254740993"), "below": "x",
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s is %#v, want %#v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d columns, want %d: %v", len(got), len(want), got)
	}
	types := make([]string, len(columns))
	for i, c := range columns {
		types[i] = string(c.Type)
	}
	if got, want := strings.Join(types, " "), "string integer integer integer number number boolean timestamp date number string json bytes array json json json string json string"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSingleValuesAndValuers(t *testing.T) {
	t.Parallel()
	got, columns, err := call(t, gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]string, error) { return []string{"x"}, nil }), `{}`, nil)
	if err != nil || got["value"] != "x" || columns[0].Type != datasource.ColumnString {
		t.Errorf("got %v %v %v", got, columns, err)
	}
	type found struct {
		Name sql.NullString
		Age  sql.NullInt64
	}
	got, _, err = call(t, gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]found, error) {
		return []found{{Age: sql.NullInt64{Int64: 7, Valid: true}}}, nil
	}), `{}`, nil)
	if err != nil || got["Name"] != nil || got["Age"] != int64(7) {
		t.Errorf("got %v %v", got, err)
	}
}

// All that is wrong with an operation is one error; a value that does not fit
// never reaches the function.
func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	type in struct {
		N    int      `json:"n"`
		S    string   `json:"s"`
		P    *int     `json:"p,omitempty"`
		More struct{} `json:"more,omitzero"`
	}
	called := false
	c := gofunc.New(datasource.Spec{}, func(context.Context, in) ([]int, error) { called = true; return []int{1}, nil })
	_, err := c.Parse(json.RawMessage(`{"params": {"n": "x", "more": {"a": 1}, "nobody": 1, "p": "{{ a b }}"}}`))
	var paths []string
	for _, f := range problem.Of(err).Faults {
		paths = append(paths, f.Path)
	}
	if got := strings.Join(paths, " "); got != "params params.n params.s params.more params.p" {
		t.Errorf("faults at %s: %v", got, err)
	}
	op := `{"params": {"n": "{{ n }}", "s": "{{ s }}", "p": "{{ p }}"}}`
	for _, given := range []map[string]any{
		{"n": "1", "s": ""}, {"n": nil, "s": ""}, {"n": json.Number("1.5"), "s": ""}, {"n": int64(1), "s": nil}, {"n": int64(1), "s": int64(1)},
		{"n": int64(1), "s": "", "p": true}, {"n": json.RawMessage("null"), "s": ""}, {"n": int64(1), "s": []any{"a"}},
	} {
		if _, _, err := call(t, c, op, given); !problem.Is(err, problem.Invalid) || called {
			t.Errorf("%v: %v, called: %v", given, err, called)
		}
	}
	if got, _, err := call(t, c, op, map[string]any{"n": int64(1), "s": ""}); err != nil || got["value"] != int64(1) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestT80_TheCorpusStaysAValue(t *testing.T) {
	t.Parallel()
	type in struct {
		Whole, Part string
		List        []string
	}
	c := gofunc.New(datasource.Spec{}, func(_ context.Context, p in) ([]in, error) { return []in{p}, nil })
	for _, v := range connectortest.Injections() {
		got, _, err := call(t, c, `{"params": {"Whole": "{{ v }}", "Part": "<{{ v }}>", "List": ["{{ v }}", "x"]}}`, map[string]any{"v": v})
		want := map[string]any{"Whole": v, "Part": "<" + v + ">", "List": []any{v, "x"}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v", v, got, err)
		}
	}
}

func TestUnsuitableTypesAreRefused(t *testing.T) {
	t.Parallel()
	type twice struct {
		A int `json:"B"`
		B int
	}
	type channel struct{ C chan int }
	for name, c := range map[string]datasource.Connector{
		"parameters that are no struct": gofunc.New(datasource.Spec{}, func(context.Context, string) ([]int, error) { return nil, nil }),
		"a time for parameters":         gofunc.New(datasource.Spec{}, func(context.Context, time.Time) ([]int, error) { return nil, nil }),
		"parameters with a channel":     gofunc.New(datasource.Spec{}, func(context.Context, channel) ([]int, error) { return nil, nil }),
		"two parameters of one name":    gofunc.New(datasource.Spec{}, func(context.Context, twice) ([]int, error) { return nil, nil }),
		"rows of anything":              gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]any, error) { return nil, nil }),
		"rows that are maps":            gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]map[string]int, error) { return nil, nil }),
		"rows with a channel":           gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]channel, error) { return nil, nil }),
		"two columns of one name":       gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]twice, error) { return nil, nil }),
	} {
		if _, err := datasource.CheckConnector(c); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// explosive panics when it is written.
type explosive struct{}

func (explosive) MarshalText() ([]byte, error) { panic("canary-in-a-panic") }

func TestFailuresShowNothingOfTheHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]datasource.Connector{
		"error":        gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]int, error) { return nil, errors.New("canary-in-an-error") }),
		"panic":        gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]int, error) { panic("canary-in-a-panic") }),
		"exit":         gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]int, error) { runtime.Goexit(); return nil, nil }),
		"a late panic": gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]explosive, error) { return make([]explosive, 1), nil }),
	} {
		_, _, err := call(t, c, `{}`, nil)
		e := problem.Of(err)
		if e == nil || e.Kind != problem.Upstream || e.Code != "function_failed" || strings.Contains(e.Message+e.Remedy, "canary") || e.Cause == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := problem.New(problem.NotFound, "gone", "the order is gone")
	_, _, err := call(t, gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]int, error) { return nil, own }), `{}`, nil)
	if !errors.Is(err, own) {
		t.Errorf("the host's own problem became %v", err)
	}
}

// Case T92 for a function that heeds nothing: the query ends, and the number of
// such calls stays bounded.
func TestT92_AFunctionThatHeedsNothing(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := gofunc.New(datasource.Spec{}, func(context.Context, struct{}) ([]int, error) { <-release; return nil, nil })
	op, err := c.Parse(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.Open(t.Context(), datasource.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range gofunc.MaxCalls + 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1})
		cancel()
		if !problem.Is(err, problem.Timeout) {
			t.Fatalf("got %v", err)
		}
	}
	if more := runtime.NumGoroutine() - before; more > gofunc.MaxCalls+20 { // other tests have goroutines, too
		t.Errorf("%d goroutines more", more)
	}
	close(release)
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1})
	if err != nil {
		t.Fatalf("the calls that ended still count: %v", err)
	}
	_ = rows.Close()
	_ = conn.Close()
}

func TestTheCallKnowsItsDatasource(t *testing.T) {
	t.Parallel()
	c := gofunc.New(datasource.Spec{}, func(ctx context.Context, _ struct{}) ([]string, error) {
		return []string{gofunc.Settings(ctx).TenantID}, nil
	})
	if got, _, err := call(t, c, `{}`, nil); err != nil || got["value"] != "acme" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOperationSchema(t *testing.T) {
	t.Parallel()
	type in struct {
		Country string `json:"country" jsonschema:"two letters"`
		Age     int    `json:"age,omitempty" jsonschema:"in years"`
	}
	c := gofunc.New(datasource.Spec{}, func(context.Context, in) ([]int, error) { return nil, nil })
	var schema map[string]any
	if err := json.Unmarshal(c.Spec().Operation, &schema); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(schema)
	want := `{"additionalProperties":false,"properties":{"params":{"additionalProperties":false,"properties":{` +
		`"age":{"anyOf":[{"description":"in years","type":"integer"},{"description":"a text with {{ placeholders }}","pattern":"\\{\\{","type":"string"}],"description":"in years"},` +
		`"country":{"description":"two letters","type":"string"}},"required":["country"],"type":"object"}},"required":["params"],"type":"object"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkStream(b *testing.B) {
	h := &host{}
	c := gofunc.Stream(datasource.Spec{}, h.call)
	op, err := c.Parse(json.RawMessage(`{"params": {"do": "many"}}`))
	if err != nil {
		b.Fatal(err)
	}
	conn, err := c.Open(b.Context(), datasource.Settings{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rows, err := conn.Query(b.Context(), datasource.Statement{Operation: op, MaxRows: 10_000, MaxBytes: 1 << 20})
		for err == nil {
			_, err = rows.Next()
		}
		_ = rows.Close()
	}
}
