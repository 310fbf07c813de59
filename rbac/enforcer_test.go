package rbac

import (
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
	r := rule{role: w.roles[w.IntN(len(w.roles))], permissions: some(w, w.permissions, 3), deny: deny}
	if id := w.objects[w.IntN(len(w.objects))]; id != "" && w.IntN(2) == 0 {
		r.object = one(id)
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
	m, err := modelOf()
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{model: m, catalogue: newCatalogue()}
	p, err := s.newPolicy(1, rules)
	if err != nil {
		t.Fatal(err)
	}
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
				allowed, err := p.allows(roles, permission, objectID)
				if err != nil {
					t.Fatal(err)
				}
				if want := byTheBook(rules, roles, permission, objectID); allowed != want {
					t.Fatalf("%v %s %q is %v, by the rules %+v it is %v", roles, permission, objectID, allowed, rules, want)
				}
				answers[fmt.Sprint(set, permission, objectID)] = allowed
			}
		}
	}
	return answers
}

// byTheBook decides as the package says it, without Casbin, cache or shortcuts.
func byTheBook(rules []rule, roles []string, permission auth.Permission, objectID string) bool {
	allowed := false
	for _, r := range rules {
		about := r.object == "" || objectID != "" && string(r.object) == "id:"+objectID
		covers := slices.ContainsFunc(r.permissions, func(p auth.Permission) bool {
			return p == permission || p == "*" || string(p) == permission.Resource()+".*"
		})
		if !slices.Contains(roles, r.role) || !about || !covers {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

const rounds = 150

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

// A key of the decision cache stands for one question only.
func FuzzQuestionsHaveKeysOfTheirOwn(f *testing.F) {
	f.Add("a", "b", "query.read", "x", "ab", "", "query.read", "x")
	f.Add("a", "", "query.read", "", "a", "query.read", "", "")
	f.Fuzz(func(t *testing.T, a1, a2, ap, ao, b1, b2, bp, bo string) {
		a := appendQuestion(nil, []string{a1, a2}, auth.Permission(ap), ao)
		b := appendQuestion(nil, []string{b1, b2}, auth.Permission(bp), bo)
		sameRoles := a1 == b1 && a2 == b2 || a1 == b2 && a2 == b1
		if same := sameRoles && ap == bp && ao == bo; same != (string(a) == string(b)) {
			t.Errorf("%q and %q", a, b)
		}
	})
}

func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	m, err := modelOf()
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{model: m}
	p, err := s.newPolicy(1, []rule{{role: "r", permissions: []auth.Permission{"query.*"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxDecisions + 100 {
		allowed, err := p.allows([]string{"r", fmt.Sprint(i)}, auth.QueryRead, fmt.Sprint(i))
		if err != nil || !allowed {
			t.Fatal(allowed, err)
		}
		if len(p.decisions) > maxDecisions {
			t.Fatalf("%d decisions are kept", len(p.decisions))
		}
	}
	clear(p.decisions)
	for i := range 1000 {
		if _, err := p.allows([]string{"r"}, auth.QueryRead, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.decisions) != 1 {
		t.Errorf("objects without rules of their own take %d decisions", len(p.decisions))
	}
}
