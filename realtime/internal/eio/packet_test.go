package eio

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]struct {
		t       Type
		content string
	}{
		"1": {Close, ""}, "2": {Ping, ""}, "3": {Pong, ""}, "4": {Message, ""}, `42["x"]`: {Message, `2["x"]`}, "6": {Noop, ""},
	} {
		if got, content, err := Parse([]byte(frame)); err != nil || got != want.t || string(content) != want.content {
			t.Errorf("%q: %c %q %v", frame, got, content, err)
		}
	}
	for _, frame := range []string{"", "7", "x", "/", "\x1e", "2probe", "3x", "1 ", "\x00", "é"} {
		if _, _, err := Parse([]byte(frame)); !errors.Is(err, ErrPacket) {
			t.Errorf("%q: %v", frame, err)
		}
	}
}

func TestParsePacket(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]Packet{
		`0`:                        {Connect, "/", NoID, nil},
		`0{"token":"x"}`:           {Connect, "/", NoID, []byte(`{"token":"x"}`)},
		`0/monitor,`:               {Connect, "/monitor", NoID, nil},
		`0/monitor`:                {Connect, "/monitor", NoID, nil},
		`0/monitor,{"a":1}`:        {Connect, "/monitor", NoID, []byte(`{"a":1}`)},
		`0/,`:                      {Connect, "/", NoID, nil},
		`1`:                        {Disconnect, "/", NoID, nil},
		`2["x"]`:                   {Event, "/", NoID, []byte(`["x"]`)},
		`212["x",{"a":[1]}]`:       {Event, "/", 12, []byte(`["x",{"a":[1]}]`)},
		`2/n,0["x"]`:               {Event, "/n", 0, []byte(`["x"]`)},
		`3007[]`:                   {Ack, "/", 7, []byte(`[]`)},
		`29007199254740991["x"]`:   {Event, "/", maxID, []byte(`["x"]`)},
		`4{"message":"x"}`:         {ConnectError, "/", NoID, []byte(`{"message":"x"}`)},
		"2[\"\\u0000\\\"],\", {}]": {Event, "/", NoID, []byte("[\"\\u0000\\\"],\", {}]")},
	} {
		got, err := ParsePacket([]byte(message))
		if err != nil || got.Kind != want.Kind || got.Namespace != want.Namespace || got.ID != want.ID || string(got.Data) != string(want.Data) {
			t.Errorf("%q: %+v %v", message, got, err)
		}
	}
	for _, message := range []string{
		``, `7`, `x`, `0[]`, `0"x"`, `0{`, `01{}`, `1{}`, `11`, `2`, `2{}`, `2[]`, `2[1]`, `2[null]`, `2["x"`, `2["x"]]`, `2 ["x"] x`,
		`2-1["x"]`, `29007199254740992["x"]`, `299999999999999999999999["x"]`, `2/n["x"]`, `3[]`, `31{}`, `31`, `4`, `4[]`, `45{}`,
		"0/\xff,", "0/" + strings.Repeat("n", 200) + ",", "2[\"" + strings.Repeat("x", 10) + "\x01\"]", `2` + strings.Repeat("[", 100_000),
		`2["x",` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `]`,
	} {
		if got, err := ParsePacket([]byte(message)); !errors.Is(err, ErrPacket) {
			t.Errorf("%.60q: %+v %v", message, got, err)
		}
	}
	for _, message := range []string{`51-["x",{"_placeholder":true,"num":0}]`, `61-7[]`, `5`, `50-["x"]`} {
		if _, err := ParsePacket([]byte(message)); !errors.Is(err, ErrBinary) {
			t.Errorf("%q: %v", message, err)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for data, want := range map[string][2]string{
		`["x"]`:                          {"x", ""},
		` [ "x" , {"a":"],\"[{"} , 2 ] `: {"x", `{"a":"],\"[{"}`},
		`["a,b]","c,]\\"]`:               {"a,b]", `"c,]\\"`},
		`["\u0061\ud800",null]`:          {"a\ufffd", "null"},
		`["x",[[],{}],1]`:                {"x", `[[],{}]`},
		`["",-1e3]`:                      {"", "-1e3"},
	} {
		name, first, err := Arguments([]byte(data))
		if err != nil || name != want[0] || string(first) != want[1] {
			t.Errorf("%s: %q %q %v", data, name, first, err)
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Packet{
		`40{"sid":"x"}`:            {Connect, "/", NoID, []byte(`{"sid":"x"}`)},
		`41`:                       {Kind: Disconnect, ID: NoID},
		`44/n,{"message":"x"}`:     {ConnectError, "/n", NoID, []byte(`{"message":"x"}`)},
		`430[{"ok":true}]`:         {Ack, "/", 0, []byte(`[{"ok":true}]`)},
		`42["workflow_x",{"a":1}]`: {Event, "", NoID, []byte(`["workflow_x",{"a":1}]`)},
	} {
		if got := string(p.Frame()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	h := Handshake{"s", 25 * time.Second, 500 * time.Microsecond, 1 << 18}
	if got := string(h.Frame()); got != `0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":1,"maxPayload":262144}` {
		t.Error(got)
	}
}

// A hostile packet costs no more memory than the size of its frame.
func TestT132_ParsingTakesNoMemory(t *testing.T) {
	const size = 256 << 10
	for name, message := range map[string]string{
		"many arguments": `2["x"` + strings.Repeat(",1", size/2) + `]`,
		"a long name":    `2["` + strings.Repeat("x", size) + `"]`,
		"a long id":      `2` + strings.Repeat("1", size),
		"a long path":    `0/` + strings.Repeat("x", size),
		"deep":           `2["x",` + strings.Repeat("[", size),
		"many keys":      `0{` + strings.TrimSuffix(strings.Repeat(`"a":1,`, size/6), ",") + `}`,
		"escapes":        `2["` + strings.Repeat(`\u0000`, size/6) + `"]`,
	} {
		frame := append([]byte("4"), message...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, content, err := Parse(frame); err == nil {
			_, _ = ParsePacket(content)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 2*size {
			t.Errorf("%s: %d bytes", name, took)
		}
	}
}
