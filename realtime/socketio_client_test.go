package realtime_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/realtime"
)

// handshake is the address of the endpoint as socket.io-client has it.
const handshake = "/socket.io/?EIO=4&transport=websocket"

// packets is a client of Socket.IO that sees and sends text frames.
type packets struct{ *socket }

// dialSocketIO connects, and takes the first packet.
func (w *world) dialSocketIO(t testing.TB, headers ...string) packets {
	t.Helper()
	p := packets{dial(t, w.url+handshake, headers...)}
	if open := p.next(); !strings.HasPrefix(open, `0{"sid":"`) {
		t.Fatalf("the first packet is %s", open)
	}
	return p
}

// enterSocketIO connects to the namespace with a token.
func (w *world) enterSocketIO(t testing.TB, token string) packets {
	t.Helper()
	p := w.dialSocketIO(t)
	p.send(`40{"token":"` + token + `"}`)
	p.starts(`40{"sid":"`)
	return p
}

// joined connects and joins the room of a run.
func (w *world) joined(t testing.TB, token, runID string) packets {
	t.Helper()
	p := w.enterSocketIO(t, token)
	p.send(`420["workflow_run_join",{"runId":"` + runID + `"}]`)
	p.starts(`430[{"ok":true,"topic":"run:` + runID + `","seq":`)
	return p
}

// receive returns the next packet. The pings of the server are answered.
func (p packets) receive() (string, error) {
	for {
		text, err := p.receiveText()
		if err != nil || string(text) != "2" {
			return string(text), err
		}
		if err := p.trySend("3"); err != nil {
			return "", err
		}
	}
}

func (p packets) next() string {
	p.t.Helper()
	text, err := p.receive()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// starts receives a packet that begins with prefix, and returns the rest.
func (p packets) starts(prefix string) string {
	p.t.Helper()
	text := p.next()
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		p.t.Fatalf("want %s…, got %s", prefix, text)
	}
	return rest
}

// event receives an event with its arguments.
func (p packets) event(name string) (payload map[string]any, meta struct {
	Topic, Type string
	Seq         int64
	Time        time.Time
}) {
	p.t.Helper()
	text := p.starts("42")
	var arguments []json.RawMessage
	var got string
	if json.Unmarshal([]byte(text), &arguments) != nil || len(arguments) == 0 || json.Unmarshal(arguments[0], &got) != nil || got != name {
		p.t.Fatalf("want %s, got %s", name, text)
	}
	for i, into := range []any{&payload, &meta} {
		if i+1 < len(arguments) {
			if err := json.Unmarshal(arguments[i+1], into); err != nil {
				p.t.Fatalf("%s: %v", text, err)
			}
		}
	}
	return payload, meta
}

// quiet proves that nothing came before: a request is answered first.
func (p packets) quiet() {
	p.t.Helper()
	p.send(`429999["no_such_event"]`)
	p.starts(`439999[{"ok":false`)
}

// ends receives until the connection is closed with the code, and reports whether
// the client was told to stay away.
func (p packets) ends(code realtime.CloseCode) (stay bool) {
	p.t.Helper()
	for {
		text, err := p.receive()
		if err == nil {
			stay = stay || text == "41"
			continue
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		if !ok || closed.Code != websocket.StatusCode(code) {
			p.t.Fatalf("want close %d, got %v", code, err)
		}
		return stay
	}
}
