package rbac

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/jetadmin/jetadmin/auth"
)

// rule says what a role or a user may do (or, with deny, may not do) with one
// object, or with all of a kind.
type rule struct {
	subject     string            // the id of a role, or userSubject
	permissions []auth.Permission // wildcards too
	object      target
	deny        bool // wins over every rule that allows
	granted     bool // by a Grant, not by the permissions of a role

	set string // the permissions as Casbin has them
}

// alone reports whether a rule is about a user, not about a role.
func (r *rule) alone() bool { return strings.HasPrefix(r.subject, userSubject("")) }

// userSubject is how the rules of a user alone name him. No role has such an id.
func userSubject(userID string) string { return "user:" + userID }

// target is what a rule is about. The zero value is everything of the kinds that
// the permissions name. No object id, whatever its characters, is read as that.
type target string

// one is the target of a single object.
func one(objectID string) target { return target(oneMark + objectID) }

const oneMark = "id:"

// named is the object that a rule is about; "" = everything, or no object at all.
func (t target) named() string { return strings.TrimPrefix(string(t), oneMark) }

// reaches reports whether a rule about t is also about one of the objects. Ids are
// compared byte by byte. A rule about one object says nothing about the kind as
// a whole (objects "").
func (t target) reaches(objects objectSet) bool {
	return t == "" || slices.ContainsFunc(objects, func(id string) bool { return id != "" && t == one(id) })
}

// verdict is what the rules say of a question.
type verdict int8

const (
	unsaid verdict = iota // no rule allows it
	allowed
	denied
)

// policyModel is how Casbin decides: some rule must allow and none deny. A rule
// is about one role of the caller, or about him alone. The matching is in Go:
// Casbin's own keyMatch2 would read ids as patterns.
const policyModel = `
[request_definition]
r = subjects, permission, objects

[policy_definition]
p = subject, permissions, object, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = held(r.subjects, p.subject) && reaches(p.object, r.objects) && covers(p.permissions, r.permission)
`

// enforcers decide by whichever rules they are handed. Casbin looks at every rule
// it has, so it gets those alone that can matter for a question. Safe for
// concurrent use.
type enforcers struct {
	model model.Model
	idle  sync.Pool // of *enforcer
}

// enforcer is used by one question at a time: it keeps Casbin's compiled matcher.
type enforcer struct {
	casbin *casbin.Enforcer
	policy *model.Assertion
	rows   [][]string
}

func newEnforcers() (*enforcers, error) {
	m, err := model.NewModelFromString(policyModel)
	if err != nil {
		return nil, fmt.Errorf("parse the model of policies: %w", err)
	}
	es := &enforcers{model: m}
	first, err := es.newEnforcer()
	if err != nil {
		return nil, err
	}
	es.idle.Put(first)
	return es, nil
}

func (es *enforcers) newEnforcer() (*enforcer, error) {
	m := es.model.Copy()
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("make an enforcer: %w", err)
	}
	e.AddFunction("held", func(args ...any) (any, error) {
		return slices.Contains(args[0].(subjectSet), args[1].(string)), nil
	})
	e.AddFunction("reaches", func(args ...any) (any, error) {
		return target(args[0].(string)).reaches(args[1].(objectSet)), nil
	})
	e.AddFunction("covers", func(args ...any) (any, error) {
		return setCovers(args[0].(string), args[1].(auth.Permission)), nil
	})
	return &enforcer{casbin: e, policy: m["p"]["p"]}, nil
}

// subjectSet and objectSet are parts of a question. They have types of their own
// because the expression language would take plain slices apart.
type (
	subjectSet []string
	objectSet  []string
)

// decide says what the rules make of a question, and by which of them.
func (es *enforcers) decide(rules []*rule, subjects subjectSet, permission auth.Permission, objects objectSet) (verdict, *rule, error) {
	if len(rules) == 0 {
		return unsaid, nil, nil
	}
	e, _ := es.idle.Get().(*enforcer)
	if e == nil {
		var err error
		if e, err = es.newEnforcer(); err != nil {
			return unsaid, nil, err
		}
	}
	defer es.idle.Put(e)
	e.load(rules)
	yes, why, err := e.casbin.EnforceEx(subjects, permission, objects)
	if err != nil || len(why) == 0 {
		return unsaid, nil, err
	}
	by := rules[slices.IndexFunc(e.rows, func(row []string) bool { return &row[0] == &why[0] })]
	if yes {
		return allowed, by, nil
	}
	return denied, by, nil
}

func (e *enforcer) load(rules []*rule) {
	e.rows = e.rows[:0]
	for _, r := range rules {
		e.rows = append(e.rows, []string{r.subject, r.set, string(r.object), effect(r)})
	}
	e.policy.Policy = e.rows
}

// setName is the text of permissions that a rule has for Casbin.
func setName(permissions []auth.Permission) string {
	if len(permissions) == 1 {
		return string(permissions[0])
	}
	var b strings.Builder
	for i, p := range permissions {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(p))
	}
	return b.String()
}

// setCovers is [covered] for the text of setName.
func setCovers(set string, p auth.Permission) bool {
	for held := range strings.SplitSeq(set, " ") {
		if auth.Permission(held).Covers(p) {
			return true
		}
	}
	return false
}

func effect(r *rule) string {
	if r.deny {
		return string(Deny)
	}
	return string(Allow)
}

// covered reports whether one of the permissions held is, or includes, p.
func covered(held []auth.Permission, p auth.Permission) bool {
	return slices.ContainsFunc(held, func(h auth.Permission) bool { return h.Covers(p) })
}
