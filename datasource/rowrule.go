package datasource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// The limits of row rules.
const (
	MaxRowRules  = 20   // of a query
	MaxRuleRoles = 50   // of a rule
	MaxRuleMasks = 100  // of a rule
	MaxFilter    = 2000 // bytes of a filter

	maxColumnName = 300 // bytes
)

// RowRule says which rows of a query its roles get, and what of them. A query
// without rules gives all rows to whoever may run it. One with rules gives them
// to nobody but callers who have a role of a rule: a row that the filters of
// several rules of a caller let through comes once, and what one of those rules
// shows of it is shown.
type RowRule struct {
	// Roles are ids of roles of the tenant. A key of a default role, e.g. "viewer",
	// is saved as the id of that.
	Roles []string `json:"roles,omitempty"`

	// Everyone is whoever may run the query, services and runs of workflows among
	// them, instead of roles.
	Everyone bool `json:"everyone,omitempty"`

	// Filter is an expression that is true for the rows to show: "true" for all,
	// or one over row.<column>, params.<name>, user.id, user.claims.<name> and
	// tenant.id. What cannot be evaluated is not true.
	Filter string `json:"filter"`

	// Mask names columns whose values are not shown.
	Mask []ColumnMask `json:"mask,omitempty"`
}

// ColumnMask hides the values of a column.
type ColumnMask struct {
	Column string   `json:"column"` // as the result has it
	As     MaskKind `json:"as"`
}

// MaskKind says what becomes of a value.
type MaskKind string

// The kinds of masks, the mildest first.
const (
	MaskPartial MaskKind = "partial" // of a text of at least 8 characters the first and the last two; else like null
	MaskNull    MaskKind = "null"
	MaskHidden  MaskKind = "hidden" // like null, and without the column when all rules of the caller hide it
)

// masking is how strict a mask is; 0 shows the value.
func (k MaskKind) masking() int {
	return 1 + slices.Index([]MaskKind{MaskPartial, MaskNull, MaskHidden}, k)
}

// checkedRules are the row rules to save, with the ids of their roles; faults has
// what is wrong with them. Roles that the query names already are not looked for
// again: it can still be changed when one of them was deleted.
func (s *Service) checkedRules(ctx context.Context, db bun.IDB, in NewQuery, kept []RowRule, faults *problem.Faults) ([]RowRule, error) {
	if len(in.Rules) > MaxRowRules {
		faults.Addf("rules", "must not be more than %d", MaxRowRules)
		return nil, nil
	}
	newRowPolicy(in.Rules, in.Params, faults)
	rules := make([]RowRule, len(in.Rules))
	for i, r := range in.Rules {
		path := fmt.Sprintf("rules.%d", i)
		checkMasks(r.Mask, in.Params, path, faults)
		faults.Check(r.Everyone != (len(r.Roles) > 0), path+".roles", "must name roles, or the rule be for everyone, and not both")
		if len(r.Roles) > MaxRuleRoles {
			faults.Addf(path+".roles", "must not be more than %d", MaxRuleRoles)
			continue
		}
		var err error
		if rules[i] = r; len(r.Roles) > 0 {
			if rules[i].Roles, err = s.roleIDs(ctx, db, r.Roles, kept, path, faults); err != nil {
				return nil, err
			}
		}
	}
	return rules, nil
}

func (s *Service) roleIDs(ctx context.Context, db bun.IDB, names []string, kept []RowRule, path string, faults *problem.Faults) ([]string, error) {
	known := func(name string) bool {
		return slices.ContainsFunc(kept, func(r RowRule) bool { return slices.Contains(r.Roles, name) })
	}
	ids, unknown, at := slices.Clone(names), []string{}, []int{}
	for i, name := range names {
		faults.Check(name != "", fmt.Sprintf("%s.roles.%d", path, i), "must not be empty")
		if name != "" && !known(name) {
			unknown, at = append(unknown, name), append(at, i)
		}
	}
	if len(unknown) == 0 || s.cfg.Roles == nil {
		return ids, nil
	}
	found, err := s.cfg.Roles(ctx, db, unknown)
	if err != nil && !problem.Is(err, problem.Invalid) {
		return nil, err
	}
	for i, id := range found {
		ids[at[i]] = id
		faults.Check(id != "", fmt.Sprintf("%s.roles.%d", path, at[i]), "is not a role of this tenant")
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// checkMasks refuses also a column that callers can sort by, or choose: an order
// tells values that are not shown (T89).
func checkMasks(masks []ColumnMask, params []Param, path string, faults *problem.Faults) {
	if len(masks) > MaxRuleMasks {
		faults.Addf(path+".mask", "must not be more than %d", MaxRuleMasks)
		return
	}
	seen := map[string]bool{}
	for i, m := range masks {
		at := fmt.Sprintf("%s.mask.%d", path, i)
		faults.Check(m.As.masking() > 0, at+".as", "must be hidden, partial or null")
		faults.Check(m.Column != "" && len(m.Column) <= maxColumnName && utf8.ValidString(m.Column), at+".column", "must be the name of a column")
		faults.Check(!seen[m.Column], at+".column", "is masked twice")
		seen[m.Column] = true
		for _, p := range params {
			faults.Check(!p.chooses(m.Column), at+".column", "is one that the parameter "+printable(p.Name)+" can choose: callers would learn of its values")
		}
	}
}

// chooses reports whether an identifier can be the name of a column.
func (p Param) chooses(column string) bool {
	if element, _ := p.Type.Element(); p.Type != ParamIdentifier && element != ParamIdentifier {
		return false
	}
	return slices.ContainsFunc(p.Enum, func(v any) bool {
		name, _ := v.(string)
		return strings.EqualFold(name[strings.LastIndexByte(name, '.')+1:], column)
	})
}

// judgedLike reports whether two contents of a query have the same row rules, and
// the same for those to judge.
func (q NewQuery) judgedLike(other NewQuery) bool {
	if len(q.Rules) == 0 && len(other.Rules) == 0 {
		return true
	}
	return q.DatasourceID == other.DatasourceID && string(q.Operation) == string(other.Operation) &&
		sameJSON(q.Params, other.Params) && sameJSON(q.Rules, other.Rules)
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
