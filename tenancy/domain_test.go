package tenancy_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// onlyFrom lets people with addresses of some domains alone into a tenant.
func (b bundle) onlyFrom(t *testing.T, w workspace, domains ...string) {
	t.Helper()
	if _, err := b.SetSettings(b.in(t, w.ID, w.owner), tenancy.Settings{InvitationDomains: domains}); err != nil {
		t.Fatal(err)
	}
}

func wantOutside(t *testing.T, what string, err error) {
	t.Helper()
	if e := problem.Of(err); err == nil || e.Kind != problem.Conflict || e.Code != "domain_not_admitted" || e.Remedy == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// T37: where a tenant names domains, nobody is invited from elsewhere, however the
// address is written.
func TestT37_AddressesOfOtherDomainsAreNotInvited(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		b.onlyFrom(t, w, "example.com", "xn--bcher-kva.de")
		for _, email := range []string{
			"a@example.org", "a@sub.example.com", "a@example.com.evil.org", "a@xexample.com", "a@com", "example.com@evil.org", "a@bücher.de", "a@e\u212Axample.com", "a@\uff45xample.com", "a@[127.0.0.1]",
		} {
			_, err := b.Invite(owner, tenancy.NewInvitation{Email: email, RoleIDs: w.ids(rbac.Viewer)})
			wantOutside(t, email, err)
		}
		for _, email := range []string{"a@example.com.", `"a@example.com"@evil.org`, "a@example.com, b@evil.org", "a@[x@example.com]"} {
			if _, err := b.Invite(owner, tenancy.NewInvitation{Email: email, RoleIDs: w.ids(rbac.Viewer)}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%s: %v", email, err)
			}
		}
		for _, email := range []string{"A@Example.COM", "b+x@example.com", "c@xn--bcher-kva.de", "d@XN--Bcher-Kva.DE"} {
			if _, err := b.Accept(t.Context(), newAccount(b.invited(t, w, owner, email, rbac.Viewer))); err != nil {
				t.Errorf("%s: %v", email, err)
			}
		}
	})
}

// T37: the rule of today holds for an invitation of yesterday, which stays open.
func TestT37_OpenInvitationsOfOtherDomainsAreNotAccepted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		user, err := b.auth.CreateUser(t.Context(), auth.NewUser{Email: "ada@example.org", Name: "Ada", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		known, unknown := b.invited(t, w, owner, user.Email, rbac.Viewer), b.invited(t, w, owner, "grace@example.org", rbac.Viewer)
		b.onlyFrom(t, w, "example.com")
		_, err = b.Accept(signedIn(user.ID), tenancy.Acceptance{Token: known.Token})
		wantOutside(t, "with an account", err)
		_, err = b.Accept(t.Context(), newAccount(unknown))
		wantOutside(t, "without an account", err)
		var accounts int
		if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_user WHERE email = 'grace@example.org'").Scan(t.Context(), &accounts); err != nil || accounts != 0 {
			t.Errorf("%d accounts were made (%v)", accounts, err)
		}
		b.onlyFrom(t, w)
		if _, err := b.Accept(t.Context(), newAccount(unknown)); err != nil {
			t.Errorf("when every domain is let in again: %v", err)
		}
	})
}

// Members who are there stay. The host's own service is not bound, neither are its
// invitations; a person and his key are.
func TestDomainsBindTheMembersNotTheHost(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner, admin := b.in(t, w.ID, w.owner), b.join(t, w, rbac.Admin)
		b.onlyFrom(t, w, "example.com")
		add := func(ctx context.Context) error {
			_, err := b.AddMember(ctx, tenancy.NewMember{UserID: b.newUser(t, "guest"), RoleIDs: w.ids(rbac.Viewer)})
			return err
		}
		wantOutside(t, "a member", add(b.in(t, w.ID, admin)))
		key := &auth.Principal{Kind: auth.KindAPIKey, UserID: w.owner, TenantID: w.ID, Roles: w.ids(rbac.Owner), Scopes: []auth.Permission{"*"}}
		wantOutside(t, "a key", add(auth.NewContext(t.Context(), key)))
		if usage, err := b.Usage(owner); err != nil || usage[tenancy.Members].Used != 2 {
			t.Errorf("%+v (%v)", usage, err)
		}
		host := auth.NewContext(t.Context(), auth.ServicePrincipal(w.ID, "host", auth.Grant{Permission: "*"}))
		if err := add(host); err != nil {
			t.Errorf("the host: %v", err)
		}
		i := b.invited(t, w, host, "guest@example.org", rbac.Viewer)
		if _, err := b.Accept(t.Context(), newAccount(i)); err != nil {
			t.Errorf("an invitation of the host: %v", err)
		}
		if _, err := b.SetRoles(owner, admin, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)}); err != nil {
			t.Errorf("who is there: %v", err)
		}
	})
}
