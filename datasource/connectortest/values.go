package connectortest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Injections is a corpus of strings that have broken out of statements before:
// out of literals, comments, dollar quotes, paths, headers and templates.
func Injections() []string {
	return []string{
		`'`, `"`, `''`, "`", `\`, `\'`, `;`, `--`, `/*`, `*/`, `#`,
		`' OR '1'='1`, `' OR 1=1 --`, `1; DROP TABLE canary; --`, `'); DELETE FROM canary; --`,
		`x' UNION SELECT password FROM users --`, `1 OR 1=1`, `1) OR (1=1`, `-1`, `0x27`, `%27`, `%2527`,
		`$$; DROP TABLE canary; $$`, `$a$ x $a$`, `$1`, `?`, `?1`, `:a`, `@a`, `{{ v }}`, `{{v}}`, `{{{{`, `}}`, `[[ x ]]`,
		`E'\''`, `U&'\0027'`, `\u0027`, "ʼ", "＇", "‘’", "\u00a0", "\u202e", "ЖäöüßΩ漢字😀",
		"a\nb", "a\r\nX-Injected: 1", "\t", ` `, ``, `null`, `NULL`, `true`, `[]`, `{}`, `{"$where":"1"}`, `{"$ne":null}`,
		`../../etc/passwd`, `..`, `.`, `a/b`, `a%2fb`, `?x=1`, `#x`, `&x=1`, `//evil.test`, `http://evil.test/`,
		`constructor`, `__proto__`, `#{7*7}`, `${7*7}`, `<%= 7*7 %>`, `<script>`, `LIMIT 0`, `pg_sleep(10)`,
	}
}

// samples are ordinary and extreme values of each type.
func samples(t datasource.ParamType) []any {
	switch t {
	case datasource.ParamString:
		return []any{"a", "äöü 漢字 😀", "two\nlines", ""}
	case datasource.ParamInteger:
		return []any{int64(0), int64(-1), int64(1<<53 + 1), int64(math.MaxInt64), int64(math.MinInt64)}
	case datasource.ParamNumber:
		return []any{json.Number("0"), json.Number("-1.5"), json.Number("12.25"), json.Number("1e10"), json.Number("0.1")}
	case datasource.ParamBoolean:
		return []any{true, false}
	case datasource.ParamDate:
		return []any{datasource.Date("2024-02-29"), datasource.Date("1969-12-31")}
	case datasource.ParamTimestamp:
		return []any{time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC), time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)}
	case datasource.ParamUUID:
		return []any{"0190163d-8694-739b-aea5-966c26f8ad91"}
	case datasource.ParamJSON:
		return []any{json.RawMessage(`{"a":[1,"x",null,true],"ü":{}}`), json.RawMessage(`[1.5]`)}
	}
	return nil
}

func (s *suite) echo(t *testing.T) {
	if s.Echo == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	for _, kind := range datasource.ParamTypes() {
		s.echoNull(t, conn, kind)
		for _, v := range samples(kind) {
			if !same(kind, v, s.echoed(t, conn, kind, v)) {
				t.Errorf("%s %v came back as another value", kind, v)
			}
		}
	}
}

func (s *suite) echoNull(t *testing.T, conn datasource.Conn, kind datasource.ParamType) {
	t.Helper()
	if !s.NoNull {
		if got := s.echoed(t, conn, kind, nil); got != nil {
			t.Errorf("a %s that is null came back as %v", kind, got)
		}
		return
	}
	if _, err := s.query(t, conn, s.Echo(kind), map[string]any{"v": nil}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a %s that is null: %v, want Invalid", kind, err)
	}
}

func (s *suite) echoed(t *testing.T, conn datasource.Conn, kind datasource.ParamType, v any) any {
	t.Helper()
	rows, err := s.query(t, conn, s.Echo(kind), map[string]any{"v": v})
	if err != nil {
		t.Fatalf("%s %v: %v", kind, v, err)
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s %v: got %v, want one row with one value", kind, v, rows)
	}
	return rows[0][0]
}

// injection is case T80: each of the corpus comes back as the value it is.
func (s *suite) injection(t *testing.T) {
	if s.Echo == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	before := s.state(t)
	for _, v := range Injections() {
		if got := s.echoed(t, conn, datasource.ParamString, v); got != v {
			t.Errorf("%q came back as %q", v, got)
		}
		for _, document := range []any{v, map[string]any{v: v}, []any{v}} {
			raw, _ := json.Marshal(document)
			if got := s.echoed(t, conn, datasource.ParamJSON, json.RawMessage(raw)); !same(datasource.ParamJSON, json.RawMessage(raw), got) {
				t.Errorf("%s came back as %v", raw, got)
			}
		}
	}
	if s.EchoList != nil {
		s.injectedList(t, conn)
	}
	if after := s.state(t); after != before {
		t.Errorf("the other side changed from %q to %q", before, after)
	}
}

func (s *suite) injectedList(t *testing.T, conn datasource.Conn) {
	t.Helper()
	list := make([]any, 0, len(Injections()))
	for _, v := range Injections() {
		list = append(list, v)
	}
	rows, err := s.query(t, conn, s.EchoList, map[string]any{"v": list})
	if err != nil {
		t.Fatal(err)
	}
	var got any = rows[0][0]
	switch text := got.(type) {
	case string:
		err = json.Unmarshal([]byte(text), &got)
	case datasource.JSON:
		err = json.Unmarshal([]byte(text), &got)
	}
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("the list came back as %v (%v)", got, err)
	}
}

func (s *suite) state(t *testing.T) string {
	t.Helper()
	if s.State == nil {
		return ""
	}
	return s.State(t)
}

// same compares a value with its echo, which may be in the datasource's own
// form of it: a number for a boolean, a text for a time.
func same(kind datasource.ParamType, sent, got any) bool {
	if sent == nil || got == nil {
		return sent == nil && got == nil
	}
	if b, ok := got.([]byte); ok {
		got = string(b)
	}
	switch kind {
	case datasource.ParamNumber:
		a, okA := new(big.Rat).SetString(fmt.Sprint(sent))
		b, okB := new(big.Rat).SetString(fmt.Sprint(got))
		return okA && okB && a.Cmp(b) == 0
	case datasource.ParamBoolean:
		return fmt.Sprint(got) == fmt.Sprint(sent) || got == map[any]int64{true: 1, false: 0}[sent]
	case datasource.ParamTimestamp:
		return sameTime(sent.(time.Time), got)
	case datasource.ParamJSON:
		var a, b any
		errA := json.Unmarshal(sent.(json.RawMessage), &a)
		errB := json.Unmarshal([]byte(fmt.Sprint(got)), &b)
		return errA == nil && (errB == nil && reflect.DeepEqual(a, b) || reflect.DeepEqual(a, got))
	}
	return fmt.Sprint(sent) == fmt.Sprint(got)
}

func sameTime(sent time.Time, got any) bool {
	if at, ok := got.(time.Time); ok {
		return at.Equal(sent)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999"} {
		if at, err := time.Parse(layout, fmt.Sprint(got)); err == nil {
			return at.Equal(sent)
		}
	}
	return false
}
