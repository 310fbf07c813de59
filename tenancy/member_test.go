package tenancy_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

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

func TestMemberComesChangesAndGoes(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		user := b.newUser(t, "Zoë")
		m, err := b.AddMember(owner, tenancy.NewMember{UserID: user, RoleIDs: w.ids(rbac.Viewer, rbac.Viewer)})
		if err != nil || m.UserID != user || m.Name != "Zoë" || len(m.Roles) != 1 || m.Version != 1 {
			t.Fatalf("%+v (%v)", m, err)
		}
		if _, err := b.AddMember(owner, tenancy.NewMember{UserID: user, RoleIDs: w.ids(rbac.Viewer)}); problem.Of(err).Code != "member_exists" {
			t.Errorf("a second time: %v", err)
		}

		m, err = b.SetRoles(owner, user, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer, rbac.Editor), Version: 1})
		if err != nil || len(m.Roles) != 2 || m.Version != 2 {
			t.Errorf("%+v (%v)", m, err)
		}
		if _, err := b.SetRoles(owner, user, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer), Version: 1}); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale change: %v", err)
		}
		// The change holds for the next call.
		if allowed, err := b.rbac.Allowed(b.in(t, w.ID, user), auth.QueryUpdate, ""); !allowed || err != nil {
			t.Errorf("as Editor: %v (%v)", allowed, err)
		}
		if _, err := b.SetRoles(owner, user, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)}); err != nil {
			t.Fatal(err)
		}
		if allowed, err := b.rbac.Allowed(b.in(t, w.ID, user), auth.QueryUpdate, ""); allowed || err != nil {
			t.Errorf("as Viewer: %v (%v)", allowed, err)
		}

		if err := b.RemoveMember(owner, user); err != nil {
			t.Fatal(err)
		}
		if _, err := b.RolesOf(t.Context(), w.ID, user); problem.KindOf(err) != problem.NotFound {
			t.Errorf("after removal: %v", err)
		}
		if err := b.RemoveMember(owner, user); problem.KindOf(err) != problem.NotFound {
			t.Errorf("removed twice: %v", err)
		}
		if got := b.actions(t, owner, user); fmt.Sprint(got) != "[member.delete member.update member.update member.create]" {
			t.Errorf("audited %v", got)
		}
		if v, err := b.audit.Verify(owner); err != nil || !v.Valid {
			t.Errorf("%+v (%v)", v, err)
		}
	})
}

// actions are the audited changes of a member, the newest first.
func (b bundle) actions(t *testing.T, ctx context.Context, userID string) []string {
	t.Helper()
	events, err := b.audit.List(ctx, audit.Filter{ObjectType: "member", ObjectID: userID}, page.Request{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range events.Items {
		actions = append(actions, e.Action)
	}
	return actions
}

func TestMemberInputIsChecked(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		member, user := b.join(t, w, rbac.Viewer), b.newUser(t, "u")
		var many []string
		for range 21 {
			many = append(many, id.New())
		}
		for name, roleIDs := range map[string][]string{
			"none": nil, "too many": many, "unknown": {id.New()}, "of another tenant": other.ids(rbac.Viewer), "hostile": {"*"}, "empty": {""},
		} {
			_, added := b.AddMember(owner, tenancy.NewMember{UserID: user, RoleIDs: roleIDs})
			_, set := b.SetRoles(owner, member, tenancy.RolesUpdate{RoleIDs: roleIDs})
			if problem.KindOf(added) != problem.Invalid || problem.KindOf(set) != problem.Invalid {
				t.Errorf("%s: added %v, set %v", name, added, set)
			}
		}
		for _, unknown := range []string{id.New(), "", "*", "nobody"} {
			if _, err := b.AddMember(owner, tenancy.NewMember{UserID: unknown, RoleIDs: w.ids(rbac.Viewer)}); problem.Of(err).Code != "user_unknown" {
				t.Errorf("%q: %v", unknown, err)
			}
		}
		if got := b.actions(t, owner, member); fmt.Sprint(got) != "[member.create]" {
			t.Errorf("audited %v", got)
		}
	})
}

// T21: nobody gives, takes or touches rights above his own.
func TestT21_RightsAboveOnesOwnAreOutOfReach(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		admin, viewer, second := b.join(t, w, rbac.Admin), b.join(t, w, rbac.Viewer), b.join(t, w, rbac.Owner)
		asAdmin := b.in(t, w.ID, admin)

		_, added := b.AddMember(asAdmin, tenancy.NewMember{UserID: b.newUser(t, "x"), RoleIDs: w.ids(rbac.Owner)})
		_, raised := b.SetRoles(asAdmin, viewer, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer, rbac.Owner)})
		_, raisedSelf := b.SetRoles(asAdmin, admin, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Owner)})
		_, lowered := b.SetRoles(asAdmin, second, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)})
		removed := b.RemoveMember(asAdmin, second)
		for i, err := range []error{added, raised, raisedSelf, lowered, removed} {
			if problem.KindOf(err) != problem.Forbidden {
				t.Errorf("an Admin, case %d: %v", i, err)
			}
		}

		scoped := &auth.Principal{Kind: auth.KindAPIKey, UserID: w.owner, TenantID: w.ID, Roles: w.ids(rbac.Owner), Scopes: []auth.Permission{"member.*"}}
		if _, err := b.SetRoles(auth.NewContext(t.Context(), scoped), viewer, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Editor)}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("a key beyond its scope: %v", err)
		}

		for _, low := range []string{viewer, b.join(t, w, rbac.Editor)} {
			ctx := b.in(t, w.ID, low)
			_, added := b.AddMember(ctx, tenancy.NewMember{UserID: b.newUser(t, "x"), RoleIDs: w.ids(rbac.Viewer)})
			_, set := b.SetRoles(ctx, low, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)})
			for _, err := range []error{added, set, b.RemoveMember(ctx, viewer)} {
				if problem.KindOf(err) != problem.Forbidden {
					t.Errorf("without the permission: %v", err)
				}
			}
		}

		if _, err := b.SetRoles(asAdmin, viewer, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Admin)}); err != nil {
			t.Errorf("an Admin makes an Admin: %v", err)
		}
		if err := b.RemoveMember(asAdmin, viewer); err != nil {
			t.Errorf("an Admin removes an Admin: %v", err)
		}
	})
}

func TestLastOwnerStays(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		b.join(t, w, rbac.Admin)
		_, lowered := b.SetRoles(owner, w.owner, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Admin)})
		for _, err := range []error{lowered, b.RemoveMember(owner, w.owner)} {
			if problem.Of(err).Code != "last_owner" {
				t.Error(err)
			}
		}
		if _, err := b.SetRoles(owner, w.owner, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Owner, rbac.Viewer)}); err != nil {
			t.Errorf("he takes another role beside it: %v", err)
		}
		b.join(t, w, rbac.Owner)
		if err := b.RemoveMember(owner, w.owner); err != nil {
			t.Errorf("with another Owner: %v", err)
		}
	})
}

// T26: of Owners who remove or lower each other and themselves at once, one stays.
func TestT26_LastOwnerStaysUnderConcurrency(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for round := range 6 {
			w := b.newWorkspace(t)
			owners := []string{w.owner, b.join(t, w, rbac.Owner), b.join(t, w, rbac.Owner)}
			start := make(chan struct{})
			var done sync.WaitGroup
			for i, caller := range owners {
				ctx := b.in(t, w.ID, caller)
				target := owners[(i+round%2)%len(owners)] // in odd rounds the next one, in even ones himself
				done.Go(func() {
					<-start
					var err error
					if i%2 == 0 {
						err = b.RemoveMember(ctx, target)
					} else {
						_, err = b.SetRoles(ctx, target, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)})
					}
					if err != nil && problem.Of(err).Code != "last_owner" {
						t.Error(err)
					}
				})
			}
			close(start)
			done.Wait()
			if left := b.owners(t, w, owners); left != 1 {
				t.Fatalf("round %d: %d owners are left", round, left)
			}
		}
	})
}

func (b bundle) owners(t *testing.T, w workspace, users []string) int {
	t.Helper()
	n := 0
	for _, user := range users {
		roles, err := b.RolesOf(t.Context(), w.ID, user)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			t.Fatal(err)
		}
		if slices.Contains(roles, w.roles[rbac.Owner]) {
			n++
		}
	}
	return n
}

// A change of an Owner's other roles must not make another Owner look like the last.
func TestOwnersDoNotVanishForAMoment(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for range 6 {
			w := b.newWorkspace(t)
			second := b.join(t, w, rbac.Owner)
			first, other := b.in(t, w.ID, w.owner), b.in(t, w.ID, second)
			var done sync.WaitGroup
			done.Go(func() {
				if _, err := b.SetRoles(first, w.owner, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Owner, rbac.Viewer)}); err != nil {
					t.Error(err)
				}
			})
			done.Go(func() {
				if _, err := b.SetRoles(other, second, tenancy.RolesUpdate{RoleIDs: w.ids(rbac.Viewer)}); err != nil {
					t.Error(err)
				}
			})
			done.Wait()
		}
	})
}

// Of two changes based on one version, one wins and the other is told.
func TestConcurrentChangesOfAVersion(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		member, owner := b.join(t, w, rbac.Viewer), b.in(t, w.ID, w.owner)
		changes := map[string]func(i int) error{
			"member": func(i int) error {
				_, err := b.SetRoles(owner, member, tenancy.RolesUpdate{RoleIDs: w.ids([]string{rbac.Editor, rbac.Operator}[i]), Version: 1})
				return err
			},
			"tenant": func(i int) error {
				_, err := b.Update(owner, tenancy.TenantUpdate{Name: ptr(fmt.Sprint("Name ", i)), Version: 1})
				return err
			},
		}
		for name, change := range changes {
			var errs [2]error
			var done sync.WaitGroup
			for i := range errs {
				done.Go(func() { errs[i] = change(i) })
			}
			done.Wait()
			kinds := []string{string(problem.KindOf(errs[0])), string(problem.KindOf(errs[1]))}
			slices.Sort(kinds)
			if !slices.Equal(kinds, []string{"", string(problem.Stale)}) {
				t.Errorf("%s: %v", name, errs)
			}
		}
		m, err := b.Member(owner, member)
		if err != nil || m.Version != 2 || len(m.Roles) != 1 {
			t.Errorf("%+v (%v)", m, err)
		}
	})
}

// T1, T8: another tenant's Owner sees and changes nothing.
func TestT1_MembersOfAnotherTenantAreMissing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		victim := b.join(t, w, rbac.Viewer)
		intruder := b.in(t, other.ID, other.owner)
		for _, userID := range []string{victim, w.owner, id.New(), "", "*", "%", ".."} {
			_, read := b.Member(intruder, userID)
			_, set := b.SetRoles(intruder, userID, tenancy.RolesUpdate{RoleIDs: other.ids(rbac.Viewer)})
			for _, err := range []error{read, set, b.RemoveMember(intruder, userID)} {
				if problem.KindOf(err) != problem.NotFound || err.Error() != problem.Missing("member").Error() {
					t.Errorf("%q: %v", userID, err)
				}
			}
		}
		if got, err := b.Get(intruder); err != nil || got.ID != other.ID {
			t.Errorf("reads %+v (%v)", got, err)
		}
		if p, err := b.Members(intruder, page.Request{}); err != nil || len(p.Items) != 1 || p.Items[0].UserID != other.owner {
			t.Errorf("lists %+v (%v)", p.Items, err)
		}
		// With A's tenant and B's roles, he is nobody in A.
		forged := &auth.Principal{Kind: auth.KindUser, UserID: other.owner, TenantID: w.ID, Roles: other.ids(rbac.Owner)}
		if _, err := b.Get(auth.NewContext(t.Context(), forged)); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("roles of one tenant in another: %v", err)
		}
		if p, err := b.Members(b.in(t, w.ID, w.owner), page.Request{}); err != nil || len(p.Items) != 2 {
			t.Errorf("afterwards: %+v (%v)", p.Items, err)
		}
	})
}

func TestMembersAreListedInPages(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		want := []string{w.owner}
		for range 4 {
			want = append(want, b.join(t, w, rbac.Viewer, rbac.Operator))
		}
		slices.Reverse(want)
		var got []string
		for request := (page.Request{Limit: 2}); ; {
			p, err := b.Members(b.in(t, w.ID, w.owner), request)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range p.Items {
				got = append(got, m.UserID)
				if m.UserID != w.owner && len(m.Roles) != 2 {
					t.Errorf("%+v", m)
				}
			}
			if request.Cursor = p.NextCursor; request.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// T26: an Owner who cannot sign in keeps nobody's tenant.
func TestT26_ADisabledOwnerIsNoOtherOwner(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		second := b.join(t, w, rbac.Owner)
		disable := func(disabled bool) {
			if _, err := db.NewRaw("UPDATE ?schema.jet_user SET disabled = ? WHERE id = ?", disabled, second).Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		owner := b.in(t, w.ID, w.owner)
		disable(true)
		if err := b.RemoveMember(owner, w.owner); problem.Of(err).Code != "last_owner" {
			t.Errorf("the last who can sign in leaves: %v", err)
		}
		if err := b.RemoveMember(owner, second); err != nil {
			t.Errorf("the one who cannot sign in stays: %v", err)
		}
		second = b.join(t, w, rbac.Owner)
		if err := b.RemoveMember(owner, w.owner); err != nil {
			t.Error(err)
		}
	})
}
