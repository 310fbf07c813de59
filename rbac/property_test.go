package rbac

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// town has roles, users with rules of their own, an Owner role, and runs that are
// parts of workflows. The naive model of it is byTheBook.
type town struct {
	*rand.Rand
	roles, users, objects []string
	parents               map[string]string // by run
	permissions           []auth.Permission
	questions             []auth.Permission
}

func newTown(seed uint64) *town {
	t := &town{
		Rand:        rand.New(rand.NewPCG(seed, 49)),
		roles:       []string{"r1", "r2", "owner"},
		users:       []string{"", id.New()},
		parents:     map[string]string{},
		permissions: []auth.Permission{"*", "query.*", "query.read", "run.*", "run.read", "role.*", "workflow.read"},
		questions:   []auth.Permission{auth.QueryRead, auth.RunRead, auth.RoleUpdate, auth.WorkflowRead},
	}
	for range 2 {
		workflow, run := id.New(), id.New()
		t.objects = append(t.objects, workflow, run)
		t.parents[run] = workflow
	}
	return t
}

func pick[T any](t *town, from []T) T { return from[t.IntN(len(from))] }

func (t *town) rule(deny bool) rule {
	r := rule{subject: pick(t, t.roles), permissions: []auth.Permission{pick(t, t.permissions)}, deny: deny}
	if t.IntN(4) == 0 {
		r.subject = userSubject(t.users[1])
	}
	if t.IntN(3) > 0 {
		r.object = one(pick(t, t.objects))
	}
	return r
}

func (t *town) rules() []rule {
	var rules []rule
	for range t.IntN(10) {
		rules = append(rules, t.rule(t.IntN(3) == 0))
	}
	return rules
}

// naive decides without an index, a cache or Casbin.
func (t *town) naive(rules []rule, roles []string, userID string, permission auth.Permission, objectID string) bool {
	objects := []string{objectID}
	if permission.Resource() == "run" {
		objects = append(objects, t.parents[objectID])
	}
	yes := false
	for _, r := range rules {
		about := r.object == "" || slices.ContainsFunc(objects, func(o string) bool { return o != "" && r.object == one(o) })
		his := slices.Contains(roles, r.subject) || userID != "" && r.subject == userSubject(userID)
		if !about || !his || !r.permissions[0].Covers(permission) {
			continue
		}
		if r.deny && !(slices.Contains(roles, "owner") && slices.Contains([]string{"tenant", "member", "role"}, permission.Resource())) {
			return false
		}
		yes = yes || !r.deny
	}
	return yes
}

// service decides by the rules, in the town.
func (tn *town) service(t *testing.T, rules []rule) asked {
	t.Helper()
	s := serviceOf(t, rules)
	s.parents.find = func(_ context.Context, _, runID string) (string, error) { return tn.parents[runID], nil }
	load := s.policies.load
	s.policies.load = func(ctx context.Context, tenantID string) (*policy, error) {
		p, err := load(ctx, tenantID)
		p.owner = "owner"
		return p, err
	}
	return s
}

// answers are the decisions on every question, which are those of the naive model.
func (tn *town) answers(t *testing.T, rules []rule) map[string]bool {
	t.Helper()
	s := tn.service(t, rules)
	answers := map[string]bool{}
	for set := range 1 << len(tn.roles) {
		var roles []string
		for i, role := range tn.roles {
			if set&(1<<i) != 0 {
				roles = append(roles, role)
			}
		}
		for _, userID := range tn.users {
			for _, permission := range tn.questions {
				for _, objectID := range append([]string{"", "something else"}, tn.objects...) {
					who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: "t", Roles: roles}
					want := tn.naive(rules, roles, userID, permission, objectID)
					for range 2 { // the second is of the cache
						v, err := s.byRules(t.Context(), who, permission, objectID)
						if err != nil || (v == allowed) != want {
							t.Fatalf("%v of %q, %s on %q: %v (%v), want %v by %+v", roles, userID, permission, objectID, v, err, want, rules)
						}
					}
					answers[fmt.Sprint(set, userID, permission, objectID)] = want
				}
			}
		}
	}
	return answers
}

// The index by subject and object, the parts of objects, the cache and Casbin
// together decide what a naive reading of the rules says.
func TestGrantsDecideAsTheNaiveModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		tn := newTown(seed)
		tn.answers(t, tn.rules())
	}
}

// T32: what is taken away, or denied, never lets anybody do more.
func TestTakingAGrantOrAddingADenyNeverWidens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		tn := newTown(seed)
		rules := append(tn.rules(), tn.rule(false))
		before := tn.answers(t, rules)
		noWider(t, rules, before, tn.answers(t, append(slices.Clone(rules), tn.rule(true))))
		i := slices.IndexFunc(rules, func(r rule) bool { return !r.deny })
		noWider(t, rules, before, tn.answers(t, slices.Delete(slices.Clone(rules), i, i+1)))
	}
}

// The rule that is said to have decided is one that matters, of the right effect.
func TestTheDecidingRuleDecides(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		tn := newTown(seed)
		s := serviceOf(t, tn.rules())
		p, err := s.policies.get(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		for _, objectID := range tn.objects {
			q := question{roles: tn.roles, userID: tn.users[1], permission: auth.QueryRead, objectID: objectID}
			v, by, err := p.decide(&q)
			if err != nil || (by == nil) != (v == unsaid) {
				t.Fatalf("%v by %+v (%v)", v, by, err)
			}
			if by != nil && (by.deny != (v == denied) || !by.permissions[0].Covers(q.permission) || by.object != "" && by.object != one(objectID)) {
				t.Errorf("%v by %+v", v, by)
			}
		}
	}
}

// A list of grants that is the same but for its order changes nothing.
func TestCompareGrants(t *testing.T) {
	t.Parallel()
	s := new(Service)
	object := id.New()
	a, b := NewGrant{auth.QueryRead, object, Allow}, NewGrant{"query.*", "", Deny}
	who := &auth.Principal{TenantID: id.New(), UserID: id.New()}
	rows, none := s.compare(who, grantee{roleID: id.New()}, nil, []NewGrant{a, b})
	if len(rows) != 2 || len(none) != 0 {
		t.Fatalf("%v %v", rows, none)
	}
	if added, removed := s.compare(who, grantee{roleID: id.New()}, rows, []NewGrant{b, a}); len(added)+len(removed) != 0 {
		t.Errorf("added %v, removed %v", added, removed)
	}
	a.Effect = Deny
	added, removed := s.compare(who, grantee{roleID: id.New()}, rows, []NewGrant{a, b})
	if len(added) != 1 || len(removed) != 1 || added[0].Effect != "deny" || removed[0].Effect != "allow" {
		t.Errorf("added %v, removed %v", added, removed)
	}
}

// What cannot be about one object is said so in the catalogue.
func TestPermissionsAboutObjects(t *testing.T) {
	t.Parallel()
	c := newCatalogue()
	for p, want := range map[auth.Permission]bool{
		"*": false, "query.*": true, "query.read": true, "query.list": false, "query.create": false, "tenant.*": false, "tenant.read": false,
		"audit.*": false, "run.*": true, "run.signal": false, "workflow.publish": true, "datasource.test": true, "nothing.*": false,
	} {
		if c.aboutObjects(p) != want {
			t.Errorf("%s: %v", p, !want)
		}
	}
	if got := len(slices.Collect(maps.Keys(c.objects))); got < 20 {
		t.Errorf("only %d permissions are about objects", got)
	}
}
