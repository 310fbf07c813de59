package jetadmin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
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
				Name: "x", Scopes: []auth.Permission{"workflow.list"}, ExpiresAt: expires,
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
