package realtime_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/realtime"
)

// The events of a run have the names and the fields of the reference product;
// others keep their own.
func TestSocketIOEvents(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus())
		p := w.joined(t, "ann", "1")
		native, seq := w.watch(t, "ann", "run:1")
		for i, c := range []struct{ kind, data, name, payload string }{
			{"run.node.updated", `{"runId":"1","key":"charge","status":"running","attempt":1}`, "workflow_node_update", `{"instanceID":"1","nodeID":"charge","status":"running","error":null}`},
			{"run.node.updated", `{"runId":"1","key":"charge","status":"succeeded","attempt":1,"port":"out"}`, "workflow_node_update", `{"instanceID":"1","nodeID":"charge","status":"success","error":null}`},
			{"run.node.updated", `{"runId":"1","key":"ask","status":"waiting","attempt":1}`, "workflow_node_update", `{"instanceID":"1","nodeID":"ask","status":"suspended","error":null}`},
			{"run.node.updated", `{"runId":"1","key":"x","status":"failed","error":{"kind":"invalid","code":"c","message":"no <b>"}}`, "workflow_node_update", `{"instanceID":"1","nodeID":"x","status":"error","error":"no <b>"}`},
			{"run.wait", `{"id":"w","runId":"1","key":"ask","type":"approval","status":"open","title":"Pay?","deadline":"2026-03-01T12:00:00Z"}`, "workflow_data_collection_request",
				`{"instanceID":"1","nodeID":"ask","collectionRequestID":"w","collectionType":"approval","collectionConfig":{"title":"Pay?","deadline":"2026-03-01T12:00:00Z"}}`},
			{"run.wait", `{"id":"w","runId":"1","key":"ask","type":"approval","status":"answered","deadline":"2026-03-01T12:00:00Z"}`, "run.wait",
				`{"id":"w","runId":"1","key":"ask","type":"approval","status":"answered","deadline":"2026-03-01T12:00:00Z"}`},
			{"run.updated", `{"id":"1","status":"running"}`, "run.updated", `{"id":"1","status":"running"}`},
			{"run.updated", `{"id":"1","status":"succeeded"}`, "workflow_status_update", `{"instanceID":"1","status":"COMPLETED","error":null}`},
			{"run.updated", `{"id":"1","status":"timedOut","error":{"message":"too late"}}`, "workflow_status_update", `{"instanceID":"1","status":"FAILED","error":"too late"}`},
			{"run.updated", `{"id":"1","status":"cancelled"}`, "workflow_status_update", `{"instanceID":"1","status":"CANCELLED","error":null}`},
			{"run.log", `{"runId":"1","message":"hello"}`, "run.log", `{"runId":"1","message":"hello"}`},
			{"run.updated", `"not an object"`, "run.updated", ``},
		} {
			w.publish(t, "run:1", c.kind, json.RawMessage(c.data))
			if e := native.want("event"); e.Type != c.kind || e.Seq != seq+int64(i)+1 {
				t.Errorf("the other protocol got %+v", e)
			}
			if c.payload == "" {
				p.starts(`42["` + c.name + `","not an object",{"topic":"run:1"`)
				continue
			}
			payload, meta := p.event(c.name)
			var want map[string]any
			if err := json.Unmarshal([]byte(c.payload), &want); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(payload) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", c.data, payload, want)
			}
			if meta.Topic != "run:1" || meta.Seq != seq+int64(i)+1 || meta.Type != c.kind || time.Since(meta.Time) > time.Minute {
				t.Errorf("%s: %+v", c.name, meta)
			}
		}
	})
}

// A topic that is not a run's keeps the names of its events, whatever they are.
func TestSocketIORoomsAreTopics(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	p := w.enterSocketIO(t, "ann")
	p.send(`421["join_room","tenant:1"]`)
	p.starts(`431[{"ok":true,"topic":"tenant:1"`)
	w.publish(t, "tenant:1", "run.wait", map[string]string{"id": "w"})
	if payload, meta := p.event("run.wait"); payload["id"] != "w" || meta.Topic != "tenant:1" {
		t.Errorf("got %v %+v", payload, meta)
	}
	p.send(`422["leave_room",{"room":"tenant:1"}]`)
	p.starts(`432[{"ok":true,"topic":"tenant:1"}]`)
	w.publish(t, "tenant:1", "run.wait", map[string]string{"id": "w"})
	p.quiet()
}

func TestSocketIOAcknowledgements(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	p := w.enterSocketIO(t, "ann")
	for _, c := range []struct{ send, want string }{
		{`421["workflow_run_join",{"runId":"1"}]`, `431[{"ok":true,"topic":"run:1","seq":`},
		{`422["workflow_run_join",{"runId":"1"}]`, `432[{"ok":true,"topic":"run:1"}]`}, // a room is a set
		{`423["workflow_run_leave",{"runId":"1"}]`, `433[{"ok":true,"topic":"run:1"}]`},
		{`424["workflow_run_leave",{"runId":"1"}]`, `434[{"ok":true}]`},
		{`425["workflow_run_join","2"]`, `435[{"ok":true,"topic":"run:2","seq":`},
		{`426["workflow_run_join",{"runId":"9"}]`, `436[{"ok":false,"topic":"run:9","code":"not_found","detail":"`},
		{`42["workflow_run_join",{"runId":"9"}]`, `42["live_error",{"topic":"run:9","code":"not_found","detail":"`},
		{`427["workflow_run_join",{}]`, `437[{"ok":false,"topic":"run:","code":"topic_invalid"`},
		{`428["workflow_run_join"]`, `438[{"ok":false,"code":"argument_invalid"`},
		{`429["workflow_run_join",{"runId":1}]`, `439[{"ok":false,"code":"argument_invalid"`},
		{`4210["workflow_run_join",{"runId":"1","since":-1}]`, `4310[{"ok":false,"code":"argument_invalid"`},
		{`4211["join_room",["tenant:1"]]`, `4311[{"ok":false,"code":"argument_invalid"`},
		{`4212["join_room","listener_test:1"]`, `4312[{"ok":false,"topic":"listener_test:1","code":"topic_invalid"`},
		{`4213["ai_chat_user_message",{"message":"1"}]`, `4313[{"ok":false,"code":"event_unknown"`},
		{`42["ai_chat_user_message",{"message":"1"}]`, `42["live_error",{"code":"event_unknown"`},
		{`4214["widget_workflow_connect",{}]`, `4314[{"ok":false,"code":"argument_invalid"`},
		{`42["widget_workflow_connect",{"widgetID":"1"}]`, `42["widget_workflow_error",{"error":{"code":"CONNECTION_FAILED","message":"tenantID is missing"`},
		{`42["widget_refresh",{"widgetID":"1"}]`, `42["widget_workflow_error",{"error":{"code":"REFRESH_FAILED","message":"the widget is not connected","reason":"widget_not_connected"`},
		{`40/monitor,{"token":"ann"}`, `44/monitor,{"data":{"code":"namespace_unknown","detail":"`},
	} {
		p.send(c.send)
		p.starts(c.want)
	}
	for _, silent := range []string{"6", "437[]", `42["workflow_run_join",{"runId":"2"}]`, `42["workflow_run_leave",{"runId":"1"}]`, `42["workflow_run_join",{"runId":"1"}]`} {
		p.send(silent)
	}
	p.quiet()
}

// A client that was away says the last number it saw, as in the other protocol.
func TestSocketIOResumes(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	_, seq := w.watch(t, "ann", "run:1")
	w.publish(t, "run:1", "tick", map[string]int{"n": 1})
	w.publish(t, "run:1", "tick", map[string]int{"n": 2})
	p := w.enterSocketIO(t, "ann")
	p.send(fmt.Sprintf(`421["workflow_run_join",{"runId":"1","since":%d}]`, seq+1))
	p.starts(`431[{"ok":true`)
	if payload, meta := p.event("tick"); payload["n"] != 2.0 || meta.Seq != seq+2 {
		t.Errorf("got %v %+v", payload, meta)
	}
	p.send(`422["join_room",{"room":"run:1","since":1}]`)
	p.starts(`432[{"ok":true,"topic":"run:1"}]`) // it is there already
	p.send(`423["leave_room","run:1"]`)
	p.starts(`433[{"ok":true`)
	p.send(`424["join_room",{"room":"run:1","since":1}]`)
	p.starts(`434[{"ok":true`)
	p.starts(fmt.Sprintf(`42["live_gap",{"topic":"run:1","from":2,"to":%d}]`, seq))
	p.event("tick")
	p.event("tick")
	p.quiet()
}

func TestSocketIOHandshake(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.PingInterval = 20 * time.Second; c.WriteTimeout = 7 * time.Second })
	p := packets{dial(t, w.url+handshake)}
	var open struct {
		SID                                   string
		Upgrades                              []string
		PingInterval, PingTimeout, MaxPayload int
	}
	if err := json.Unmarshal([]byte(p.starts("0")), &open); err != nil {
		t.Fatal(err)
	}
	if len(open.SID) < 20 || open.Upgrades == nil || len(open.Upgrades) > 0 || open.PingInterval != 20_000 || open.PingTimeout != 7_000 || open.MaxPayload != 256<<10 {
		t.Errorf("got %+v", open)
	}
}

// T128: what the address must not say, and pages from elsewhere, in the words of
// Engine.IO.
func TestT128_SocketIOHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	for name, c := range map[string]struct {
		query   string
		headers []string
		status  int
		code    int
	}{
		"polling":               {"EIO=4&transport=polling&t=x", nil, 400, 0},
		"no transport":          {"EIO=4", nil, 400, 0},
		"nothing":               {"", nil, 400, 0},
		"another transport":     {"EIO=4&transport=webtransport", nil, 400, 0},
		"old version":           {"EIO=3&transport=websocket", nil, 400, 5},
		"no version":            {"transport=websocket", nil, 400, 5},
		"upgrade":               {"EIO=4&transport=websocket&sid=x", nil, 400, 1},
		"token in the URL":      {"EIO=4&transport=websocket&token=ann", nil, 400, 3},
		"auth in the URL":       {"EIO=4&transport=websocket&auth=%7B%7D", nil, 400, 3},
		"unreadable":            {"EIO=4&transport=websocket&token=ann;", nil, 400, 3},
		"unreadable escape":     {"EIO=4&transport=websocket&token=%zz", nil, 400, 3},
		"foreign":               {"EIO=4&transport=websocket", []string{"Origin", "https://evil.example.com"}, 403, 4},
		"null":                  {"EIO=4&transport=websocket", []string{"Origin", "null"}, 403, 4},
		"cookie without origin": {"EIO=4&transport=websocket", []string{"Cookie", "session=ann"}, 403, 4},
	} {
		_, response, err := tryDial(t, w.url+"/socket.io/?"+c.query, c.headers...)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Code    *int
			Message string
		}
		if json.Unmarshal(body, &said) != nil || response.StatusCode != c.status || said.Code == nil || *said.Code != c.code || said.Message == "" || strings.Contains(string(body), "ann") {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	if _, response, err := tryDial(t, w.url+handshake, "Authorization", "Bearer eve"); err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a bad credential: %v", response)
	}
	for _, query := range []string{handshake, handshake + "&t=PxYz1", handshake + "&b64=1"} {
		packets{dial(t, w.url+query, "Origin", w.url)}.starts("0{")
	}
}

// The credential of the upgrade is good for the connection; a token says more.
func TestSocketIOCredentialOfTheUpgrade(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	w.allow("bob", "run:2")
	cookie := []string{"Cookie", "session=ann", "Origin", w.url}
	for _, c := range []struct{ connect, mine, foreign string }{
		{`40`, "1", "9"}, {`40{}`, "1", "9"}, {`40{"token":""}`, "1", "9"}, {`40{"token":null}`, "1", "9"}, {`40{"token":"bob"}`, "2", "1"},
	} {
		p := w.dialSocketIO(t, cookie...)
		p.send(c.connect)
		p.starts(`40{"sid":"`)
		p.send(`421["workflow_run_join",{"runId":"` + c.mine + `"}]`)
		p.starts(`431[{"ok":true`)
		p.send(`422["workflow_run_join",{"runId":"` + c.foreign + `"}]`)
		p.starts(`432[{"ok":false`)
	}
	p := w.dialSocketIO(t, cookie...)
	p.send(`40{"token":"eve"}`)
	p.starts(`44{"data":{"code":"unauthenticated"`)
	p.ends(realtime.CloseUnauthenticated)

	late := w.dialSocketIO(t, cookie...)
	w.signOut("ann")
	late.send(`40`)
	late.starts(`44{"data":{"code":"unauthenticated"`)
	late.ends(realtime.CloseUnauthenticated)
}

func TestSocketIOClientGoes(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	for _, goes := range []string{"41", "1"} {
		p := w.joined(t, "ann", "1")
		p.send(goes)
		if p.ends(1000) {
			t.Errorf("%s: told to stay away", goes)
		}
	}
}

func TestSocketIORestart(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	p := w.joined(t, "ann", "1")
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(t.Context()) }()
	if p.ends(realtime.CloseRestart) {
		t.Error("told to stay away")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, response, err := tryDial(t, w.url+handshake); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stopped hub accepted: %v", err)
	}
}

// The server asks for signs of life, also while events stream, and drops who
// gives none.
func TestSocketIOPing(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) {
		c.PingInterval = 50 * time.Millisecond
		c.WriteTimeout = 2 * time.Second
	})
	p := w.joined(t, "ann", "1")
	for pings := 0; pings < 4; {
		w.publish(t, "run:1", "tick", map[string]int{})
		text, err := p.receiveText()
		if err != nil {
			t.Fatal(err)
		}
		if string(text) == "2" {
			pings++
			p.send("3")
		}
	}
	silent := w.joined(t, "ann", "1")
	began := time.Now()
	for {
		if _, err := silent.receiveText(); err != nil {
			break
		}
	}
	if took := time.Since(began); took < 2*time.Second || took > patience/2 {
		t.Errorf("it ended after %v", took)
	}
}
