package datasource

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// What a connector gives beside the contract comes out as what it is, or not at all; it
// never becomes NULL.
func TestRowsAreHeldToTheirContract(t *testing.T) {
	t.Parallel()
	type name string
	for _, c := range []struct {
		value any
		want  string // "" = refused
	}{
		{5, "5"}, {int32(-5), "-5"}, {uint8(5), "5"}, {float32(0.5), "0.5"}, {name("x"), "x"}, {json.RawMessage(`{"a":1}`), "map[a:1]"},
		{[]any{1, []any{int8(2)}}, "[1 [2]]"}, {map[string]any{"x": 1}, "map[x:1]"}, {time.Second, "1000000000"},
		{[]string{"a"}, ""}, {struct{}{}, ""}, {new(int), ""}, {[]any{[]string{"a"}}, ""}, {map[string]any{"x": make(chan int)}, ""},
	} {
		rows := [][]any{{"first", c.value}}
		result, err := collect(&checked{Rows: BufferedRows([]Column{{Name: "a"}, {Name: "b"}}, rows)}, 10, 1000)
		switch {
		case c.want == "" && (err == nil || !strings.Contains(err.Error(), `column "b"`)):
			t.Errorf("%T: got %v %v", c.value, result.Rows, err)
		case c.want != "" && (err != nil || fmt.Sprint(result.Rows[0][1]) != c.want):
			t.Errorf("%T: got %v %v, want %s", c.value, result.Rows, err, c.want)
		}
		if fmt.Sprintf("%T", rows[0][1]) != fmt.Sprintf("%T", c.value) {
			t.Errorf("%T: the connector's own row has changed", c.value)
		}
	}
	for _, row := range [][]any{{}, {1, 2, 3}} {
		rows := &checked{Rows: BufferedRows([]Column{{Name: "a"}}, [][]any{row})}
		if got, err := rows.Next(); err == nil || err == io.EOF {
			t.Errorf("a row of %d values: got %v %v", len(row), got, err)
		}
	}
	if _, ok := uncheckedOf(&checked{Rows: ExecRows(nil, nil, 3)}).(Counter); !ok {
		t.Error("the count of a statement is lost")
	}
}
