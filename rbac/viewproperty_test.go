package rbac

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Whoever views as somebody else may do what the naive model allows him and the other,
// if it is only to look, while he may view: by rules of any kind, on himself too.
func TestAViewIsWhatBothMaySee(t *testing.T) {
	t.Parallel()
	yes, no := 0, 0
	for seed := range uint64(5 * rounds) {
		tn := newTown(seed)
		caller, member, object := id.New(), id.New(), tn.objects[tn.IntN(len(tn.objects))]
		tn.roles, tn.users = []string{id.New(), id.New(), "owner"}, []string{"", member}
		tn.permissions = append(tn.permissions, "member.*", auth.MemberImpersonate)
		tn.objects = append(tn.objects, member, tn.roles[0])
		rules := append(tn.rules(), rule{subject: pick(tn, tn.roles), permissions: []auth.Permission{"*"}})
		s := tn.service(t, rules)
		s.db = new(store.DB)
		subset := func() (roles []string) {
			for _, role := range tn.roles {
				if tn.IntN(2) == 0 {
					roles = append(roles, role)
				}
			}
			return roles
		}
		who := &auth.Principal{Kind: auth.KindUser, UserID: caller, TenantID: "t", Roles: subset()}
		viewed, right, on := &auth.Principal{Kind: auth.KindUser, UserID: member, Roles: subset()}, auth.MemberImpersonate, member
		if tn.IntN(2) == 0 {
			viewed, right, on = &auth.Principal{Kind: auth.KindUser, Roles: tn.roles[:1]}, auth.RoleRead, tn.roles[0]
		}
		ctx := auth.NewContext(t.Context(), who.ViewingAs(viewed))
		mayView := tn.naive(rules, who.Roles, caller, right, on)
		for _, permission := range auth.Permissions() {
			for _, objectID := range []string{"", object} {
				each := Reads(permission) && tn.naive(rules, who.Roles, caller, permission, objectID) && tn.naive(rules, viewed.Roles, viewed.UserID, permission, objectID)
				if ownable(permission) && objectID != "" {
					continue // of which the database knows
				}
				_, err := s.authorize(ctx, permission, objectID)
				if got := err == nil; got != (mayView && each) || err != nil && !problem.Is(err, problem.Forbidden) {
					t.Fatalf("%v viewing %v: %s on %q: %v, want %v and %v by %+v", who.Roles, viewed.Roles, permission, objectID, err, mayView, each, rules)
				}
				if err == nil {
					yes++
				} else if mayView {
					no++
				}
				if refused, err := s.Refused(ctx, permission, objectID); mayView && (err != nil || refused != (tn.denies(rules, who, permission, objectID) || tn.denies(rules, viewed, permission, objectID))) {
					t.Fatalf("%s on %q is refused: %v (%v)", permission, objectID, refused, err)
				}
			}
		}
	}
	if yes < 500 || no < 500 {
		t.Errorf("%d decisions let somebody in, %d keep him out", yes, no)
	}
}

// denies reports whether a denial binds somebody: with every right of his own he has not
// this one.
func (tn *town) denies(rules []rule, who *auth.Principal, permission auth.Permission, objectID string) bool {
	everything := append(slices.Clone(rules), rule{subject: "everything", permissions: []auth.Permission{"*"}})
	return !tn.naive(everything, append(slices.Clone(who.Roles), "everything"), who.UserID, permission, objectID)
}

// Only so many views are remembered, and those for so long.
func TestViewsAreNotedOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	vs := &views{now: func() time.Time { return now }}
	v, other := viewing{"t", "user:a", "user:b"}, viewing{"t", "user:a", "role:b"}
	if vs.has(v) {
		t.Error("nothing is noted yet")
	}
	vs.note(v)
	if !vs.has(v) || vs.has(other) {
		t.Error("a view is noted for itself")
	}
	now = now.Add(ViewNotedFor - time.Second)
	if !vs.has(v) {
		t.Error("it is forgotten too early")
	}
	now = now.Add(time.Second)
	if vs.has(v) {
		t.Error("it is not noted again")
	}
	for i := range 3 * maxViews {
		vs.note(viewing{"t", fmt.Sprint("user:", i), "user:b"})
		if len(vs.noted) > maxViews {
			t.Fatalf("%d views are remembered", len(vs.noted))
		}
	}
}
