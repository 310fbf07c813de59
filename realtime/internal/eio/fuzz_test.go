package eio

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "2", "2probe", "3", "4", `42["x"]`, "5", "6", "b64", "\x1e", "4\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		kind, content, err := Parse(frame)
		if err != nil {
			if !errors.Is(err, ErrPacket) {
				t.Fatal(err)
			}
			return
		}
		if kind < Open || kind > Noop || len(content) != len(frame)-1 || kind != Message && len(content) > 0 {
			t.Fatalf("%q reads as %c %q", frame, kind, content)
		}
	})
}

func FuzzParsePacket(f *testing.F) {
	for _, seed := range []string{
		`0`, `0{"token":"x"}`, `0/n,{"token":"x"}`, `1`, `1/n,`, `2["x",{"runId":"y"}]`, `212["x"]`, `2/n,12["x"]`, `31[{"ok":true}]`,
		`4{"message":"x"}`, `51-["x",{"_placeholder":true,"num":0}]`, `2["\ud800\\\"",[{}]]`, "2[\"\xff\"]", `2[[[[`, `29007199254740992["x"]`, `/`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		p, err := ParsePacket(message)
		if err != nil {
			if !errors.Is(err, ErrPacket) && !errors.Is(err, ErrBinary) {
				t.Fatal(err)
			}
			return
		}
		if p.Data != nil && !json.Valid(p.Data) || !utf8.ValidString(p.Namespace) || p.Namespace[0] != '/' || p.ID < NoID || p.ID > maxID {
			t.Fatalf("%q reads as %+v", message, p)
		}
		again, err := ParsePacket(p.Frame()[1:])
		if err != nil || again.Kind != p.Kind || again.Namespace != p.Namespace || again.ID != p.ID || string(again.Data) != string(p.Data) {
			t.Fatalf("%q reads as %+v, and that as %+v (%v)", message, p, again, err)
		}
		if p.Kind == Event {
			sameArguments(t, p.Data)
		}
	})
}

// sameArguments compares with what encoding/json makes of an event.
func sameArguments(t *testing.T, data []byte) {
	t.Helper()
	name, first, err := Arguments(data)
	var all []json.RawMessage
	var want string
	if json.Unmarshal(data, &all) != nil || json.Unmarshal(all[0], &want) != nil || err != nil || name != want {
		t.Fatalf("%q has the name %q, not %q (%v)", data, name, want, err)
	}
	if len(all) > 1 != (first != nil) || len(all) > 1 && string(all[1]) != string(first) {
		t.Fatalf("%q has the first argument %q", data, first)
	}
}
