package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

const password = "four random words here"

// invited is an invitation of the owner's to an address.
func (b bundle) invited(t *testing.T, w workspace, ctx context.Context, email string, keys ...string) tenancy.Issued {
	t.Helper()
	issued, err := b.Invite(ctx, tenancy.NewInvitation{Email: email, RoleIDs: w.ids(keys...)})
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func newAccount(i tenancy.Issued) tenancy.Acceptance {
	return tenancy.Acceptance{Token: i.Token, Email: i.Email, Name: "Grace", Password: password}
}

func TestInvitationOfSomebodyWithoutAnAccount(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		i := b.invited(t, w, owner, "Grace@Example.com", rbac.Viewer)
		if i.Email != "Grace@example.com" && i.Email != "grace@example.com" || i.Sent || i.InvitedBy != "user:"+w.owner || i.ExpiresAt.Sub(i.CreatedAt) != tenancy.DefaultInvitation {
			t.Errorf("%+v", i.Invitation)
		}
		list, err := b.Invitations(owner, page.Request{})
		if err != nil || len(list.Items) != 1 || list.Items[0].ID != i.ID {
			t.Fatalf("%+v (%v)", list, err)
		}
		weak := newAccount(i)
		weak.Password, weak.Name = "x", ""
		if _, err := b.Accept(t.Context(), weak); problem.KindOf(err) != problem.Invalid || len(problem.Of(err).Faults) != 2 {
			t.Errorf("a weak password and no name: %v", err)
		}
		got, err := b.Accept(t.Context(), newAccount(i))
		if err != nil || got.TenantID != w.ID || got.Member.Email != i.Email || len(got.Member.Roles) != 1 || got.Member.Roles[0].ID != w.roles[rbac.Viewer] {
			t.Fatalf("%+v (%v)", got, err)
		}
		if login, err := b.auth.Login(t.Context(), auth.Credentials{Email: "grace@example.com", Password: password}); err != nil || login.User.ID != got.Member.UserID {
			t.Errorf("signed in as %+v (%v)", login.User, err)
		}
		if list, err := b.Invitations(owner, page.Request{}); err != nil || len(list.Items) != 0 {
			t.Errorf("left over: %+v (%v)", list, err)
		}
		events, err := b.audit.List(owner, audit.Filter{ObjectType: "invitation"}, page.Request{})
		if err != nil || len(events.Items) != 2 || events.Items[0].Action != "invitation.accept" || events.Items[0].Actor != "user:"+got.Member.UserID {
			t.Errorf("audited %+v (%v)", events.Items, err)
		}
		if text := fmt.Sprint(events); strings.Contains(text, i.Token) {
			t.Error("the token is in the audit record")
		}
	})
}

func TestInvitationOfSomebodyWithAnAccount(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		user, err := b.auth.CreateUser(t.Context(), auth.NewUser{Email: "grace@example.com", Name: "Grace", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		i := b.invited(t, w, owner, user.Email, rbac.Viewer, rbac.Editor)
		if _, err := b.Accept(t.Context(), newAccount(i)); problem.Of(err).Code != "user_exists" || problem.Of(err).Remedy == "" {
			t.Errorf("a second account: %v", err)
		}
		me := signedIn(user.ID)
		if _, err := b.Accept(me, newAccount(i)); problem.KindOf(err) != problem.Invalid || len(problem.Of(err).Faults) != 3 {
			t.Errorf("an account in an account: %v", err)
		}
		key := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindAPIKey, UserID: user.ID})
		if _, err := b.Accept(key, tenancy.Acceptance{Token: i.Token}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("a key: %v", err)
		}
		confined := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: user.ID, TenantID: id.New()})
		if _, err := b.Accept(confined, tenancy.Acceptance{Token: i.Token}); problem.Of(err).Code != "invitation_not_good" {
			t.Errorf("who is confined to another tenant: %v", err)
		}
		got, err := b.Accept(me, tenancy.Acceptance{Token: i.Token})
		if err != nil || got.Member.UserID != user.ID || len(got.Member.Roles) != 2 {
			t.Fatalf("%+v (%v)", got, err)
		}
		again := b.invited(t, w, owner, user.Email, rbac.Viewer)
		if _, err := b.Accept(me, tenancy.Acceptance{Token: again.Token}); problem.Of(err).Code != "member_exists" {
			t.Errorf("a member: %v", err)
		}
	})
}

// T37: an invitation is good for one address, once, for its time, and for as long
// as the inviter may invite; all that is not gets one answer.
func TestT37_InvitationsThatAreNotGood(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var late atomic.Int64
		b := setup(t, db, func(c *tenancy.Config) {
			c.Clock = func() time.Time { return time.Now().UTC().Truncate(time.Microsecond).Add(time.Duration(late.Load())) }
		})
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		answers := map[string]string{}
		try := func(what string, in tenancy.Acceptance) {
			t.Helper()
			_, err := b.Accept(t.Context(), in)
			e := problem.Of(err)
			if err == nil || e.Kind != problem.NotFound || e.Code != "invitation_not_good" {
				t.Errorf("%s: %v", what, err)
				return
			}
			answers[e.Message+e.Remedy] = what
		}
		used := b.invited(t, w, owner, "used@example.com", rbac.Viewer)
		if _, err := b.Accept(t.Context(), newAccount(used)); err != nil {
			t.Fatal(err)
		}
		try("used", newAccount(used))
		deleted := b.invited(t, w, owner, "deleted@example.com", rbac.Viewer)
		if err := b.Uninvite(owner, deleted.ID); err != nil {
			t.Fatal(err)
		}
		try("deleted", newAccount(deleted))
		good := b.invited(t, w, owner, "good@example.com", rbac.Viewer)
		for _, email := range []string{"other@example.com", "good+x@example.com", "", "good@example.co", "göod@example.com"} {
			other := newAccount(good)
			other.Email = email
			try("the address "+email, other)
		}
		for _, token := range []string{"", "x", "jai_", strings.ToLower(good.Token), good.Token + "A", "jas_" + good.Token[4:], strings.Repeat("jai_", 1000)} {
			other := newAccount(good)
			other.Token = token
			try("a token of another form", other)
		}
		made, _ := auth.NewInvitationToken()
		try("a made-up token", tenancy.Acceptance{Token: made, Email: "good@example.com", Name: "x", Password: password})

		admin := b.join(t, w, rbac.Admin)
		byAdmin := b.invited(t, w, b.in(t, w.ID, admin), "a@example.com", rbac.Editor)
		if _, err := b.SetRoles(owner, admin, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Editor)}); err != nil {
			t.Fatal(err)
		}
		try("the inviter may invite no more", newAccount(byAdmin))
		if err := b.RemoveMember(owner, admin); err != nil {
			t.Fatal(err)
		}
		try("the inviter has left", newAccount(byAdmin))
		second := b.join(t, w, rbac.Admin)
		bySecond := b.invited(t, w, b.in(t, w.ID, second), "b@example.com", rbac.Editor)
		if err := b.auth.SetDisabled(t.Context(), second, true); err != nil {
			t.Fatal(err)
		}
		try("the inviter is disabled", newAccount(bySecond))

		late.Store(int64(tenancy.DefaultInvitation))
		try("expired", newAccount(good))
		if _, err := b.Invite(owner, tenancy.NewInvitation{Email: "good@example.com", RoleIDs: w.ids(rbac.Viewer)}); err != nil {
			t.Errorf("again, after it has expired: %v", err)
		}
		if len(answers) != 1 {
			t.Errorf("%d answers: %v", len(answers), answers)
		}
		var users int
		if err := db.NewRaw("SELECT COUNT(*) FROM ?schema.jet_user WHERE issuer = 'local'").Scan(t.Context(), &users); err != nil || users != 1 {
			t.Errorf("%d local accounts (%v)", users, err)
		}
	})
}

// T21: no role above the inviter's rights, neither when he invites nor later.
func TestT21_InvitationsGiveNothingAboveTheInviter(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		admin := b.in(t, w.ID, b.join(t, w, rbac.Admin))
		editor := b.in(t, w.ID, b.join(t, w, rbac.Editor))
		if _, err := b.Invite(admin, tenancy.NewInvitation{Email: "x@example.com", RoleIDs: w.ids(rbac.Owner)}); problem.Of(err).Code != "role_exceeds_rights" {
			t.Errorf("an Owner by an Admin: %v", err)
		}
		if _, err := b.Invite(editor, tenancy.NewInvitation{Email: "x@example.com", RoleIDs: w.ids(rbac.Viewer)}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("by an Editor: %v", err)
		}
		role, err := b.rbac.CreateRole(owner, rbac.NewRole{Name: "grows", Permissions: []auth.Permission{auth.QueryRead}})
		if err != nil {
			t.Fatal(err)
		}
		host := auth.NewContext(t.Context(), auth.ServicePrincipal(w.ID, "host", auth.Grant{Permission: auth.MemberInvite}, auth.Grant{Permission: auth.QueryRead}))
		for email, inviter := range map[string]context.Context{"a@example.com": admin, "b@example.com": host} {
			i, err := b.Invite(inviter, tenancy.NewInvitation{Email: email, RoleIDs: []string{role.ID}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.rbac.UpdateRole(owner, role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{"*"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Accept(t.Context(), newAccount(i)); problem.Of(err).Code != "invitation_not_good" {
				t.Errorf("%s: a role that has grown: %v", email, err)
			}
			if _, err := b.rbac.UpdateRole(owner, role.ID, rbac.RoleUpdate{Permissions: []auth.Permission{auth.QueryRead}}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Accept(t.Context(), newAccount(i)); err != nil {
				t.Errorf("%s: when it is as it was: %v", email, err)
			}
		}
	})
}

// T37: of many who accept at once, one becomes a member.
func TestT37_AnInvitationIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		i := b.invited(t, w, owner, "grace@example.com", rbac.Viewer)
		var accepted atomic.Int32
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				_, err := b.Accept(t.Context(), newAccount(i))
				if err == nil {
					accepted.Add(1)
				} else if code := problem.Of(err).Code; code != "invitation_not_good" && code != "user_exists" {
					t.Error(err)
				}
			})
		}
		group.Wait()
		members, err := b.Members(owner, page.Request{})
		if err != nil || accepted.Load() != 1 || len(members.Items) != 2 {
			t.Errorf("%d have accepted, %d members (%v)", accepted.Load(), len(members.Items), err)
		}
	})
}

func TestInvitationInputIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	w, other := b.newWorkspace(t), b.newWorkspace(t)
	owner := b.in(t, w.ID, w.owner)
	_, err := b.Invite(owner, tenancy.NewInvitation{Email: "nobody", For: tenancy.MaxInvitation + 1})
	if e := problem.Of(err); e.Kind != problem.Invalid || len(e.Faults) != 3 {
		t.Errorf("all faults at once: %v", err)
	}
	if _, err := b.Invite(owner, tenancy.NewInvitation{Email: "a@example.com", RoleIDs: other.ids(rbac.Viewer)}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a role of another tenant: %v", err)
	}
	i := b.invited(t, w, owner, "a@example.com", rbac.Viewer)
	if _, err := b.Invite(owner, tenancy.NewInvitation{Email: "A@EXAMPLE.com", RoleIDs: w.ids(rbac.Viewer)}); problem.Of(err).Code != "invitation_exists" {
		t.Errorf("twice: %v", err)
	}
	stranger := b.in(t, other.ID, other.owner)
	if err := b.Uninvite(stranger, i.ID); problem.KindOf(err) != problem.NotFound {
		t.Errorf("T1, by another tenant: %v", err)
	}
	if list, err := b.Invitations(stranger, page.Request{}); err != nil || len(list.Items) != 0 {
		t.Errorf("T1, listed by another tenant: %+v (%v)", list, err)
	}
}

// T138: inviting, and trying tokens, has a limit.
func TestT138_InvitationsAreThrottled(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	w := b.newWorkspace(t)
	owner := b.in(t, w.ID, w.owner)
	var last error
	for n := range 70 {
		if _, last = b.Invite(owner, tenancy.NewInvitation{Email: fmt.Sprintf("u%d@example.com", n), RoleIDs: w.ids(rbac.Viewer)}); last != nil {
			break
		}
	}
	if problem.KindOf(last) != problem.RateLimited || problem.Of(last).RetryAfter == 0 {
		t.Errorf("inviting without end: %v", last)
	}
	for range 100 {
		if _, last = b.Accept(t.Context(), tenancy.Acceptance{Token: "x", Address: "192.0.2.1"}); problem.KindOf(last) != problem.NotFound {
			break
		}
	}
	if problem.KindOf(last) != problem.RateLimited {
		t.Errorf("trying without end: %v", last)
	}
}

// T36: who is shown the token of an invitation that he made, for an address that he
// never proved, does not get the account of that address.
func TestT36_AnInvitationProvesNoAddress(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *tenancy.Config) { c.Hooks = tenancy.Hooks{} })
		w := b.newWorkspace(t)
		i := b.invited(t, w, b.in(t, w.ID, w.owner), "ceo@example.com", rbac.Viewer)
		_, err := b.Accept(t.Context(), newAccount(i))
		if e := problem.Of(err); e.Kind != problem.Forbidden || e.Code != "invitation_needs_account" || e.Remedy == "" {
			t.Fatalf("anybody gets the account: %v", err)
		}
		user, err := b.auth.CreateUser(t.Context(), auth.NewUser{Email: "ceo@example.com", Name: "Grace", Password: password})
		if err != nil {
			t.Fatalf("the address is taken: %v", err)
		}
		if _, err := b.Accept(signedIn(user.ID), tenancy.Acceptance{Token: i.Token}); err != nil {
			t.Errorf("who has the account: %v", err)
		}
	})
}

// A host sends the token, and may refuse that it is used.
func TestInvitationHooks(t *testing.T) {
	t.Parallel()
	broken, refused := errors.New("no mail today"), problem.New(problem.Forbidden, "no_local_accounts", "sign in by the company")
	var fail error
	sent := map[string]string{}
	b := setup(t, testdb.SQLite(t), func(c *tenancy.Config) {
		c.Hooks.SendInvitation = func(_ context.Context, i tenancy.Invitation, token string) error {
			sent[i.Email] = token
			if i.Email == "panic@example.com" {
				panic("a hook of the host")
			}
			return fail
		}
		c.Hooks.BeforeAccept = func(_ context.Context, in tenancy.Accepting) error {
			if in.UserID == "" && in.TenantID != "" && in.Invitation.Email != "" {
				return refused
			}
			return nil
		}
	})
	w := b.newWorkspace(t)
	owner := b.in(t, w.ID, w.owner)
	i := b.invited(t, w, owner, "a@example.com", rbac.Viewer)
	if !i.Sent || sent["a@example.com"] != i.Token {
		t.Errorf("sent %v", sent)
	}
	if _, err := b.Accept(t.Context(), newAccount(i)); !errors.Is(err, error(refused)) {
		t.Errorf("refused by the host: %v", err)
	}
	user, err := b.auth.CreateUser(t.Context(), auth.NewUser{Email: "a@example.com", Name: "A", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(signedIn(user.ID), tenancy.Acceptance{Token: i.Token}); err != nil {
		t.Errorf("the invitation stays open: %v", err)
	}
	fail = broken
	if _, err := b.Invite(owner, tenancy.NewInvitation{Email: "b@example.com", RoleIDs: w.ids(rbac.Viewer)}); !errors.Is(err, broken) {
		t.Errorf("not sent: %v", err)
	}
	if _, err := b.Invite(owner, tenancy.NewInvitation{Email: "panic@example.com", RoleIDs: w.ids(rbac.Viewer)}); problem.KindOf(err) != problem.Internal {
		t.Errorf("the hook panicked: %v", err)
	}
	if list, err := b.Invitations(owner, page.Request{}); err != nil || len(list.Items) != 0 {
		t.Errorf("what was not sent is there: %+v (%v)", list, err)
	}
}
