package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
)

// world is a small set of everything, so that random rules and questions meet.
type world struct {
	*rand.Rand
	roles, objects []string
	permissions    []auth.Permission // as rules have them
	questions      []auth.Permission // as operations ask
}

func newWorld(seed uint64) world {
	return world{
		Rand:        rand.New(rand.NewPCG(seed, 2)),
		roles:       []string{"r1", "r2", "r3", "r4"},
		objects:     []string{"", "o1", "o2", "*", "id:o1", "%"},
		permissions: []auth.Permission{"*", "query.*", "query.read", "query.update", "run.*", "run.read"},
		questions:   []auth.Permission{auth.QueryRead, auth.QueryUpdate, auth.RunRead, auth.TenantRead},
	}
}

func some[T any](w world, from []T, most int) []T {
	var chosen []T
	for range w.IntN(most + 1) {
		chosen = append(chosen, from[w.IntN(len(from))])
	}
	return chosen
}

func (w world) rule(deny bool) rule {
	r := rule{subject: w.roles[w.IntN(len(w.roles))], permissions: some(w, w.permissions, 3), deny: deny}
	if w.IntN(2) == 0 {
		r.object = one(w.objects[w.IntN(len(w.objects))])
	}
	return r
}

func (w world) rules() []rule {
	var rules []rule
	for range w.IntN(8) {
		rules = append(rules, w.rule(w.IntN(4) == 0))
	}
	return rules
}

// answers are the decisions on every question that can be asked, by question.
func (w world) answers(t *testing.T, rules []rule) map[string]bool {
	t.Helper()
	s := serviceOf(t, rules)
	answers := map[string]bool{}
	for set := range 1 << len(w.roles) {
		var roles []string
		for i, role := range w.roles {
			if set&(1<<i) != 0 {
				roles = append(roles, role)
			}
		}
		w.Shuffle(len(roles), func(i, j int) { roles[i], roles[j] = roles[j], roles[i] })
		for _, permission := range w.questions {
			for _, objectID := range w.objects {
				allowed := s.must(t, roles, permission, objectID)
				if want := byTheBook(rules, roles, permission, objectID); allowed != want {
					t.Fatalf("%v %s %q is %v, by the rules %+v it is %v", roles, permission, objectID, allowed, rules, want)
				}
				if again := s.must(t, roles, permission, objectID); again != allowed {
					t.Fatalf("%v %s %q is %v, the second time %v", roles, permission, objectID, allowed, again)
				}
				answers[fmt.Sprint(set, permission, objectID)] = allowed
			}
		}
	}
	return answers
}

// asked is a service on rules that come from no database.
type asked struct{ *Service }

func serviceOf(t *testing.T, rules []rule) asked {
	t.Helper()
	es, err := newEnforcers()
	if err != nil {
		t.Fatal(err)
	}
	none := func(context.Context, string, string) (string, error) { return "", nil }
	s := &Service{catalogue: newCatalogue(), decisions: newDecisions(64), enforcers: es, parents: &parents{find: none}}
	s.policies = newPolicies(1,
		func(context.Context, string) (int64, error) { return 1, nil },
		func(context.Context, string) (*policy, error) { return s.newPolicy(1, slices.Clone(rules)), nil })
	return asked{s}
}

func (s asked) must(t *testing.T, roles []string, permission auth.Permission, objectID string) bool {
	t.Helper()
	who := &auth.Principal{Kind: auth.KindUser, TenantID: "t", Roles: roles}
	v, err := s.byRules(t.Context(), who, permission, objectID)
	if err != nil {
		t.Fatal(err)
	}
	return v == allowed
}

// byTheBook decides as the package says it, without Casbin, cache or shortcuts.
func byTheBook(rules []rule, roles []string, permission auth.Permission, objectID string) bool {
	allowed := false
	for _, r := range rules {
		about := r.object == "" || objectID != "" && string(r.object) == "id:"+objectID
		covers := slices.ContainsFunc(r.permissions, func(p auth.Permission) bool {
			return p == permission || p == "*" || string(p) == permission.Resource()+".*"
		})
		if !slices.Contains(roles, r.subject) || !about || !covers {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

const rounds = 60

// Casbin, the cache of decisions and the shortcut for objects without rules of
// their own together decide what the rules say.
func TestDecisionsFollowTheRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		w.answers(t, w.rules())
	}
}

func TestTakingAPermissionNeverWidens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		rules := append(w.rules(), w.rule(false))
		before := w.answers(t, rules)
		taken := slices.Clone(rules)
		i := w.IntN(len(taken))
		if taken[i].deny || len(taken[i].permissions) == 0 {
			continue
		}
		drop := w.IntN(len(taken[i].permissions))
		taken[i].permissions = slices.Delete(slices.Clone(taken[i].permissions), drop, drop+1)
		noWider(t, rules, before, w.answers(t, taken))
	}
}

func TestADenyNeverWidens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		rules := w.rules()
		before := w.answers(t, rules)
		noWider(t, rules, before, w.answers(t, append(slices.Clone(rules), w.rule(true))))
	}
}

func noWider(t *testing.T, rules []rule, before, after map[string]bool) {
	t.Helper()
	for question, allowed := range after {
		if allowed && !before[question] {
			t.Fatalf("%s became allowed; the rules were %+v", question, rules)
		}
	}
}

// A wildcard is not held by who is denied a part of it, now or by one of his roles.
func TestADenyIsNotPassedOn(t *testing.T) {
	t.Parallel()
	s := serviceOf(t, []rule{
		{subject: "all", permissions: []auth.Permission{"*"}},
		{subject: "but", permissions: []auth.Permission{auth.QueryDelete}, deny: true},
	})
	p, err := s.policies.get(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		roles []string
		give  auth.Permission
		want  bool
	}{
		{[]string{"all"}, "query.*", true},
		{[]string{"all"}, auth.QueryDelete, true},
		{[]string{"all", "but"}, "*", false},
		{[]string{"all", "but"}, "query.*", false},
		{[]string{"all", "but"}, auth.QueryDelete, false},
		{[]string{"all", "but"}, "run.*", true},
		{[]string{"but"}, auth.QueryRead, false},
	} {
		who := &auth.Principal{Kind: auth.KindUser, TenantID: "t", Roles: c.roles}
		if held, err := s.holding(t.Context(), nil, p, who).holds(auth.Grant{Permission: c.give}); err != nil || held != c.want {
			t.Errorf("%v hold %s: %v (%v)", c.roles, c.give, held, err)
		}
	}
}
