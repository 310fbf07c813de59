package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/realtime"
)

// T129: whatever goes wrong in the handshake, the connection has no rights and
// closes.
func TestT129_SocketIOFailedAuthHasNoRights(t *testing.T) {
	t.Parallel()
	join := `421["workflow_run_join",{"runId":"1"}]`
	for name, c := range map[string]struct {
		send []string
		code realtime.CloseCode
		stay bool
		bad  func(string) (*auth.Principal, error)
	}{
		"wrong token":       {[]string{`40{"token":"eve"}`, join}, realtime.CloseUnauthenticated, true, nil},
		"no token":          {[]string{`40`, join}, realtime.CloseUnauthenticated, true, nil},
		"empty token":       {[]string{`40{"token":""}`, join}, realtime.CloseUnauthenticated, true, nil},
		"token of a number": {[]string{`40{"token":1}`, join}, realtime.CloseUnauthenticated, true, nil},
		"skipped":           {[]string{join}, realtime.CloseUnauthenticated, true, nil},
		"not JSON":          {[]string{`40token`, join}, realtime.CloseProtocol, true, nil},
		"array":             {[]string{`40["ann"]`, join}, realtime.CloseProtocol, true, nil},
		"native":            {[]string{`{"id":"1","op":"auth","token":"ann"}`, join}, realtime.CloseProtocol, true, nil},
		"another namespace": {[]string{`40/x,{"token":"ann"}`, join}, realtime.CloseUnauthenticated, true, nil},
		"nobody":            {[]string{`40{"token":"ann"}`, join}, realtime.CloseUnauthenticated, true, func(string) (*auth.Principal, error) { return nil, nil }},
		"error midway":      {[]string{`40{"token":"ann"}`, join}, realtime.CloseTryLater, false, func(string) (*auth.Principal, error) { return &auth.Principal{}, errors.New("database is down") }},
		"panic midway":      {[]string{`40{"token":"ann"}`, join}, realtime.CloseTryLater, false, func(string) (*auth.Principal, error) { panic("boom") }},
		"never":             {nil, realtime.CloseUnauthenticated, true, nil},
		"only signs":        {[]string{"3", "6", "3"}, realtime.CloseUnauthenticated, true, nil},
		"too long":          {[]string{`40{"token":"` + strings.Repeat("x", 9<<10) + `"}`}, realtime.CloseTooLarge, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, nil, func(cfg *realtime.Config) {
				cfg.AuthTimeout = 200 * time.Millisecond
				if c.bad != nil {
					cfg.AuthenticateToken = func(_ context.Context, token string) (*auth.Principal, error) { return c.bad(token) }
				}
			})
			p := w.dialSocketIO(t)
			for _, text := range c.send {
				_ = p.trySend(text) // the server may have closed already
			}
			stay := false
			for {
				text, err := p.receive()
				if err != nil {
					if got := websocket.CloseStatus(err); got != websocket.StatusCode(c.code) {
						t.Errorf("closed with %v, want %d", err, c.code)
					}
					break
				}
				stay = stay || text == "41"
				if strings.HasPrefix(text, "40") || strings.Contains(text, `"ok":true`) || strings.HasPrefix(text, "42[") && !strings.Contains(text, "live_error") {
					t.Errorf("got %s", text)
				}
			}
			if stay != c.stay {
				t.Errorf("told to stay away: %v", stay)
			}
		})
	}
}

// A namespace that is not there does not take the other one with it.
func TestSocketIONamespacesAreApart(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	p := w.dialSocketIO(t)
	p.send(`40/monitor,{"token":"ann"}`)
	p.starts(`44/monitor,{`)
	p.send(`40{"token":"ann"}`)
	p.starts(`40{"sid":"`)
	p.quiet()
}

// T130: no way into a room without the right to it, and no word on whether it is
// there.
func TestT130_SocketIOForeignRoomIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	w.allow("bob", "run:2")
	p := w.enterSocketIO(t, "bob")
	answer := func(runID string) string {
		p.send(`421["workflow_run_join",{"runId":"` + runID + `"}]`)
		return strings.ReplaceAll(p.starts(`431[{"ok":false`), runID, "<id>")
	}
	if theirs, nobodys := answer("1"), answer("0190f5c4-7f3a-7c3e-9d5b-000000000000"); theirs != nobodys {
		t.Errorf("%s and %s differ", theirs, nobodys)
	}
	for _, id := range []string{"*", "", "%", `1\u0000`, "1 ", "../1", "1:2", "tenant:1"} {
		p.send(`421["workflow_run_join",{"runId":"` + id + `"}]`)
		p.starts(`431[{"ok":false`)
	}
	for _, room := range []string{"run:1", "tenant:1", "*", "1", "run:*", "RUN:1"} {
		p.send(`421["join_room","` + room + `"]`)
		p.starts(`431[{"ok":false`)
	}
	w.publish(t, "run:1", "secret", 1)
	p.quiet()
}

// T131: who loses a right loses the room within a second.
func TestT131_SocketIOLostRightEndsWithinASecond(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		take func(w *world)
		end  func(p packets)
	}{
		"run": {func(w *world) { w.forbid("ann", "run:1") }, func(p packets) {
			p.starts(`42["live_error",{"topic":"run:1","code":"subscription_ended"`)
		}},
		"session": {func(w *world) { w.signOut("ann") }, func(p packets) {
			if !p.ends(realtime.CloseUnauthenticated) {
				t.Error("not told to stay away")
			}
		}},
		"check fails": {func(w *world) { w.breakWith(func() error { return errors.New("database is down") }) }, func(p packets) {
			if p.ends(realtime.CloseTryLater) {
				t.Error("told to stay away")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, nil)
			p := w.joined(t, "ann", "1")
			began := time.Now()
			c.take(w)
			c.end(p)
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
			w.publish(t, "run:1", "secret", 1)
			if p.trySend(`421["x"]`) == nil {
				if text, err := p.receive(); err == nil && strings.Contains(text, "secret") {
					t.Errorf("received %s", text)
				}
			}
		})
	}
}

// T132: what is not of the protocol ends the connection with its code, and no
// other connection.
func TestT132_SocketIOBrokenPackets(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxTopics = 8; c.MaxMessages = 20 })
	bystander := w.joined(t, "ann", "1")
	for name, c := range map[string]struct {
		send string
		code realtime.CloseCode
	}{
		"empty":                  {"", realtime.CloseProtocol},
		"no type":                {"x", realtime.CloseProtocol},
		"open":                   {"0", realtime.CloseProtocol},
		"ping":                   {"2", realtime.CloseProtocol},
		"probe":                  {"2probe", realtime.CloseProtocol},
		"upgrade":                {"5", realtime.CloseProtocol},
		"record separator":       {"42[\"x\"]\x1e42[\"x\"]", realtime.CloseProtocol},
		"no JSON":                {`42["x"`, realtime.CloseProtocol},
		"no name":                {`42[1]`, realtime.CloseProtocol},
		"deep":                   {`42["x",` + strings.Repeat("[", 100_000), realtime.CloseProtocol},
		"long id":                {`42` + strings.Repeat("9", 1000) + `["x"]`, realtime.CloseProtocol},
		"long namespace":         {`40/` + strings.Repeat("x", 1000), realtime.CloseProtocol},
		"event in another space": {`42/x,["x"]`, realtime.CloseProtocol},
		"connected twice":        {`40{"token":"ann"}`, realtime.CloseProtocol},
		"connect error":          {`44{"message":"x"}`, realtime.CloseProtocol},
		"attachment":             {`451-["x",{"_placeholder":true,"num":0}]`, realtime.CloseBinary},
		"too large":              {`42["x","` + strings.Repeat("x", 300<<10) + `"]`, realtime.CloseTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.enterSocketIO(t, "ann")
			_ = p.trySend(c.send)
			if stay := p.ends(c.code); !stay && c.code != realtime.CloseTooLarge { // WebSocket has closed by then
				t.Error("not told to stay away")
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		p := w.enterSocketIO(t, "ann")
		if err := p.ws.Write(t.Context(), websocket.MessageBinary, []byte("x")); err != nil {
			t.Fatal(err)
		}
		p.ends(realtime.CloseBinary)
	})
	t.Run("too many rooms", func(t *testing.T) {
		for i := range 9 {
			w.allow("cat", fmt.Sprint("run:", i))
		}
		p := w.enterSocketIO(t, "cat")
		for i := range 9 {
			_ = p.trySend(fmt.Sprintf(`42["workflow_run_join",{"runId":"%d"}]`, i))
		}
		if !p.ends(realtime.CloseTopics) {
			t.Error("not told to stay away")
		}
	})
	for name, flood := range map[string]string{"events": `42["x"]`, "signs of life": "3", "nothing": "6", "namespaces": "40/x,"} {
		t.Run("flood of "+name, func(t *testing.T) {
			p := w.enterSocketIO(t, "ann")
			for range 60 {
				_ = p.trySend(flood)
			}
			if p.ends(realtime.CloseRate) {
				t.Error("told to stay away")
			}
		})
	}
	w.publish(t, "run:1", "tick", map[string]int{})
	bystander.event("tick")
	bystander.quiet()
}

// T132: a reader that does not read is closed and told where to go on; the
// others, in either protocol, notice nothing.
func TestT132_SocketIOSlowReaderIsClosed(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	slow, fast := w.joined(t, "ann", "1"), w.joined(t, "ann", "1")
	native, seq := w.watch(t, "ann", "run:1")
	const events = 100
	for i := range int64(events) {
		w.publish(t, "run:1", "big", strings.Repeat("x", 200<<10))
		native.want("event")
		if text := fast.next(); !strings.Contains(text[len(text)-200:], fmt.Sprintf(`"seq":%d,`, seq+i+1)) {
			t.Fatalf("got …%s", text[len(text)-200:])
		}
	}
	for {
		text, err := slow.receive()
		if err != nil {
			if reason := slow.closedWith(err, realtime.CloseSlow); !strings.HasPrefix(reason, "run:1 ") {
				t.Errorf("reason %q", reason)
			}
			return
		}
		if text == "41" {
			t.Error("told to stay away")
		}
	}
}

// T132: one connection too many is told so, and may come back.
func TestT132_SocketIOTooManyConnections(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxConnections = 1 })
	p := w.enterSocketIO(t, "ann")
	one := packets{dial(t, w.url+handshake)}
	if one.ends(realtime.CloseFull) {
		t.Error("told to stay away")
	}
	p.quiet()
}
