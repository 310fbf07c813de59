package rbac

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
)

// policy is what the rules of a tenant were at one version. It is immutable but
// for its lease, so it is safe for concurrent use.
type policy struct {
	version   int64
	rules     []rule          // by subject, and of one by object
	spans     map[string]span // where the rules of a subject are
	roles     map[string]bool // also those that give nothing
	owner     string          // the id of the Owner role
	enforcers *enforcers
	ground    *ground
}

type span struct{ from, to int }

// question is what is asked of a policy.
type question struct {
	roles      []string
	userID     string // "" = no rule names the user
	permission auth.Permission
	objectID   string // "" = the kind as a whole, or an object that no rule names
	parentID   string // what the object is a part of, if a rule names that
}

func (q *question) subjects() subjectSet {
	if q.userID == "" {
		return q.roles
	}
	return append(slices.Clone(q.roles), userSubject(q.userID))
}

// newPolicy makes the policy of a version out of its rules.
func (s *Service) newPolicy(version int64, rules []rule) *policy {
	p := &policy{version: version, rules: rules, spans: map[string]span{}, roles: map[string]bool{}, enforcers: s.enforcers, ground: new(ground)}
	slices.SortStableFunc(p.rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.object, b.object))
	})
	for i := range p.rules {
		r := &p.rules[i]
		r.set = setName(r.permissions)
		at, seen := p.spans[r.subject]
		if !seen {
			at.from = i
		}
		at.to = i + 1
		p.spans[r.subject] = at
		p.ground.name(r)
	}
	return p
}

// of are the rules of a subject.
func (p *policy) of(subject string) []rule {
	at := p.spans[subject]
	return p.rules[at.from:at.to]
}

// about appends those of a subject's rules that are about a target.
func (p *policy) about(found []*rule, subject string, t target) []*rule {
	rules := p.of(subject)
	for i := sort.Search(len(rules), func(i int) bool { return rules[i].object >= t }); i < len(rules) && rules[i].object == t; i++ {
		found = append(found, &rules[i])
	}
	return found
}

// relevant are the rules that can matter for a question: of those who ask, about
// what they ask.
func (p *policy) relevant(q *question, subjects subjectSet) []*rule {
	var found []*rule
	for _, subject := range subjects {
		found = p.about(found, subject, "")
		for _, objectID := range []string{q.objectID, q.parentID} {
			if objectID != "" {
				found = p.about(found, subject, one(objectID))
			}
		}
	}
	if p.frees(q.roles, q.permission) {
		found = slices.DeleteFunc(found, func(r *rule) bool { return r.deny })
	}
	return found
}

// frees reports whether no denial of a permission binds who has the roles. What
// manages the tenant cannot be denied to an Owner: somebody must be able to take a
// denial back.
func (p *policy) frees(roles []string, permission auth.Permission) bool {
	return manages(permission) && p.owns(roles)
}

// owns reports whether the Owner role is among the roles.
func (p *policy) owns(roles []string) bool { return p.owner != "" && slices.Contains(roles, p.owner) }

func manages(permission auth.Permission) bool {
	return slices.Contains([]string{"tenant", "member", "role"}, permission.Resource())
}

// decide decides without remembering, and says by which rule.
func (p *policy) decide(q *question) (verdict, *rule, error) {
	subjects := q.subjects()
	v, by, err := p.enforcers.decide(p.relevant(q, subjects), subjects, q.permission, objectSet{q.objectID, q.parentID})
	if err != nil {
		return unsaid, nil, fmt.Errorf("decide on %s: %w", q.permission, err)
	}
	return v, by, nil
}

// some reports whether a rule of the subjects that allows, or one that denies, is
// about the permission and a single object.
func (p *policy) some(subjects subjectSet, deny bool, permission auth.Permission) bool {
	return slices.ContainsFunc(subjects, func(subject string) bool {
		return slices.ContainsFunc(p.of(subject), func(r rule) bool {
			return r.deny == deny && r.object != "" && covered(r.permissions, permission)
		})
	})
}

// currentPolicy reads the policy of a tenant as it is now. The version is read
// first: should the roles change in between, the policy looks older than it is
// and is read once more, never the other way round.
func (s *Service) currentPolicy(ctx context.Context, tenantID string) (*policy, error) {
	return s.readPolicy(ctx, s.db.DB, tenantID)
}

func (s *Service) currentVersion(ctx context.Context, tenantID string) (int64, error) {
	return selectVersion(ctx, s.db.DB, tenantID)
}

func (s *Service) readPolicy(ctx context.Context, db bun.IDB, tenantID string) (*policy, error) {
	version, err := selectVersion(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	return s.readRules(ctx, db, tenantID, version)
}

// policyIn is the policy as a transaction sees it. That of the memory will do when
// it is of the version which the transaction sees.
func (s *Service) policyIn(ctx context.Context, db bun.IDB, tenantID string) (*policy, error) {
	version, err := selectVersion(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	if kept := s.policies.kept(tenantID, version); kept != nil {
		return kept, nil
	}
	return s.readRules(ctx, db, tenantID, version)
}

func (s *Service) readRules(ctx context.Context, db bun.IDB, tenantID string, version int64) (*policy, error) {
	roles, err := selectRoles(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	rules, err := selectGrantRules(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		permissions, err := role.given()
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{subject: role.ID, permissions: permissions})
	}
	p := s.newPolicy(version, rules)
	for _, role := range roles {
		p.roles[role.ID] = true
		if role.Builtin == Owner {
			p.owner = role.ID
		}
	}
	return p, nil
}
