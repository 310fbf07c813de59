package tenancy_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// Of many who come in at once, as many get in as there is room for: members and
// invitations share it.
func TestMembersAreLimited(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *tenancy.Config) { c.Limits.Members = 5 })
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		open := b.invited(t, w, owner, "a@example.com", rbac.Viewer)
		var users []string
		for range 12 {
			users = append(users, b.newUser(t, id.New()))
		}
		var all sync.WaitGroup
		var in atomic.Int32
		for _, userID := range users {
			all.Go(func() {
				_, err := b.AddMember(owner, tenancy.NewMember{UserID: userID, RoleIDs: w.ids(rbac.Viewer)})
				if err == nil {
					in.Add(1)
				} else if e := problem.Of(err); e.Kind != problem.Conflict || e.Code != "limit_members" || e.Remedy == "" {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if in.Load() != 3 { // beside the owner and the invitation
			t.Errorf("%d came in", in.Load())
		}
		invite := tenancy.NewInvitation{Email: "b@example.com", RoleIDs: w.ids(rbac.Viewer)}
		if _, err := b.Invite(owner, invite); problem.Of(err).Code != "limit_members" {
			t.Errorf("an invitation: %v", err)
		}
		if _, err := b.Accept(t.Context(), newAccount(open)); err != nil {
			t.Errorf("who was counted already: %v", err)
		}
		if usage, err := b.Usage(owner); err != nil || usage[tenancy.Members].Used != 5 || *usage[tenancy.Members].Limit != 5 {
			t.Errorf("%+v (%v)", usage, err)
		}
		if _, err := b.Invite(b.in(t, other.ID, other.owner), tenancy.NewInvitation{Email: "c@example.com", RoleIDs: other.ids(rbac.Viewer)}); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		for _, c := range []struct{ limit, want int64 }{{6, 6}, {-1, -1}, {0, 5}} {
			if err := b.SetLimits(t.Context(), w.ID, tenancy.Limits{Members: c.limit}); err != nil {
				t.Fatal(err)
			}
			if got, err := b.LimitsOf(t.Context(), w.ID); err != nil || got.Members != c.want || got.Queries != 10_000 {
				t.Errorf("%+v (%v)", got, err)
			}
			usage, err := b.Usage(owner)
			if err != nil || (usage[tenancy.Members].Limit == nil) != (c.want < 0) {
				t.Errorf("%+v (%v)", usage, err)
			}
			if c.limit == -1 {
				if _, err := b.Invite(owner, invite); err != nil {
					t.Errorf("without a limit: %v", err)
				}
			}
		}
		events, err := b.audit.List(owner, audit.Filter{Action: "tenant.limit"}, page.Request{})
		if err != nil || len(events.Items) != 3 {
			t.Errorf("audited %+v (%v)", events.Items, err)
		}
		for _, unknown := range []string{"", "x", id.New()} {
			if err := b.SetLimits(t.Context(), unknown, tenancy.Limits{}); problem.KindOf(err) != problem.NotFound {
				t.Errorf("%q: %v", unknown, err)
			}
		}
	})
}
