package jetadmin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// T30, T131: the end of a membership or of an API key is the end of its sockets
// within a second, in whatever way the key was given. Others stay.
func TestT131_SocketsEndWithMembershipAndKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		app := jetadmintest.Start(t, cfg)
		anybody := reach(t, app)
		owner := app.Owner.Context(t.Context())
		topic := "tenant:" + app.Tenant.ID
		key := func(m jetadmintest.Member, expires *time.Time) (auth.APIKey, string) {
			k, secret, err := app.Auth().CreateKey(m.Context(t.Context()), auth.NewKey{
				Name: "x", Scopes: []auth.Permission{"workflow.list", "tenant.read"}, ExpiresAt: expires,
			})
			must(t, err)
			return k, secret
		}
		leaver, keeper := app.Member(rbac.Admin), app.Member(rbac.Admin)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: leaver.User.Email, Password: leaver.Password})
		must(t, err)
		_, leaversKey := key(leaver, nil)
		revoked, revokedKey := key(keeper, nil)
		_, goodKey := key(keeper, nil)

		person, bystander := anybody.bearer(login.Token).dial(), anybody.bearer(goodKey).dialByHeader()
		leavers := []*socket{anybody.bearer(leaversKey).dial(), anybody.bearer(leaversKey).dialByHeader()}
		revokeds := []*socket{anybody.bearer(revokedKey).dial(), anybody.bearer(revokedKey).dialByHeader()}
		for _, s := range append(append([]*socket{person, bystander}, leavers...), revokeds...) {
			s.subscribe(topic)
		}
		// within runs what takes a right away, and watches the time until ended returns.
		within := func(what string, take func() error, ended func()) {
			t.Helper()
			must(t, take())
			taken := time.Now()
			ended()
			if took := time.Since(taken); took > time.Second+socketSlack {
				t.Errorf("%s: the sockets ended after %s", what, took)
			}
		}
		gone := func(sockets ...*socket) func() {
			return func() {
				for _, s := range sockets {
					if code := s.closed(); code != realtime.CloseUnauthenticated {
						t.Errorf("the socket was closed with %d", code)
					}
				}
			}
		}
		within("key revoked", func() error { return app.Auth().RevokeKey(keeper.Context(t.Context()), revoked.ID) }, gone(revokeds...))
		within("membership", func() error { return app.Tenants().RemoveMember(owner, leaver.User.ID) }, func() {
			// The session is good, for the other tenants of the person.
			if code := person.refused(topic); code != "subscription_ended" {
				t.Errorf("the subscription ended with %s", code)
			}
			gone(leavers...)()
		})
		must(t, person.Subscribe(topic, liveclient.Now))
		if code := person.refused(topic); code != "not_found" {
			t.Errorf("who has left gets %s", code)
		}
		expires := time.Now().Add(2 * time.Second)
		_, expiringKey := key(keeper, &expires)
		expiring := anybody.bearer(expiringKey).dialByHeader()
		expiring.subscribe(topic)
		within("key expired", func() error { <-time.After(time.Until(expires)); return nil }, gone(expiring))

		app.Publish(owner, workflow.NewWorkflow{Name: "x", Draft: workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}}})
		if m := bystander.next(); m.Kind != liveclient.Event {
			t.Errorf("who has all his rights gets %+v", m)
		}
	})
}

// T130, T131: over Socket.IO, a run of another tenant and one that is not there are
// the same, an API key is a credential, and its end is that of the connection.
func TestT130_SocketIOWatchesItsOwnTenantOnly(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	owner := app.Owner.Context(t.Context())
	flow := app.Publish(owner, workflow.NewWorkflow{Name: "x", Draft: workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}}})
	run := app.Run(owner, workflow.StartParams{WorkflowID: flow}).ID
	stranger, err := app.Auth().CreateUser(t.Context(), auth.NewUser{Email: "stranger@example.com", Name: "S", Password: "four random words here"})
	must(t, err)
	_, err = app.Tenants().CreateFor(t.Context(), stranger.ID, tenancy.NewTenant{Name: "Elsewhere"})
	must(t, err)
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: "stranger@example.com", Password: "four random words here"})
	must(t, err)
	key := func(scope auth.Permission) (auth.APIKey, string) {
		k, secret, err := app.Auth().CreateKey(owner, auth.NewKey{Name: "x", Scopes: []auth.Permission{scope}})
		must(t, err)
		return k, secret
	}
	watching, watchingKey := key(auth.RunRead)
	_, otherKey := key(auth.QueryList)
	join := func(ws *websocket.Conn, runID string) string {
		t.Helper()
		must(t, ws.Write(t.Context(), websocket.MessageText, []byte(`421["workflow_run_join",{"runId":"`+runID+`"}]`)))
		return strings.ReplaceAll(packet(t, ws), runID, "<id>")
	}
	theirs := socketIO(t, app.URL, login.Token)
	foreign, missing := join(theirs, run), join(theirs, id.New())
	if foreign != missing || !strings.HasPrefix(foreign, `431[{"ok":false,"topic":"run:<id>","code":"not_found"`) {
		t.Errorf("a foreign run: %s, a missing one: %s", foreign, missing)
	}
	if got := join(socketIO(t, app.URL, otherKey), run); !strings.HasPrefix(got, `431[{"ok":false`) {
		t.Errorf("without the right: %s", got)
	}
	ours := socketIO(t, app.URL, watchingKey)
	if got := join(ours, run); !strings.HasPrefix(got, `431[{"ok":true`) {
		t.Errorf("with the right: %s", got)
	}
	must(t, app.Auth().RevokeKey(owner, watching.ID))
	revoked := time.Now()
	if got := packet(t, ours); got != "41" {
		t.Errorf("got %s", got)
	}
	if _, _, err := ours.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusCode(realtime.CloseUnauthenticated) {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(revoked); took > time.Second+socketSlack {
		t.Errorf("it ended after %s", took)
	}
}

// socketIO connects with a token.
func socketIO(t *testing.T, url, token string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	must(t, err)
	t.Cleanup(func() { _ = ws.CloseNow() })
	must(t, ws.Write(t.Context(), websocket.MessageText, []byte(`40{"token":"`+token+`"}`)))
	if open, connected := packet(t, ws), packet(t, ws); open[0] != '0' || !strings.HasPrefix(connected, "40{") {
		t.Fatalf("got %s, %s", open, connected)
	}
	return ws
}

func packet(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, text, err := ws.Read(ctx)
	must(t, err)
	return string(text)
}

// T128, T129: a key that is none is refused at the upgrade.
func TestT129_WrongKeyInTheHeaderIsRefused(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	for _, token := range []string{"jak_", "jak_0123456789", "jas_x", "x"} {
		_, err := liveclient.Dial(t.Context(), app.URL+"/api/v1/ws", liveclient.Options{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if !problem.Is(err, problem.Unauthenticated) {
			t.Errorf("%s: %v", token, err)
		}
	}
}

// Case T53: what somebody has left in a tenant does not come back with him.
func TestT53_KeysAndInvitationsEndWithTheMembership(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Hooks.Tenancy.BeforeAccept = func(context.Context, tenancy.Accepting) error { return nil }
		app := jetadmintest.Start(t, cfg)
		owner, leaver := app.Owner.Context(t.Context()), app.Member(rbac.Admin)
		roles := leaver.Context(t.Context())
		_, secret, err := app.Auth().CreateKey(roles, auth.NewKey{Name: "x", Scopes: []auth.Permission{"workflow.list"}})
		must(t, err)
		member, err := app.Tenants().Member(owner, leaver.User.ID)
		must(t, err)
		roleIDs := []string{member.Roles[0].ID}
		invited, err := app.Tenants().Invite(roles, tenancy.NewInvitation{Email: "guest@example.com", RoleIDs: roleIDs})
		must(t, err)
		must(t, app.Tenants().RemoveMember(owner, leaver.User.ID))
		_, err = app.Tenants().AddMember(owner, tenancy.NewMember{UserID: leaver.User.ID, RoleIDs: roleIDs})
		must(t, err)
		reach(t, app).bearer(secret).call("GET", "/tenants/"+app.Tenant.ID+"/workflows", nil).want(http.StatusUnauthorized)
		_, err = app.Tenants().Accept(t.Context(), tenancy.Acceptance{Token: invited.Token, Email: "guest@example.com", Name: "G", Password: "a long enough password"})
		if !problem.Is(err, problem.NotFound) {
			t.Errorf("an invitation of before: %v", err)
		}
	})
}
