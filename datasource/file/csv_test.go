package file_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/problem"
)

func table(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("n,name,amount\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,row %d,%d.5\n", i, i, i)
	}
	return b.Bytes()
}

// manyColumns are the names of a table that is wider than anybody looks at.
func manyColumns() (names []string) {
	for i := range 1000 {
		names = append(names, fmt.Sprint("c", i))
	}
	return names
}

func TestCSVConformance(t *testing.T) {
	t.Parallel()
	names := manyColumns()
	s := shelve(table(6000))
	conformance(t, s, file.CSV(s.Open))
	wide := shelve([]byte(strings.Join(names, ",") + "\n" + strings.Repeat("x", 1<<20) + strings.Repeat(",", len(names)-1) + "\n"))
	connectortest.Run(t, file.CSV(wide.Open), settings(nil), connectortest.Fixtures{Wide: json.RawMessage(`{}`), Large: json.RawMessage(`{"columns": ["c0"]}`)})
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

// conformance runs the suite on a file that is there, and the suite's test of
// cancelling on one whose storage does not answer.
func conformance(t *testing.T, s *shelf, c datasource.Connector) {
	t.Helper()
	connectortest.Run(t, c, settings(nil), connectortest.Fixtures{
		Many:    json.RawMessage(`{}`),
		Refused: json.RawMessage(`{"columns": ["nobody"]}`),
		Harmful: map[string]json.RawMessage{
			"SQL": json.RawMessage(`{"text": "DROP TABLE x"}`), "a path": json.RawMessage(`{"file": "../../etc/passwd"}`),
			"a condition on nothing": json.RawMessage(`{"where": [{"column": "n; --", "value": 1}]}`),
		},
		Unreachable: map[string]datasource.Settings{"no such file": settings(map[string]any{"file": tenant})},
	})
	connectortest.Run(t, c, settings(map[string]any{"file": fileID}), connectortest.Fixtures{Many: json.RawMessage(`{"where": [{"column": "n", "op": "gte", "value": 0}]}`)})
	conn, err := c.Open(t.Context(), settings(map[string]any{"file": stuckID}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancelled(t, s, c, conn)
}

func TestCSVTypes(t *testing.T) {
	t.Parallel()
	s := shelve([]byte("id,zip,amount,exact,born,at,vip,mixed,code,empty\n" +
		"1,01234,1.5,12345678901234567890.5,1990-02-28,2024-02-29T10:00:00Z,true,1,1e5,\n" +
		"-2,98765,-0.25,1,,2024-02-29 10:00:00.5,FALSE,x,+4,\n" +
		"9007199254740993,,3,2,2001-12-31,,,2,7,\n"))
	got, err := query(t, file.CSV(s.Open), settings(nil), `{}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "id:integer zip:string amount:number exact:number born:date at:timestamp vip:boolean mixed:string code:string empty:string"; types(got.columns) != want {
		t.Errorf("got  %s\nwant %s", types(got.columns), want)
	}
	at := time.Date(2024, 2, 29, 10, 0, 0, 0, time.UTC)
	want := [][]any{
		{int64(1), "01234", 1.5, datasource.Decimal("12345678901234567890.5"), datasource.Date("1990-02-28"), at, true, "1", "1e5", ""},
		{int64(-2), "98765", -0.25, int64(1), nil, at.Add(500 * time.Millisecond), false, "x", "+4", ""},
		{int64(1<<53 + 1), "", int64(3), int64(2), datasource.Date("2001-12-31"), nil, nil, "2", "7", ""},
	}
	if !reflect.DeepEqual(got.rows, want) {
		t.Errorf("got  %v\nwant %v", got.rows, want)
	}
}

// A value that does not fit comes behind the rows that the types are found by: it
// keeps its text, unless the type is declared.
func TestCSVTypesOfLaterRows(t *testing.T) {
	t.Parallel()
	s := shelve(append(table(2000), "n/a,last,\n"...))
	got, err := query(t, file.CSV(s.Open), settings(nil), `{"where": [{"column": "name", "value": "last"}]}`, nil)
	if err != nil || len(got.rows) != 1 || !reflect.DeepEqual(got.rows[0], []any{"n/a", "last", nil}) || got.columns[0].Type != datasource.ColumnInteger {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = query(t, file.CSV(s.Open), settings(map[string]any{"types": map[string]string{"n": "integer"}}), `{}`, nil)
	refusal, ok := errors.AsType[*datasource.StatementError](err)
	if !ok || !strings.Contains(refusal.Message, `line 2002`) || !strings.Contains(refusal.Message, `"n"`) || strings.Contains(refusal.Message, "n/a") {
		t.Errorf("got %v", err)
	}
}

func TestCSVDeclaredTypes(t *testing.T) {
	t.Parallel()
	s := shelve([]byte("a;b;c\n01; 1,50 ;yes\n2;-3;0\n"))
	set := map[string]any{"decimal": ",", "types": map[string]string{"a": "integer", "b": "number", "c": "boolean"}}
	got, err := query(t, file.CSV(s.Open), settings(set), `{}`, nil)
	if want := [][]any{{int64(1), 1.5, true}, {int64(2), int64(-3), false}}; err != nil || !reflect.DeepEqual(got.rows, want) {
		t.Errorf("got %v, %v", got.rows, err)
	}
	for name, types := range map[string]map[string]string{"a column that is not there": {"d": "string"}, "a value of another type": {"c": "date"}} {
		if _, err := query(t, file.CSV(s.Open), settings(map[string]any{"types": types}), `{}`, nil); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	checker := file.CSV(s.Open).(datasource.SettingsChecker)
	if !problem.Is(checker.CheckSettings(settings(map[string]any{"types": map[string]string{"a": "varchar"}})), problem.Invalid) {
		t.Error("an unknown type passes")
	}
}

func TestCSVEncodingsAndDelimiters(t *testing.T) {
	t.Parallel()
	utf16 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	for _, c := range []struct {
		name      string
		content   func() ([]byte, error)
		encoding  string
		delimiter string
	}{
		{"plain", func() ([]byte, error) { return []byte("näme,ort\nZoë,\"Köln, Süd\"\n"), nil }, "auto", "auto"},
		{"with a mark", func() ([]byte, error) { return []byte("\uFEFFnäme;ort\r\nZoë;Köln, Süd\r\n"), nil }, "auto", "auto"},
		{"UTF-16", func() ([]byte, error) { return utf16.NewEncoder().Bytes([]byte("näme\tort\nZoë\tKöln, Süd")) }, "auto", "auto"},
		{"Windows", func() ([]byte, error) {
			return charmap.Windows1252.NewEncoder().Bytes([]byte("näme|ort\nZoë|Köln, Süd\n"))
		}, "auto", "auto"},
		{"Latin 1, named", func() ([]byte, error) {
			return charmap.ISO8859_1.NewEncoder().Bytes([]byte("näme;ort\nZoë;Köln, Süd\n"))
		}, "iso-8859-1", "semicolon"},
		{"quoted header", func() ([]byte, error) { return []byte("\"näme\";\"ort\"\n\"Zoë\";\"Köln, Süd\"\n"), nil }, "utf-8", "auto"},
	} {
		content, err := c.content()
		if err != nil {
			t.Fatal(err)
		}
		s := shelve(content)
		got, err := query(t, file.CSV(s.Open), settings(map[string]any{"encoding": c.encoding, "delimiter": c.delimiter}), `{}`, nil)
		if err != nil || types(got.columns) != "näme:string ort:string" || !reflect.DeepEqual(got.rows, [][]any{{"Zoë", "Köln, Süd"}}) {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
}

func TestCSVHeaders(t *testing.T) {
	t.Parallel()
	s := shelve([]byte("a,,a, b ,a_2\n1,2,3,4,5\n1,2\n1,2,3,4,5,,\n"))
	got, err := query(t, file.CSV(s.Open), settings(nil), `{}`, nil)
	if want := "a:integer column2:integer a_2:integer b:integer a_2_2:integer"; err != nil || types(got.columns) != want || len(got.rows) != 3 || got.rows[1][2] != nil {
		t.Errorf("got %s %v, %v", types(got.columns), got.rows, err)
	}
	s = shelve([]byte("1,x\n2\n3,y,z\n"))
	got, err = query(t, file.CSV(s.Open), settings(map[string]any{"header": false}), `{}`, nil)
	want := [][]any{{int64(1), "x", nil}, {int64(2), nil, nil}, {int64(3), "y", "z"}}
	if err != nil || types(got.columns) != "column1:integer column2:string column3:string" || !reflect.DeepEqual(got.rows, want) {
		t.Errorf("got %s %v, %v", types(got.columns), got.rows, err)
	}
	for name, content := range map[string]string{
		"values behind the header": "a,b\n1,2,3\n", "an open quotation mark": "a,b\n1,\"2\n", "a bare quotation mark": "a,b\n1,2\"x\n",
	} {
		s := shelve([]byte(content))
		_, err := query(t, file.CSV(s.Open), settings(nil), `{}`, nil)
		if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, content := range map[string]string{"nothing": "", "a header alone": "a,b"} {
		s := shelve([]byte(content))
		if got, err := query(t, file.CSV(s.Open), settings(nil), `{}`, nil); err != nil || len(got.rows) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	s := shelve([]byte("n,x,name,day,at,ok\n1,0.1,anna,2024-01-01,2024-01-01T10:00:00Z,true\n2,0.2,Bob,2024-02-01,2024-02-01T10:00:00Z,false\n3,0.3,,,,\n"))
	for _, c := range []struct {
		where  string
		params map[string]any
		want   string
	}{
		{`{"column": "n", "value": 2}`, nil, "2"},
		{`{"column": "n", "value": "{{ v }}"}`, map[string]any{"v": int64(3)}, "3"},
		{`{"column": "n", "value": "{{ v }}"}`, map[string]any{"v": json.Number("2.0")}, "2"},
		{`{"column": "n", "value": "{{ v }}"}`, map[string]any{"v": "2"}, "2"},
		{`{"column": "x", "value": "{{ v }}"}`, map[string]any{"v": json.Number("0.10")}, "1"},
		{`{"column": "x", "op": "gt", "value": 0.1}`, nil, "2 3"},
		{`{"column": "x", "op": "lte", "value": "{{ v }}"}`, map[string]any{"v": json.Number("0.2")}, "1 2"},
		{`{"column": "n", "op": "ne", "value": 2}`, nil, "1 3"},
		{`{"column": "n", "op": "in", "value": "{{ v }}"}`, map[string]any{"v": []any{int64(1), int64(3), nil}}, "1 3"},
		{`{"column": "n", "op": "in", "value": ["{{ a }}", 2]}`, map[string]any{"a": int64(1)}, "1 2"},
		{`{"column": "n", "op": "in", "value": []}`, nil, ""},
		{`{"column": "n", "op": "contains", "value": 3}`, nil, "3"},
		{`{"column": "name", "value": "bob"}`, nil, ""},
		{`{"column": "name", "op": "contains", "value": "nn"}`, nil, "1"},
		{`{"column": "name", "op": "startsWith", "value": "{{ v }}"}`, map[string]any{"v": "B"}, "2"},
		{`{"column": "name", "op": "endsWith", "value": ""}`, nil, "1 2 3"},
		{`{"column": "name", "op": "lt", "value": "a"}`, nil, "2 3"},
		{`{"column": "name", "value": ""}`, nil, "3"},
		{`{"column": "day", "op": "gte", "value": "{{ v }}"}`, map[string]any{"v": datasource.Date("2024-01-15")}, "2"},
		{`{"column": "day", "op": "lt", "value": "{{ v }}"}`, map[string]any{"v": time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC)}, "1"},
		{`{"column": "at", "value": "2024-02-01T11:00:00+01:00"}`, nil, "2"},
		{`{"column": "ok", "value": true}`, nil, "1"},
		{`{"column": "ok", "op": "ne", "value": "{{ v }}"}`, map[string]any{"v": true}, "2"},
		{`{"column": "ok", "op": "isNull"}`, nil, "3"},
		{`{"column": "day", "op": "notNull"}`, nil, "1 2"},
		{`{"column": "n", "value": "{{ v }}"}`, map[string]any{"v": nil}, ""},
		{`{"column": "n", "op": "ne", "value": "{{ v }}"}`, map[string]any{"v": nil}, ""},
		{`{"column": "n", "value": "{{ v }}", "optional": true}`, map[string]any{"v": nil}, "1 2 3"},
		{`{"column": "n", "op": "gt", "value": 1}, {"column": "n", "op": "lt", "value": 3}`, nil, "2"},
	} {
		got, err := query(t, file.CSV(s.Open), settings(nil), `{"columns": ["n"], "where": [`+c.where+`]}`, c.params)
		numbers := make([]string, len(got.rows))
		for i, r := range got.rows {
			numbers[i] = fmt.Sprint(r[0])
		}
		if err != nil || strings.Join(numbers, " ") != c.want {
			t.Errorf("%s %v: got %v, %v, want %s", c.where, c.params, numbers, err, c.want)
		}
	}
	for _, c := range []struct {
		where string
		v     any
	}{
		{`{"column": "n", "value": "{{ v }}"}`, "x"}, {`{"column": "n", "value": "{{ v }}"}`, true}, {`{"column": "day", "value": "{{ v }}"}`, "soon"},
		{`{"column": "ok", "value": "{{ v }}"}`, "yes"}, {`{"column": "n", "op": "in", "value": "{{ v }}"}`, int64(1)}, {`{"column": "n", "value": "{{ v }}"}`, []any{int64(1)}},
		{`{"column": "x", "value": "{{ v }}"}`, "1e999999999"}, {`{"column": "x", "value": "{{ v }}"}`, "1/3"},
	} {
		_, err := query(t, file.CSV(s.Open), settings(nil), `{"where": [`+c.where+`]}`, map[string]any{"v": c.v})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%s with %v: %v", c.where, c.v, err)
		}
	}
}

func TestLimitAndOffset(t *testing.T) {
	t.Parallel()
	s := shelve(table(5000))
	for _, c := range []struct {
		operation string
		params    map[string]any
		first, n  int
	}{
		{`{"limit": 3}`, nil, 0, 3}, {`{"limit": 0}`, nil, 0, 0}, {`{"offset": 4998}`, nil, 4998, 2}, {`{"offset": 9000}`, nil, 0, 0},
		{`{"limit": "{{ l }}", "offset": "{{ o }}"}`, map[string]any{"l": int64(2), "o": int64(1500)}, 1500, 2},
		{`{"limit": 2, "offset": 1, "where": [{"column": "n", "op": "gt", "value": 10}]}`, nil, 12, 2},
	} {
		got, err := query(t, file.CSV(s.Open), settings(nil), c.operation, c.params)
		if err != nil || len(got.rows) != c.n || c.n > 0 && got.rows[0][0] != int64(c.first) {
			t.Errorf("%s: %d rows, %v", c.operation, len(got.rows), err)
		}
	}
	for _, v := range []any{int64(-1), json.Number("1.5"), "3", nil, "1; DROP TABLE x"} {
		if _, err := query(t, file.CSV(s.Open), settings(nil), `{"limit": "{{ l }}"}`, map[string]any{"l": v}); !problem.Is(err, problem.Invalid) {
			t.Errorf("limit %v: %v", v, err)
		}
	}
}

func TestOperationFaults(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		`{"sheet": "x"}`, `{"columns": [1]}`, `{"where": [{"op": "eq", "value": 1}]}`, `{"where": [{"column": "n"}]}`, `{"where": [{"column": "n", "op": "like", "value": "x"}]}`,
		`{"where": [{"column": "n", "op": "isNull", "value": 1}]}`, `{"limit": -1}`, `{"limit": "3"}`, `{"offset": 1.5}`, `{"limit": "{{ a b }}"}`, `{"where": [{"column": "n", "value": {"{{ k }}": 1}}]}`,
	} {
		if _, err := file.CSV(nil).Parse(json.RawMessage(operation)); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
	_, err := file.CSV(nil).Parse(json.RawMessage(`{"limit": -1, "where": [{"column": "", "op": "x", "value": 1}]}`))
	if n := len(problem.Of(err).Faults); n != 3 {
		t.Errorf("%d faults: %v", n, err)
	}
}

// T80: whatever stands in a file and in a parameter, they are compared as values.
func TestT80_TheCorpusStaysAValue(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"v", "n"})
	for i, v := range connectortest.Injections() {
		_ = w.Write([]string{strings.ReplaceAll(v, "\r\n", "\n"), fmt.Sprint(i)}) // readers of CSV make one of the two
	}
	w.Flush()
	s := shelve(b.Bytes())
	for i, v := range connectortest.Injections() {
		v = strings.ReplaceAll(v, "\r\n", "\n")
		for _, op := range []string{`{"column": "v", "value": "{{ v }}"}`, `{"column": "v", "op": "in", "value": ["{{ v }}"]}`} {
			got, err := query(t, file.CSV(s.Open), settings(nil), `{"columns": ["n"], "where": [`+op+`]}`, map[string]any{"v": v})
			if err != nil || len(got.rows) != 1 || got.rows[0][0] != int64(i) {
				t.Errorf("%q: got %v, %v", v, got.rows, err)
			}
		}
		if _, err := query(t, file.CSV(s.Open), settings(nil), `{"where": [{"column": "n", "value": "{{ v }}"}]}`, map[string]any{"v": v}); err != nil && !problem.Is(err, problem.Invalid) {
			t.Errorf("%q as a number: %v", v, err)
		}
	}
}

// endless is a file as large as its reader likes, made while it is read.
type endless struct {
	row   string
	size  int64
	quote bool
}

func (e endless) Close() error { return nil }
func (e endless) Size() int64  { return e.size }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), e.size-off))
	for i := range n {
		at := off + int64(i)
		p[i] = e.row[at%int64(len(e.row))]
		if e.quote && at > int64(len(e.row)) {
			p[i] = 'x'
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// T79 for files: 64 MB are read in constant memory, and a row that never ends is
// refused.
func TestT79_FilesAreReadInConstantMemory(t *testing.T) {
	big := endless{row: "12345,some text,1.5\n", size: 64 << 20}
	c := file.CSV(opener(big))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, err := query(t, c, settings(map[string]any{"header": false}), `{"where": [{"column": "column1", "op": "gt", "value": 99999999}]}`, nil)
	if err != nil || len(got.rows) != 0 {
		t.Fatal(len(got.rows), err)
	}
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapSys) - int64(before.HeapSys); held > 32<<20 {
		t.Errorf("%d MB of heap for it", held>>20)
	}
	_, err = query(t, file.CSV(opener(endless{row: "a,b\n1,\"", size: 64 << 20, quote: true})), settings(nil), `{}`, nil)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "8 MiB") {
		t.Errorf("a row without an end: %v", err)
	}
}

// T79: a row of nothing but delimiters is refused before it is made values of,
// which would take fifty times its size.
func TestT79_ARowOfDelimitersIsRefusedEarly(t *testing.T) {
	for name, quiet := range map[string]string{"at once": "", "behind a text": "\"a\nb,,\",x\n"} {
		s := shelve([]byte(quiet + strings.Repeat(",", 7<<20) + "\n"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := query(t, file.CSV(s.Open), settings(map[string]any{"header": false}), `{}`, nil)
		runtime.ReadMemStats(&after)
		if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "16384") {
			t.Errorf("%s: %v", name, err)
		}
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 {
			t.Errorf("%s: %d MB for it", name, n)
		}
	}
	wide := strings.Repeat("x,", 16_383) + "x\n"
	s := shelve([]byte(wide + strings.Repeat(`"`+strings.Repeat(",", 20_000)+`",`, 5) + "\n" + wide))
	got, err := query(t, file.CSV(s.Open), settings(map[string]any{"header": false}), `{}`, nil)
	if err != nil || len(got.rows) != 3 || len(got.columns) != 16_384 || len(got.rows[1][4].(string)) != 20_000 {
		t.Errorf("as wide as it may be: %d rows, %d columns, %v", len(got.rows), len(got.columns), err)
	}
}

// T79: a header of equal names is numbered in time that grows with its length.
func TestT79_EqualNamesAreNumberedQuickly(t *testing.T) {
	t.Parallel()
	s := shelve([]byte(strings.Repeat(",a", 16_000)[1:] + ",a_3,a_2_2\n"))
	began := time.Now()
	got, err := query(t, file.CSV(s.Open), settings(nil), `{}`, nil)
	if took := time.Since(began); err != nil || took > 2*time.Second {
		t.Errorf("%v, after %s", err, took)
	}
	names := map[string]bool{}
	for _, c := range got.columns {
		names[c.Name] = true
	}
	if len(names) != 16_002 || got.columns[0].Name != "a" || got.columns[15_999].Name != "a_16000" || got.columns[16_000].Name != "a_3_2" {
		t.Errorf("%d names, %s … %s %s", len(names), got.columns[0].Name, got.columns[15_999].Name, got.columns[16_000].Name)
	}
}

// FuzzCSV: whatever is in a file, reading it ends, in rows as wide as the columns
// or in an error that may be shown.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\xff\xfea\x00,\x00", "\"a\nb\";c\n\"\"\"\"", "a\n\n\n1", ",,,\n,,", "\xef\xbb\xbf", "a,a\n1,x\n2,3,,,", "\x00", "1e9\n1e9"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, header bool) {
		s := shelve(content)
		got, err := query(t, file.CSV(s.Open), settings(map[string]any{"header": header}), `{}`, nil)
		if err != nil {
			if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
				t.Fatalf("an error of another kind: %v", err)
			}
		}
		for _, r := range got.rows {
			if len(r) != len(got.columns) {
				t.Fatalf("%d values for %d columns", len(r), len(got.columns))
			}
		}
		if s.open.Load() != 0 {
			t.Fatal("the file is still open")
		}
	})
}

func BenchmarkCSV(b *testing.B) {
	content := table(100_000)
	s := shelve(content)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := query(b, file.CSV(s.Open), settings(nil), fmt.Sprintf(`{"where": [{"column": "amount", "op": "gt", "value": %d}]}`, 99_000+rand.IntN(2)), nil); err != nil {
			b.Fatal(err)
		}
	}
}
