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

// T9: the record of changes, its export and that of the tenant, and its facets leave
// out what is denied to who reads them.
func TestT9_TheRecordLeavesOutWhatIsDenied(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		s := newShelf(t, cfg)
		s.owner.call("POST", s.tenant+"/runs/"+s.theRuns[0]+"/rerun", object{"from": "start"}).want(http.StatusAccepted)
		roleID, c := s.role("Reader", []string{"audit.list", "tenant.*", "role.*", "member.*", "datasource.*", "query.*", "workflow.*", "schedule.*", "webhook.*", "file.*", "apikey.*"})
		paths := []string{"/audit", "/audit/export?format=ndjson", "/export"}
		read := func(path string) string {
			t.Helper()
			method := "GET"
			return string(c.call(method, s.tenant+path, nil).want(http.StatusOK).Body)
		}
		about := func(kind, id string) string { return `"objectType":"` + kind + `","objectId":"` + id + `"` }
		for _, path := range paths {
			for _, want := range []string{about("query", s.queries[0]), about("query", s.queries[1]), about("workflow", s.flows[0]), `"objectType":"run"`} {
				if !strings.Contains(read(path), want) {
					t.Fatalf("%s has no %s before it is denied", path, want)
				}
			}
		}
		s.grant(roleID, denies("query.read", s.queries[0]), denies("run.read", s.flows[1]), object{"permission": "workflow.list", "effect": "deny"})
		for _, path := range paths[:2] {
			got := read(path)
			for _, hidden := range []string{about("query", s.queries[0]), `"objectType":"workflow"`, `"objectType":"run"`} {
				if strings.Contains(got, hidden) {
					t.Errorf("%s has %s, which is denied", path, hidden)
				}
			}
			if !strings.Contains(got, about("query", s.queries[1])) {
				t.Errorf("%s leaves out what is not denied", path)
			}
		}
		if got := read("/audit/facets"); strings.Contains(got, `"run"`) || strings.Contains(got, `"workflow"`) || !strings.Contains(got, `"query"`) {
			t.Errorf("facets: %s", got)
		}
		s.grant(roleID, denies("query.read", s.queries[0]))
		if got := read("/export"); strings.Contains(got, about("query", s.queries[0])) || !strings.Contains(got, about("query", s.queries[1])) {
			t.Error("the export of the tenant has events of what is denied, or not of the rest")
		}
		if got := read("/audit/verify"); !strings.Contains(got, `"valid":true`) {
			t.Errorf("verify: %s", got)
		}
	})
}
