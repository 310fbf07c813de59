package realtime

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/problem"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","op":"auth","token":"t"}`,
		`{"id":"2","op":"subscribe","topic":"run:1","since":1764000000000123}`,
		`{"op":"ping"}`, `{"id":1}`, `[[[[`, `{"op":"ping","since":-1}`, `{"op":"ping","since":1e400}`,
		`{"op":"ping","id":"` + "\xff\u202e\\u0000" + `"}`, `null`, ``, `{"OP":"ping"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := decodeRequest(frame)
		if err != nil {
			if !problem.Is(err, problem.Invalid) {
				t.Fatalf("kind %q", problem.KindOf(err))
			}
			answer(t, refusal("", "", err))
			return
		}
		if r.Op == "" || len(r.ID) > maxRequestID || r.Since != nil && *r.Since < 0 {
			t.Fatalf("accepted %+v", r)
		}
		answer(t, refusal(r.ID, r.Topic, errHubStopped))
	})
}

// answer checks that a reply can be sent as a text frame.
func answer(t *testing.T, r reply) {
	t.Helper()
	if frame := r.encode(); !utf8.Valid(frame) || !json.Valid(frame) {
		t.Fatalf("answer %q", frame)
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, seed := range []string{"run:1", "run:*", "*", ":", "run:a:b", "run:\x00", "tenant:0197f0e0-0000-7000-8000-000000000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := ParseTopic(s)
		if err != nil {
			return
		}
		if topic.String() != s || !json.Valid(eventFrame(s, Message{Seq: 1, Body: []byte(`"data":null}`)})) {
			t.Fatalf("%q read as %+v", s, topic)
		}
	})
}

func FuzzParsePayload(f *testing.F) {
	for _, seed := range []string{"1 k\nbody", "1 \n", "", "x y\nz", "-1 \n\n\n", "9223372036854775808 k\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		if m := parsePayload(payload); m.Body != nil && len(m.Body) == 0 {
			t.Fatalf("%q: an empty body would count as an event", payload)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{"https://a.example", "null", "http://a@b", "https://a.example:443", "//a", "https://[::1]:8443"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, ok := parseOrigin(s)
		if !ok {
			return
		}
		again, ok := parseOrigin(o.scheme + "://" + o.host)
		if !ok || again != o {
			t.Fatalf("%q reads as %+v, and that as %+v (%v)", s, o, again, ok)
		}
	})
}
