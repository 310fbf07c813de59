package rbac

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
)

// A key stands for one question only.
func FuzzQuestionsHaveKeysOfTheirOwn(f *testing.F) {
	f.Add("t", "a", "b", "query.read", "x", "t", "ab", "", "query.read", "x")
	f.Add("t", "a", "", "query.read", "", "t", "a", "query.read", "", "")
	f.Add("t", "a", "b", "query.read", "", "t", "b", "a", "query.read", "")
	f.Add("ta", "a", "b", "query.read", "", "t", "aa", "b", "query.read", "")
	f.Fuzz(func(t *testing.T, at, a1, a2, ap, ao, bt, b1, b2, bp, bo string) {
		a := appendQuestion(nil, at, []string{a1, a2}, auth.Permission(ap), ao)
		b := appendQuestion(nil, bt, []string{b1, b2}, auth.Permission(bp), bo)
		sameRoles := a1 == b1 && a2 == b2 || a1 == b2 && a2 == b1
		if same := at == bt && sameRoles && ap == bp && ao == bo; same != (string(a) == string(b)) {
			t.Errorf("%q and %q", a, b)
		}
	})
}

func TestQuestionLeavesTheRolesInTheirOrder(t *testing.T) {
	t.Parallel()
	roles := []string{"b", "a"}
	key := appendQuestion(nil, "t", roles, auth.QueryRead, "")
	if roles[0] != "b" || string(key) != string(appendQuestion(nil, "t", []string{"a", "b"}, auth.QueryRead, "")) {
		t.Errorf("%v, %q", roles, key)
	}
}

func TestDecisionsFindWhatWasKept(t *testing.T) {
	t.Parallel()
	d := newDecisions(4) // one bucket
	current := new(ground)
	for i := range 100 {
		made := &decision{key: fmt.Sprint(i), ground: current}
		d.keep(made)
		if d.find([]byte(made.key)) != made {
			t.Fatalf("decision %d is lost at once", i)
		}
	}
	found := 0
	for i := range 100 {
		if d.find(fmt.Append(nil, i)) != nil {
			found++
		}
	}
	if found != 4 {
		t.Errorf("%d decisions are found in a table for 4", found)
	}
}

func TestDecisionsThatDoNotStandMakeRoom(t *testing.T) {
	t.Parallel()
	d := newDecisions(4)
	current, over := new(ground), new(ground)
	over.lease.ended.Store(true)
	for i := range 3 {
		d.keep(&decision{key: fmt.Sprint("current", i), ground: current})
	}
	for i := range 50 {
		d.keep(&decision{key: fmt.Sprint("over", i), ground: over})
	}
	for i := range 3 {
		if d.find(fmt.Append(nil, "current", i)) == nil {
			t.Errorf("decision %d made room for one that does not stand", i)
		}
	}
}

// Concurrent writers of one bucket never make a decision answer another question.
func TestDecisionsAnswerTheirOwnQuestion(t *testing.T) {
	t.Parallel()
	d := newDecisions(4)
	var done sync.WaitGroup
	for worker := range 4 {
		done.Go(func() {
			for i := range 5_000 {
				key := fmt.Append(nil, (i+worker)%7)
				if made := d.find(key); made != nil && made.key != string(key) {
					t.Errorf("asked %s, got %s", key, made.key)
				}
				d.keep(&decision{key: string(key), ground: new(ground)})
			}
		})
	}
	done.Wait()
}

// Objects without rules of their own share one decision.
func TestObjectsWithoutRulesShareADecision(t *testing.T) {
	t.Parallel()
	s := serviceOf(t, []rule{
		{subject: "r", permissions: []auth.Permission{"query.*"}},
		{subject: "r", permissions: []auth.Permission{"query.*"}, object: one("secret"), deny: true},
	})
	for i := range 1000 {
		if !s.must(t, []string{"r"}, auth.QueryRead, fmt.Sprint(i)) {
			t.Fatal("refused")
		}
	}
	if s.must(t, []string{"r"}, auth.QueryRead, "secret") {
		t.Error("the denied object is allowed")
	}
	kept := 0
	for i := range s.decisions.buckets {
		for j := range s.decisions.buckets[i] {
			if s.decisions.buckets[i][j].decision.Load() != nil {
				kept++
			}
		}
	}
	if kept != 2 {
		t.Errorf("%d decisions are kept", kept)
	}
}
