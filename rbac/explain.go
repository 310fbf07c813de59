package rbac

import (
	"context"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Question is what [Service.Explain] answers: may the subject do it, to this object
// or, with ObjectID "", to the kind as a whole?
type Question struct {
	Subject    Subject
	Permission auth.Permission // of the catalogue
	ObjectID   string
}

// Decision is the outcome of a question.
type Decision string

// The decisions. Only the first lets somebody in.
const (
	DecisionAllow Decision = "allow"
	DecisionDeny  Decision = "deny" // a rule denies it
	DecisionNone  Decision = "none" // nothing allows it
)

// Explanation is a decision with the rules that were looked at.
type Explanation struct {
	Allowed  bool     `json:"allowed"`
	Decision Decision `json:"decision" enum:"allow,deny,none"`
	Chain    []Step   `json:"chain" doc:"every rule that bears on the question, in the order in which they are looked at"`
}

// StepSource is where a rule comes from.
type StepSource string

// The sources of rules.
const (
	FromScope     StepSource = "scope"     // of the API key: what it lacks is refused, whatever the rules say
	FromRole      StepSource = "role"      // the permissions of a role
	FromGrant     StepSource = "grant"     // a grant of a role or to a user
	FromOwnership StepSource = "ownership" // he made the object
)

// Step is one rule of an [Explanation].
type Step struct {
	Source     StepSource      `json:"source" enum:"scope,role,grant,ownership"`
	Effect     Effect          `json:"effect" enum:"allow,deny"`
	Permission auth.Permission `json:"permission,omitempty" doc:"as the rule has it, wildcards too; none = the scopes of the key lack it"`
	ObjectID   string          `json:"objectId,omitempty" doc:"the one object that the rule is about"`
	RoleID     string          `json:"roleId,omitempty" doc:"none = no role, or one that is denied to the caller"`
	RoleName   string          `json:"roleName,omitempty"`
	Decides    bool            `json:"decides" doc:"this rule made the decision"`
}

// Explain tells how the rules decide, and by which of them. It needs role.read, and
// the right to see the subject: member.read, role.read on the role or apikey.list.
// It answers for the rules as they are now; whether an account is disabled, or a key
// has expired, is no question of rights. Rules of roles that are denied to the caller
// are there without their names.
//
// Errors: Unauthenticated, Forbidden; NotFound for a subject that is not there;
// Invalid with every fault of the question.
func (s *Service) Explain(ctx context.Context, q Question) (Explanation, error) {
	caller, err := s.Authorize(ctx, auth.RoleRead, "")
	if err != nil {
		return Explanation{}, err
	}
	var f problem.Faults
	f.Check(slices.Contains([]SubjectKind{SubjectUser, SubjectRole, SubjectAPIKey}, q.Subject.Kind), "subject.kind", "must be user, role or apiKey")
	f.Check(s.catalogue.has(q.Permission), "permission", "is not a permission that operations ask for")
	f.Check(q.ObjectID == "" || id.Valid(q.ObjectID), "objectId", "is not an id")
	if err := f.Err("question_invalid", "the question is not valid"); err != nil {
		return Explanation{}, err
	}
	who, err := s.principalOf(ctx, caller.TenantID, q.Subject)
	if err != nil {
		return Explanation{}, err
	}
	p, err := s.policyIn(ctx, s.db.DB, caller.TenantID)
	if err != nil {
		return Explanation{}, fmt.Errorf("load the roles: %w", err)
	}
	e, err := s.explain(ctx, p, who, q.Permission, q.ObjectID)
	if err != nil {
		return Explanation{}, err
	}
	names, err := s.namedRoles(ctx, caller.TenantID)
	for i := range e.Chain {
		e.Chain[i].name(names)
	}
	return e, err
}

// explain decides as allows does, and keeps what it looked at.
func (s *Service) explain(ctx context.Context, p *policy, who *auth.Principal, permission auth.Permission, objectID string) (Explanation, error) {
	e := Explanation{Decision: DecisionNone, Chain: []Step{}}
	if who.Kind == auth.KindAPIKey && !e.scope(who.Scopes, permission) {
		return e, nil
	}
	q, err := s.questionFor(ctx, p, who, permission, objectID)
	if err != nil {
		return e, err
	}
	v, by, err := p.decide(&q)
	if err != nil {
		return e, err
	}
	e.rules(p.relevant(&q, q.subjects()), by, permission)
	switch v {
	case allowed:
		e.Decision = DecisionAllow
	case denied:
		e.Decision = DecisionDeny
	}
	owned, err := owns(ctx, s.db.DB, who, permission, objectID)
	if err != nil {
		return e, err
	}
	if owned {
		e.Chain = append(e.Chain, Step{Source: FromOwnership, Effect: Allow, Permission: permission, ObjectID: objectID, Decides: v == unsaid})
		if v == unsaid {
			e.Decision = DecisionAllow
		}
	}
	e.Allowed = e.Decision == DecisionAllow
	return e, nil
}

// scope reports whether the scopes of a key let a question through.
func (e *Explanation) scope(scopes []auth.Permission, permission auth.Permission) bool {
	i := slices.IndexFunc(scopes, func(scope auth.Permission) bool { return scope.Covers(permission) })
	if i < 0 {
		e.Chain = append(e.Chain, Step{Source: FromScope, Effect: Deny, Decides: true})
		return false
	}
	e.Chain = append(e.Chain, Step{Source: FromScope, Effect: Allow, Permission: scopes[i]})
	return true
}

// rules appends those that cover a permission; by is the one that decided.
func (e *Explanation) rules(relevant []*rule, by *rule, permission auth.Permission) {
	for _, r := range relevant {
		i := slices.IndexFunc(r.permissions, func(p auth.Permission) bool { return p.Covers(permission) })
		if i < 0 {
			continue
		}
		step := Step{Source: FromRole, Effect: Effect(effect(r)), Permission: r.permissions[i], ObjectID: r.object.named(), Decides: r == by}
		if r.granted {
			step.Source = FromGrant
		}
		if !r.alone() {
			step.RoleID = r.subject
		}
		e.Chain = append(e.Chain, step)
	}
}

// name fills in the role of a step, or leaves out one that has no name for the caller.
func (s *Step) name(names map[string]string) {
	if s.RoleName = names[s.RoleID]; s.RoleName == "" {
		s.RoleID = ""
	}
}

// namedRoles are the names of a tenant's roles by their ids, without those that are
// denied to the caller.
func (s *Service) namedRoles(ctx context.Context, tenantID string) (map[string]string, error) {
	var rows []roleRow
	err := s.db.NewSelect().Model(&rows).Column("id", "name").Where("r.tenant_id = ?", tenantID).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the names of the roles: %w", err)
	}
	names := make(map[string]string, len(rows))
	for _, row := range rows {
		refused, err := s.Refused(ctx, auth.RoleRead, row.ID)
		if err != nil {
			return nil, err
		}
		if !refused {
			names[row.ID] = row.Name
		}
	}
	return names, nil
}
