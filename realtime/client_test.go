package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/realtime"
)

// frame is anything the server sends.
type frame struct {
	ID, Op, Topic, Code, Detail, Type, Time string
	Seq, From, To                           int64
	Data                                    json.RawMessage
}

// socket is a client of the protocol.
type socket struct {
	t  testing.TB
	ws *websocket.Conn
}

// dial connects with headers given as pairs.
func dial(t testing.TB, url string, headers ...string) *socket {
	t.Helper()
	s, response, err := tryDial(t, url, headers...)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, response)
	}
	return s
}

func tryDial(t testing.TB, url string, headers ...string) (*socket, *http.Response, error) {
	t.Helper()
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Add(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return nil, response, err
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &socket{t, ws}, response, nil
}

// enter connects and authenticates by a frame.
func (w *world) enter(t testing.TB, token string) *socket {
	t.Helper()
	s := dial(t, w.url)
	s.send(`{"id":"a","op":"auth","token":"` + token + `"}`)
	s.want("ok")
	return s
}

// watch connects and subscribes; it returns
// the position too.
func (w *world) watch(t testing.TB, token, topic string) (*socket, int64) {
	t.Helper()
	s := w.enter(t, token)
	s.send(`{"id":"s","op":"subscribe","topic":"` + topic + `"}`)
	return s, s.want("ok").Seq
}

func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.trySend(text); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

func (s *socket) trySend(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.ws.Write(ctx, websocket.MessageText, []byte(text))
}

func (s *socket) receiveText() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, text, err := s.ws.Read(ctx)
	return text, err
}

func (s *socket) receive() (frame, error) {
	text, err := s.receiveText()
	if err != nil {
		return frame{}, err
	}
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		s.t.Errorf("received %q: %v", text, err)
	}
	return f, nil
}

// want receives a frame of an op.
func (s *socket) want(op string) frame {
	s.t.Helper()
	f, err := s.receive()
	if err != nil {
		s.t.Fatalf("want %s: %v", op, err)
	}
	if f.Op != op {
		s.t.Fatalf("want %s, got %+v", op, f)
	}
	return f
}

// wantEvent receives an event with a number and the data.
func (s *socket) wantEvent(seq int64, data string) {
	s.t.Helper()
	f := s.want("event")
	if f.Seq != seq || string(f.Data) != data {
		s.t.Fatalf("want event %d with %s, got %+v", seq, data, f)
	}
}

// quiet proves that nothing came before: a ping is answered first.
func (s *socket) quiet() {
	s.t.Helper()
	s.send(`{"op":"ping"}`)
	s.want("pong")
}

// wantClose receives until the connection is closed, with the code.
func (s *socket) wantClose(code realtime.CloseCode) (reason string) {
	s.t.Helper()
	for {
		_, err := s.receive()
		if err == nil {
			continue
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		if !ok || closed.Code != websocket.StatusCode(code) {
			s.t.Fatalf("want close %d, got %v", code, err)
		}
		return closed.Reason
	}
}
