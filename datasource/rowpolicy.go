package datasource

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// rowPolicy is the row rules of a query, ready to be applied. It is immutable;
// nil says that there are none.
type rowPolicy []*rowJudge

// rowJudge is a rule that is ready to judge rows.
type rowJudge struct {
	RowRule
	condition *expr.Condition
	columns   []string // what the condition reads of a row
	asked     bool     // it reads parameters
}

// newRowPolicy compiles rules, with everything in faults that is wrong with their
// filters.
func newRowPolicy(rules []RowRule, params []Param, faults *problem.Faults) rowPolicy {
	var p rowPolicy
	types := conditionTypes(params)
	for i, r := range rules {
		path := fmt.Sprintf("rules.%d.filter", i)
		if r.Filter == "" || len(r.Filter) > MaxFilter {
			faults.Addf(path, "must be an expression of at most %d bytes: true lets every row through", MaxFilter)
			continue
		}
		condition, err := expr.ParseCondition(r.Filter, types)
		if err != nil {
			faults.Merge(path, err)
			continue
		}
		judge := newRowJudge(r, condition)
		faults.Check(!judge.guesses(), path, "compares a column that the rule masks, and reads a parameter: callers would learn of its values")
		p = append(p, judge)
	}
	return p
}

func newRowJudge(r RowRule, condition *expr.Condition) *rowJudge {
	judge := &rowJudge{RowRule: r, condition: condition}
	for _, ref := range condition.Refs() {
		switch ref.Root {
		case "row":
			judge.columns = append(judge.columns, ref.Step)
		case "params":
			judge.asked = true
		}
	}
	return judge
}

// masks reports whether the rule masks a column of one of the names.
func (r *rowJudge) masks(names []string) bool {
	return slices.ContainsFunc(r.Mask, func(m ColumnMask) bool { return slices.Contains(names, m.Column) })
}

// guesses reports whether a caller could try values until a row comes whose masked
// column has them (T89).
func (r *rowJudge) guesses() bool {
	return r.asked && r.masks(r.columns)
}

func conditionTypes(params []Param) map[string]expr.Type {
	types := make(map[string]expr.Type, len(params))
	for _, p := range params {
		element, list := p.Type.Element()
		if !list {
			element = p.Type
		}
		of := expr.Text
		switch element {
		case ParamInteger:
			of = expr.Whole
		case ParamNumber:
			of = expr.Number
		case ParamBoolean:
			of = expr.Boolean
		case ParamTimestamp, ParamJSON:
			of = expr.Unknown
		}
		types[p.Name] = expr.Type{Of: of, List: list}
	}
	return types
}

// sight is what one caller sees of a result; nil = everything. It is immutable.
type sight struct {
	eyes []eye  // he sees what all of them see
	key  []byte // of everything in the caller that decides
}

// eye is what somebody sees of a result by his rules.
type eye struct {
	rules []*rowJudge
	env   expr.Env // without the row
}

// see is what a caller may see. Who has no rule is refused, like who lacks a
// trusted value: nothing is asked of the datasource then. Who views as somebody else
// sees the rows that both see, as both see them.
func (p rowPolicy) see(who *auth.Principal, values map[string]any) (*sight, error) {
	if len(p) == 0 {
		return nil, nil
	}
	s, decides := &sight{}, []decisive{}
	for _, party := range onlookers(who) {
		e, seen, err := p.eyeOf(party, values)
		if err != nil {
			return nil, err
		}
		s.eyes, decides = append(s.eyes, e), append(decides, seen)
	}
	var err error
	s.key, err = json.Marshal(decides)
	return s, err
}

// onlookers are those whose rules decide what a caller sees: his own, and those of whom
// he views. Whoever has a role alone is the caller with that role.
func onlookers(who *auth.Principal) []*auth.Principal {
	viewed := who.Viewed()
	switch {
	case viewed == nil:
		return []*auth.Principal{who}
	case viewed.UserID == "":
		viewed = who.InTenant(who.TenantID, viewed.Roles)
	}
	return []*auth.Principal{who, viewed}
}

func (p rowPolicy) eyeOf(who *auth.Principal, values map[string]any) (eye, decisive, error) {
	var e eye
	seen := decisive{Claims: map[string]any{}}
	for i, r := range p {
		if r.Everyone || slices.ContainsFunc(r.Roles, func(role string) bool { return slices.Contains(who.Roles, role) }) {
			e.rules, seen.Rules = append(e.rules, r), append(seen.Rules, i)
			seen.note(who, r.condition)
		}
	}
	if len(e.rules) == 0 {
		return e, seen, problem.New(problem.Forbidden, "no_row_rule", "the query has row rules, and none is for the caller").
			Fix("ask who manages the rules of the query for one")
	}
	user := map[string]any{"claims": seen.Claims}
	put(user, "id", seen.User)
	tenant, params := map[string]any{}, make(map[string]any, len(values))
	put(tenant, "id", who.TenantID)
	for name, v := range values {
		if v = judged(v); v != nil {
			params[name] = v
		}
	}
	e.env = expr.Env{"user": user, "tenant": tenant, "params": params}
	return e, seen, nil
}

func put(object map[string]any, name, text string) {
	if text != "" { // absent, so that it equals nothing
		object[name] = text
	}
}

// decisive is what decides what somebody sees, beside the query and its values.
type decisive struct {
	Rules  []int          `json:"rules"`
	User   string         `json:"user"`
	Claims map[string]any `json:"claims"`
}

// note takes what a condition reads of him.
func (d *decisive) note(who *auth.Principal, c *expr.Condition) {
	for _, ref := range c.Refs() {
		switch ref.Root {
		case "user":
			d.User = who.UserID
		case "user.claims":
			if v, ok := plainClaim(who.Claims[ref.Step]); ok {
				d.Claims[ref.Step] = v
			}
		}
	}
}

// plainClaim is a claim as decoded JSON, whatever Go type a host has put there. One
// that is null, no JSON, or holds a number that may have lost digits, is none.
func plainClaim(v any) (any, bool) {
	if inexact(v) {
		return nil, false
	}
	text, err := json.Marshal(v)
	if err != nil || len(text) > MaxValueLength {
		return nil, false
	}
	v, err = decoded(text)
	return v, err == nil && v != nil
}

// inexact reports whether there is a rounded number in a claim as it is decoded.
func inexact(v any) bool {
	switch v := v.(type) {
	case float64:
		return rounded(v)
	case []any:
		return slices.ContainsFunc(v, inexact)
	case map[string]any:
		for _, member := range v {
			if inexact(member) {
				return true
			}
		}
	}
	return false
}
