package tenancy_test

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// leaving stops a removal when its member's keys have ended, before the commit.
type leaving struct {
	tenancy.Accounts
	between func()
}

func (l *leaving) LeaveTenant(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	err := l.Accounts.LeaveTenant(ctx, tx, tenantID, userID)
	l.between()
	return err
}

// T53: what somebody makes while he is being removed does not outlive his membership,
// to be good again should he come back: neither in the open transaction of the
// removal nor by a call that began before it.
func TestT53_NobodyMakesAKeyWhileHeIsRemoved(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		held := &leaving{}
		b := setup(t, db, func(c *tenancy.Config) { held.Accounts, c.Accounts = c.Accounts, held })
		w := b.newWorkspace(t)
		owner, leaver := b.in(t, w.ID, w.owner), b.join(t, w, rbac.Admin)
		before := b.in(t, w.ID, leaver)
		create := func() error {
			_, _, err := b.auth.CreateKey(before, auth.NewKey{Name: "k", Scopes: []auth.Permission{auth.WorkflowList}})
			return err
		}
		var made []chan error
		held.between = func() {
			key, invitation := goes(create), goes(func() error {
				_, err := b.Invite(before, tenancy.NewInvitation{Email: "x@example.com", RoleIDs: w.ids(rbac.Viewer)})
				return err
			})
			made = append(made, key, invitation)
		}
		if err := b.RemoveMember(owner, leaver); err != nil {
			t.Fatal(err)
		}
		for i, result := range append(made, goes(create)) {
			if err := <-result; !problem.Is(err, problem.NotFound) {
				t.Errorf("case %d: %v", i, err)
			}
		}
		if _, err := b.AddMember(owner, tenancy.NewMember{UserID: leaver, RoleIDs: w.ids(rbac.Admin)}); err != nil {
			t.Fatal(err)
		}
		keys, err := b.auth.Keys(owner, page.Request{})
		if err != nil || len(keys.Items) != 0 {
			t.Errorf("keys of before: %+v (%v)", keys.Items, err)
		}
		if err := create(); err != nil {
			t.Errorf("when he is back: %v", err)
		}
	})
}

// goes runs something at the same time.
func goes(f func() error) chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}
