package jetadmin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/rbac"
)

// T9: a role and a member that are denied to somebody are in no list for him, and
// nothing else names the role.
func TestT9_DeniedRolesAndMembersAreShownNowhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		hidden, _ := s.role("Hidden", []string{"query.read"})
		someone := s.app.Member("Hidden")
		roleID, c := s.role("Bound", []string{"role.list", "role.read", "member.list", "member.read"})
		self := s.app.Member("Bound")
		names := func(path string) string {
			t.Helper()
			return string(c.call("GET", s.tenant+path, nil).want(http.StatusOK).Body)
		}
		ofMember := "/members/" + someone.User.ID + "/permissions"
		for _, path := range []string{"/roles", "/members", ofMember} {
			if !strings.Contains(names(path), hidden) {
				t.Errorf("%s does not name the role before it is denied", path)
			}
		}
		s.grant(roleID, denies("role.read", hidden), denies("member.read", self.User.ID))
		for _, path := range []string{"/roles", ofMember} {
			if got := names(path); strings.Contains(got, hidden) || strings.Contains(got, "Hidden") {
				t.Errorf("%s names a role that is denied: %s", path, got)
			}
		}
		var list struct {
			Items []struct {
				UserID string
				Roles  []struct{ ID, Name string }
			}
		}
		c.call("GET", s.tenant+"/members", nil).want(http.StatusOK).into(&list)
		for _, m := range list.Items {
			if m.UserID == self.User.ID {
				t.Error("the members have one that is denied")
			}
			if slices.ContainsFunc(m.Roles, func(r struct{ ID, Name string }) bool { return r.Name == "Hidden" }) {
				t.Error("the members have the name of a role that is denied")
			}
		}
		if len(list.Items) < 3 {
			t.Errorf("%d members are shown", len(list.Items))
		}
		var e rbac.Explanation
		c.call("POST", s.tenant+"/authz/explain", object{"subject": object{"kind": "user", "id": someone.User.ID}, "permission": "query.read"}).
			want(http.StatusOK).into(&e)
		if !e.Allowed || len(e.Chain) != 1 || e.Chain[0].RoleID != "" || e.Chain[0].RoleName != "" {
			t.Errorf("explain names a role that is denied: %+v", e)
		}
		// Denials about roles and members do not bind an Owner.
		owners := list.Items[len(list.Items)-1]
		if owners.UserID != s.app.Owner.User.ID {
			t.Fatal("the last member is not the first account")
		}
		s.owner.call("PATCH", s.tenant+"/members/"+owners.UserID, object{"roleIds": []string{owners.Roles[0].ID, roleID}}).want(http.StatusOK)
		if got := string(s.owner.call("GET", s.tenant+"/roles", nil).want(http.StatusOK).Body); !strings.Contains(got, hidden) {
			t.Error("a denial hides a role from an Owner")
		}
	})
}
