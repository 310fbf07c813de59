package jetadmin_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/internal/api"
)

// accounts signs in, and is refused, in every way.
func (s *sweep) accounts() {
	t := s.t
	t.Helper()
	m := s.member("nothing")
	login := func(email, password string) *reply {
		return s.anybody.call("POST", "/auth/login", object{"email": email, "password": password})
	}
	login(m.User.Email, s.secrets.text("a wrong password")).want(http.StatusUnauthorized)
	login("nobody@example.com", s.secrets.text("the password of nobody")).want(http.StatusUnauthorized)
	login(m.User.Email, s.secrets.text("a long password")+strings.Repeat("x", 5000))
	token := login(m.User.Email, m.Password).want(http.StatusOK).text("token")
	member := s.anybody.bearer(token)
	change := func(before, after string) *reply {
		return member.call("POST", "/auth/password", object{"old": before, "new": after})
	}
	if got := change(s.secrets.text("a wrong old password"), s.secrets.text("a new password that is not taken")); got.Status < 400 {
		t.Errorf("a wrong password can be changed: %d", got.Status)
	}
	change(m.Password, "short").want(http.StatusUnprocessableEntity)
	next := s.secrets.text("the new password")
	change(m.Password, next).want(http.StatusOK)
	login(m.User.Email, m.Password).want(http.StatusUnauthorized)
	token = login(m.User.Email, next).want(http.StatusOK).text("token")
	cookie := s.anybody.with("Cookie", "jetadmin_session="+token)
	cookie.call("GET", "/auth/me", nil).want(http.StatusOK)
	s.anybody.bearer("jas_"+s.secrets.plain("a made-up session")).call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	s.anybody.bearer(s.secrets.text("a token of another kind")).call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	basic := base64.StdEncoding.EncodeToString([]byte("somebody:" + s.secrets.text("a basic password")))
	s.anybody.with("Authorization", "Basic "+basic).call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	s.anybody.with("X-Api-Key", s.secrets.plain("a key in another header")).call("GET", "/auth/me", nil).want(http.StatusUnauthorized)
	s.anybody.call("GET", "/auth/me?token="+url.QueryEscape(s.secrets.text("a token in the query")), nil)
	s.anybody.call("GET", "/nowhere/"+s.secrets.plain("a secret in a path"), nil).want(http.StatusNotFound)
	s.anybody.call("POST", "/auth/setup", object{"token": "jau_" + s.secrets.plain("a token of nobody"), "email": "a@example.com", "name": "A", "password": s.secrets.text("the password of a setup")})
	s.badSocket()

	key := s.owner.with("Idempotency-Key", "once")
	first := key.call("POST", s.tenant+"/apikeys", object{"name": "kept", "scopes": []string{"*"}}).want(http.StatusCreated)
	key.call("POST", s.tenant+"/apikeys", object{"name": "kept", "scopes": []string{"*"}}).want(http.StatusConflict) // a secret is shown once
	s.anybody.bearer(first.text("key")).call("GET", s.tenant+"/queries", nil).want(http.StatusOK)
	s.owner.call("DELETE", s.tenant+"/apikeys/"+first.text("id"), nil).want(http.StatusNoContent)
	s.anybody.bearer(first.text("key")).call("GET", s.tenant+"/queries", nil).want(http.StatusUnauthorized)
}

// badSocket shows tokens that are none to the live events.
func (s *sweep) badSocket() {
	s.t.Helper()
	for _, token := range []string{s.secrets.text("a token that a socket has sent"), "jas_" + s.secrets.plain("a made-up token that a socket has sent")} {
		socket := s.anybody.wire()
		socket.send(object{"id": "auth", "op": "auth", "token": token})
		s.record.watch(socket, &s.sockets.done)
	}
}

// failingRuns are runs whose nodes fail with what a datasource or a page says, or
// with what a script throws.
func (s *sweep) failingRuns() {
	s.t.Helper()
	source := s.owner.call("POST", s.tenant+"/datasources", object{
		"name": "for runs", "type": "rest", "settings": object{"baseUrl": "http://" + s.upstream.api, "auth": "bearer"},
		"secrets": object{"token": s.secrets.text("the token of a datasource that runs use")},
	}).want(http.StatusCreated).text("id")
	query := s.owner.call("POST", s.tenant+"/queries", object{"name": "for runs", "datasourceId": source, "operation": object{"path": "/refused"}}).want(http.StatusCreated).text("id")
	for name, node := range map[string]object{
		"query":  {"type": "query", "config": object{"queryId": query}},
		"http":   {"type": "http", "config": object{"url": "http://" + s.upstream.api + "/refused"}},
		"away":   {"type": "http", "config": object{"url": "http://" + s.upstream.nobody}},
		"script": {"type": "script", "config": object{"source": "console.log('a line'); throw new Error('no')"}},
	} {
		node["key"] = "fails"
		s.failingRun(name, node)
	}
}

func (s *sweep) failingRun(name string, node object) {
	s.t.Helper()
	flow := s.tenant + "/workflows/" + s.owner.call("POST", s.tenant+"/workflows", object{"name": "fails at " + name, "draft": object{
		"nodes": []object{{"key": "start", "type": "start"}, node}, "edges": []object{{"from": "start", "to": "fails"}},
	}}).want(http.StatusCreated).text("id")
	s.owner.call("POST", flow+"/publish", nil).want(http.StatusCreated)
	id := s.owner.call("POST", flow+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
	s.sockets.add(s.owner, "run:"+id)
	run := s.tenant + "/runs/" + id
	for deadline := time.Now().Add(patience); s.owner.call("GET", run, nil).want(http.StatusOK).text("status") != "failed"; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the run that fails at %s does not", name)
		}
	}
	for _, more := range []string{"/timeline", "/logs", "/events", "/nodes/fails"} {
		s.owner.call("GET", run+more, nil).want(http.StatusOK)
	}
	s.owner.call("POST", run+"/retry", nil)
}

// triggers delivers to webhooks of every mode, with good secrets and bad ones.
func (s *sweep) triggers() {
	s.t.Helper()
	flow := s.places["workflows/id"].existing
	for _, mode := range []string{"hmac", "secret", "public"} {
		in := object{"workflowId": flow, "name": "hook " + mode, "mode": mode, "headers": []string{"X-Shop"}}
		hook := s.owner.call("POST", s.tenant+"/webhooks", in).want(http.StatusCreated)
		deliver := func(headers ...string) *reply {
			c := s.anybody.with("Authorization", "Bearer "+s.secrets.text("a token that a sender has sent"))
			c = c.with("Cookie", "a="+s.secrets.plain("a cookie that a sender has sent")).with("X-Shop", "shop")
			for i := 0; i < len(headers); i += 2 {
				c = c.with(headers[i], headers[i+1])
			}
			return c.request("POST", hook.text("path"), object{"order": 1})
		}
		s.owner.call("POST", s.tenant+"/webhooks", in).want(http.StatusConflict)
		want := http.StatusAccepted
		if mode != "public" {
			want = http.StatusUnauthorized
		}
		deliver("Jetadmin-Secret", s.secrets.text("a wrong secret of a webhook")).want(want)
		deliver("Jetadmin-Signature", "t=1,v1="+s.secrets.plain("a wrong signature")).want(want)
		if mode == "secret" {
			deliver("Jetadmin-Secret", hook.text("secret")).want(http.StatusAccepted)
			s.anybody.with("Jetadmin-Secret", hook.text("secret")).request("PUT", hook.text("path"), object{"order": 2}).want(http.StatusAccepted)
		}
		if mode != "public" {
			s.owner.call("POST", s.tenant+"/webhooks/"+hook.text("id")+"/rotate", nil).want(http.StatusOK)
		}
		s.owner.call("GET", s.tenant+"/webhooks/"+hook.text("id"), nil).want(http.StatusOK)
	}
}

// brokenDatabase asks for every change while no record of it can be written, and
// reads secrets that no key opens.
func (s *sweep) brokenDatabase() {
	t := s.t
	t.Helper()
	source := s.owner.call("POST", s.tenant+"/datasources", object{
		"name": "unreadable", "type": "rest", "settings": object{"baseUrl": "http://" + s.upstream.api, "auth": "bearer"},
		"secrets": object{"token": s.secrets.text("a token that cannot be read any more")},
	}).want(http.StatusCreated).text("id")
	_, err := s.db.ExecContext(t.Context(), "/* across tenants: the test breaks one row */ UPDATE ?schema.jet_datasource SET secrets = ? WHERE id = ?", `{"token": "v1.0.broken"}`, source)
	must(t, err)
	s.owner.call("POST", s.tenant+"/datasources/"+source+"/test", nil)
	s.owner.call("PATCH", s.tenant+"/datasources/"+source, object{"secrets": object{"token": "••••••••"}})

	rename := func(from, to string) {
		t.Helper()
		_, err := s.db.ExecContext(t.Context(), fmt.Sprintf("/* across tenants: the test takes the table away */ ALTER TABLE ?schema.%s RENAME TO %s", from, to))
		must(t, err)
	}
	rename("jet_audit", "jet_audit_away")
	defer rename("jet_audit_away", "jet_audit")
	for _, op := range s.app.Operations() {
		if op.Access != api.InTenant || op.Method == http.MethodGet {
			continue
		}
		path, _ := s.path(op, s.app.Tenant.ID, "")
		s.owner.request(op.Method, path, s.body(op))
	}
	s.owner.call("POST", s.tenant+"/datasources", object{
		"name": "not recorded", "type": "rest", "settings": object{"baseUrl": "http://" + s.upstream.api, "auth": "bearer"},
		"secrets": object{"token": s.secrets.text("a token of what was not saved")},
	}).want(http.StatusInternalServerError)
}
