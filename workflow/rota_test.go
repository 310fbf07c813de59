package workflow

import "testing"

// turnsUntil counts the turns of others before that of a tenant.
func turnsUntil(t *testing.T, r *rota, tenantID string) int {
	t.Helper()
	for n := range 100 {
		if next, ok := r.next(); !ok || next.tenantID == tenantID {
			if !ok {
				t.Fatalf("%s never has its turn", tenantID)
			}
			return n
		}
	}
	t.Fatalf("%s has no turn among 100", tenantID)
	return 0
}

// A tenant with a million nodes delays each node of another by one turn.
func TestTheRotaServesTenantsInTurn(t *testing.T) {
	t.Parallel()
	r := newRota()
	r.add("flood", 1_000_000)
	for range 3 {
		r.next()
	}
	r.add("quiet", 3)
	r.add("other", 1)
	for range 3 {
		if n := turnsUntil(t, &r, "quiet"); n > 2 {
			t.Errorf("%d turns of others came first", n)
		}
		r.add("flood", 1000)
	}
}

// What was heard while a turn was under way outlives that it found nothing, and
// gives the tenant no second place.
func TestADryTenantKeepsItsNews(t *testing.T) {
	t.Parallel()
	r := newRota()
	r.add("a", 5)
	first, _ := r.next()
	r.dry(first)
	if _, ok := r.next(); ok || r.size() != 0 {
		t.Fatalf("a dry tenant has a turn, %d are owed", r.size())
	}
	r.add("a", 5)
	second, _ := r.next()
	r.add("a", 1)
	r.dry(second)
	if r.size() == 0 {
		t.Fatal("news were forgotten")
	}
	third, _ := r.next()
	r.dry(third)
	r.atLeast("a", 2)
	r.add("b", 2)
	var order string
	for next, ok := r.next(); ok; next, ok = r.next() {
		order += next.tenantID
	}
	if order != "abab" || r.size() != 0 {
		t.Errorf("the turns are %s, and %d are owed", order, r.size())
	}
}
