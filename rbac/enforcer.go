package rbac

import (
	"fmt"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/jetadmin/jetadmin/auth"
)

// rule says what a role may do (or, with deny, may not do) with one object, or
// with all of a kind.
type rule struct {
	role        string
	permissions []auth.Permission // wildcards too
	object      target
	deny        bool // wins over every rule that allows
}

// target is what a rule is about. The zero value is everything of the kinds that
// the permissions name. No object id, whatever its characters, is read as that.
type target string

// one is the target of a single object.
func one(objectID string) target { return target(oneMark + objectID) }

const oneMark = "id:"

// named is the object that a rule is about; "" = everything, or no object at all.
func (t target) named() string { return strings.TrimPrefix(string(t), oneMark) }

// reaches reports whether a rule about t is also about an object. Ids are
// compared byte by byte. A rule about one object says nothing about the kind as
// a whole (objectID "").
func (t target) reaches(objectID string) bool {
	return t == "" || objectID != "" && t == one(objectID)
}

// policyModel is how Casbin decides: some rule must allow and none deny. A rule
// is about one role of the caller. The matching is in Go, on values that were
// parsed when the rules were loaded: Casbin's own keyMatch2 would read ids as
// patterns.
const policyModel = `
[request_definition]
r = roles, permission, object

[policy_definition]
p = role, permissions, object, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = held(r.roles, p.role) && reaches(p.object, r.object) && covers(p.permissions, r.permission)
`

// enforcer decides by the rules of one tenant. It is immutable, so it is safe
// for concurrent use without a lock.
type enforcer struct{ casbin *casbin.Enforcer }

// enforcers makes enforcers from one parsed policyModel.
type enforcers struct{ model model.Model }

func newEnforcers() (*enforcers, error) {
	m, err := model.NewModelFromString(policyModel)
	if err != nil {
		return nil, fmt.Errorf("parse the model of policies: %w", err)
	}
	return &enforcers{m}, nil
}

func (es *enforcers) with(rules []rule) (*enforcer, error) {
	m := es.model.Copy()
	sets := make(map[string][]auth.Permission, len(rules))
	for _, r := range rules {
		set := setName(r.permissions)
		sets[set] = r.permissions
		// A rule that is given twice is kept once.
		if err := m.AddPolicies("p", "p", [][]string{{r.role, set, string(r.object), effect(r)}}); err != nil {
			return nil, fmt.Errorf("add a rule: %w", err)
		}
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("make an enforcer: %w", err)
	}
	e.AddFunction("held", func(args ...any) (any, error) {
		return slices.Contains(args[0].(roleSet), args[1].(string)), nil
	})
	e.AddFunction("reaches", func(args ...any) (any, error) {
		return target(args[0].(string)).reaches(args[1].(string)), nil
	})
	e.AddFunction("covers", func(args ...any) (any, error) {
		return covered(sets[args[0].(string)], args[1].(auth.Permission)), nil
	})
	return &enforcer{e}, nil
}

// roleSet is the subject of a question. It has a type of its own because the
// expression language would take a plain slice apart.
type roleSet []string

// decide reports whether a holder of the roles may do it to the object; objectID
// "" is the kind as a whole.
func (e *enforcer) decide(roles []string, permission auth.Permission, objectID string) (bool, error) {
	return e.casbin.Enforce(roleSet(roles), permission, objectID)
}

// setName is the text by which a rule refers to its parsed permissions.
func setName(permissions []auth.Permission) string {
	var b strings.Builder
	for _, p := range permissions {
		b.WriteString(string(p))
		b.WriteByte(' ')
	}
	return b.String()
}

func effect(r rule) string {
	if r.deny {
		return "deny"
	}
	return "allow"
}

// covered reports whether one of the permissions held is, or includes, p.
func covered(held []auth.Permission, p auth.Permission) bool {
	return slices.ContainsFunc(held, func(h auth.Permission) bool { return h.Covers(p) })
}
