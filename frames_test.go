package jetadmin_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// wire is a socket whose frames are seen as they are sent.
type wire struct {
	t  testing.TB
	ws *websocket.Conn
}

// frame is anything that the server sends over a socket.
type frame struct {
	ID, Op, Topic, Code, Type string
	Seq                       int64
	Data                      json.RawMessage
}

// wire opens a socket that has not signed in.
func (c *caller) wire() *wire {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.url, "http")+"/api/v1/ws", nil)
	must(c.t, err)
	c.t.Cleanup(func() { _ = ws.CloseNow() })
	return &wire{c.t, ws}
}

// signIn shows a token, and waits until it is taken.
func (w *wire) signIn(c *caller) *wire {
	w.t.Helper()
	w.send(object{"id": "auth", "op": "auth", "token": strings.TrimPrefix(c.header.Get("Authorization"), "Bearer ")})
	if f := w.next(); f.Op != "ok" {
		w.t.Fatalf("sign in: got %+v", f)
	}
	return w
}

func (w *wire) send(request object) {
	w.t.Helper()
	text, err := json.Marshal(request)
	must(w.t, err)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	must(w.t, w.ws.Write(ctx, websocket.MessageText, text))
}

func (w *wire) next() (f frame) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	_, text, err := w.ws.Read(ctx)
	must(w.t, err)
	must(w.t, json.Unmarshal(text, &f))
	return f
}
