package datasource

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of parameters.
const (
	MaxParams       = 100
	MaxListElements = 1000    // of one parameter
	MaxValueLength  = 1 << 20 // bytes of one string or JSON value
	MaxEnum         = 1000    // values of an enum
	MaxPattern      = 1000    // bytes of a pattern
)

// ParamType is the type of a parameter. A list of a type is written with "[]"
// behind it, e.g. "integer[]".
type ParamType string

// The types of parameters.
const (
	ParamString    ParamType = "string"
	ParamNumber    ParamType = "number"    // any JSON number; a string of one keeps every digit
	ParamInteger   ParamType = "integer"   // 64 bits; beyond ±(2^53-1) as a string
	ParamBoolean   ParamType = "boolean"   //
	ParamDate      ParamType = "date"      // 2006-01-02
	ParamTimestamp ParamType = "timestamp" // RFC 3339 with a zone
	ParamUUID      ParamType = "uuid"      //
	ParamJSON      ParamType = "json"      // anything
)

// The types of what stands for a word of SQL instead of a value. Other operations
// do not take them.
const (
	ParamIdentifier ParamType = "identifier" // the name of a table or column, one of the enum; "orders.total" is two names
	ParamDirection  ParamType = "direction"  // "asc" or "desc"
)

// ParamTypes lists the types of values, without the lists of them.
func ParamTypes() []ParamType {
	return []ParamType{ParamString, ParamNumber, ParamInteger, ParamBoolean, ParamDate, ParamTimestamp, ParamUUID, ParamJSON}
}

// List is the type of a list of t.
func (t ParamType) List() ParamType { return t + "[]" }

// Element is the type of the elements of a list; ok is false for other types.
func (t ParamType) Element() (element ParamType, ok bool) {
	e, ok := strings.CutSuffix(string(t), "[]")
	return ParamType(e), ok
}

func (t ParamType) valid() bool {
	element, list := t.Element()
	return slices.Contains(ParamTypes(), element) || element == ParamIdentifier || element == ParamDirection && !list
}

// names reports whether a parameter of the type becomes a part of the statement.
func (t ParamType) names() bool {
	element, _ := t.Element()
	return element == ParamIdentifier || element == ParamDirection
}

// Param declares a parameter of a query. The rules hold for each element of a
// list.
type Param struct {
	Name        string    `json:"name"` // a letter or "_", then letters, digits and "_"
	Type        ParamType `json:"type"`
	Description string    `json:"description,omitempty"`
	Required    bool      `json:"required"`          // null and absent are faults
	Default     any       `json:"default,omitempty"` // for an absent value; without it an absent value is null
	Enum        []any     `json:"enum,omitempty"`    // the only values; an identifier needs it
	Min         *float64  `json:"min,omitempty"`     // of a number or integer
	Max         *float64  `json:"max,omitempty"`
	MaxLength   int       `json:"maxLength,omitempty"` // of a string, in characters; 0 = only the general limit
	Pattern     string    `json:"pattern,omitempty"`   // RE2, for the whole of a string

	// Sensitive values are not kept in the history of executions, and what the
	// datasource says of a statement with one is shown to nobody.
	Sensitive bool `json:"sensitive,omitempty"`
}

// rule is a Param that is ready to judge values.
type rule struct {
	Param
	element ParamType
	list    bool
	enum    []any
	pattern *regexp.Regexp
	absent  any // the value for an absent one
}

// newRules checks declarations. used lists what the operation names: it must
// name exactly what is declared, and what the server fills in.
func newRules(params []Param, used []string, faults *problem.Faults) []rule {
	if len(params) > MaxParams || len(used) > MaxParams {
		faults.Add("params", "must not be more than 100")
		return nil
	}
	rules := make([]rule, 0, len(params))
	seen := map[string]bool{}
	for _, p := range params {
		path := "params." + printable(p.Name)
		faults.Check(template.ValidName(p.Name), path, "needs a name of letters, digits and _")
		faults.Check(!seen[p.Name], path, "is declared twice")
		seen[p.Name] = true
		faults.Check(slices.Contains(used, p.Name), path, "is declared but not used in the operation")
		rules = append(rules, newRule(p, path, faults))
	}
	for _, name := range used {
		message := "is used in the operation but not declared"
		if strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "tenant.") {
			message = "is not a value that the server fills in: those are tenant.id, user.id and user.claims.<name>"
		}
		faults.Check(seen[name] || template.Trusted(name), "params."+name, message)
	}
	return rules
}

func newRule(p Param, path string, faults *problem.Faults) rule {
	r := rule{Param: p}
	r.element, r.list = p.Type.Element()
	if !p.Type.valid() {
		faults.Add(path, "has an unknown type")
		return r
	}
	textual, numeric := r.element == ParamString, r.element == ParamNumber || r.element == ParamInteger
	faults.Check(numeric || p.Min == nil && p.Max == nil, path, "can have min and max only as a number or integer")
	faults.Check(p.Min == nil || p.Max == nil || *p.Min <= *p.Max, path, "has a min above its max")
	faults.Check(textual || p.MaxLength == 0 && p.Pattern == "", path, "can have maxLength and pattern only as a string")
	faults.Check(p.MaxLength >= 0, path, "has a negative maxLength")
	faults.Check(!p.Sensitive || p.Default == nil, path, "is sensitive: whoever may read the query would see its default")
	r.compile(path, faults)
	r.choices(path, faults)
	if p.Default != nil {
		r.absent = r.value(p.Default, path+".default", faults)
	}
	return r
}

func (r *rule) compile(path string, faults *problem.Faults) {
	if r.Pattern == "" {
		return
	}
	var err error
	if len(r.Pattern) <= MaxPattern {
		r.pattern, err = regexp.Compile(`^(?:` + r.Pattern + `)$`)
	}
	faults.Check(err == nil && len(r.Pattern) <= MaxPattern, path, "has a pattern that is not valid RE2 syntax of at most 1000 bytes")
}

func (r *rule) choices(path string, faults *problem.Faults) {
	faults.Check(r.element != ParamIdentifier || len(r.Enum) > 0, path, "needs an enum: the names that it can be")
	if len(r.Enum) > MaxEnum {
		faults.Add(path, "has an enum of more than 1000 values")
		return
	}
	for _, v := range r.Enum {
		value, message := coerce(r.element, v)
		if message != "" || r.element == ParamJSON {
			faults.Add(path, "has an enum that does not fit its type")
			return
		}
		r.enum = append(r.enum, value)
	}
}

// bind gives each parameter its value, see [Statement]. All faults are told at
// once; none repeats a value.
func bind(rules []rule, given map[string]any) (map[string]any, error) {
	var faults problem.Faults
	values := make(map[string]any, len(rules))
	for _, r := range rules {
		v, present := given[r.Name]
		switch {
		case v == nil && r.Required && (present || r.absent == nil):
			faults.Add("params."+r.Name, "is required")
		case !present:
			values[r.Name] = r.absent
		case v == nil:
			values[r.Name] = nil
		default:
			values[r.Name] = r.value(v, "params."+r.Name, &faults)
		}
	}
	for _, name := range sortedKeys(given) {
		declared := slices.ContainsFunc(rules, func(r rule) bool { return r.Name == name })
		faults.Check(declared, "params."+printable(name), "is not a parameter of this query")
	}
	return values, faults.Err("params_invalid", "the parameters are not valid")
}

// bindKnown finds the faults of values some of which are not known yet: those are
// there, and nothing more can be said of them.
func bindKnown(rules []rule, given map[string]any, unknown func(value any) bool) error {
	known, judged := maps.Clone(given), make([]rule, 0, len(rules))
	for _, r := range rules {
		if v, present := given[r.Name]; present && unknown(v) {
			delete(known, r.Name)
			continue
		}
		judged = append(judged, r)
	}
	_, err := bind(judged, known)
	return err
}

func marshalParams(params []Param) (string, error) {
	if params == nil {
		params = []Param{}
	}
	b, err := json.Marshal(params)
	return string(b), err
}
