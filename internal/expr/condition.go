package expr

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"
)

// MaxConditionWork bounds one evaluation of a [Condition], in the units of
// [MaxWork]: a few milliseconds at most.
const MaxConditionWork = 20_000

// Type is what is known of a value when a condition is parsed.
type Type struct {
	Of   Kind
	List bool // a list of those
}

// Kind is the type of a value, or of the elements of a list.
type Kind int

// The kinds. Whatever is neither is Unknown.
const (
	Unknown Kind = iota
	Text
	Whole
	Number
	Boolean
)

func (t Type) library() types.Type {
	of := []types.Type{types.Any, types.String, types.Int, types.Float64, types.Bool}[t.Of]
	if t.List {
		return types.Array(of)
	}
	return of
}

// Condition is a parsed expression that judges a row: it reads row, params, user
// (id and claims) and tenant (id), and is true or false. It is immutable and safe
// for concurrent use.
//
// It is stricter than other expressions. There are no loops, variables and clock,
// members are read by literal names, and comparing a value with null or with one
// of another type is an error instead of a no.
type Condition struct{ program *program }

// ParseCondition reads a condition over rows of any columns and the declared
// params. It fails with an Invalid problem, "expression_invalid".
func ParseCondition(text string, params map[string]Type) (*Condition, error) {
	p, err := compile(conditions(params), source{text: text}, text)
	if err == nil && !p.decides() {
		err = failf("%s", p.source.public(failAt(p.root, "it has to be true or false")))
	}
	if err != nil {
		return nil, invalid("", err.Error())
	}
	p.strict = true
	return &Condition{p}, nil
}

func conditions(params map[string]Type) grammar {
	declared := types.Map{}
	for name, t := range params {
		declared[name] = t.library()
	}
	anything := types.Map{types.Extra: types.Any}
	return grammar{
		plain: true,
		roots: types.Map{
			"row": anything, "params": declared,
			"user": types.Map{"id": types.String, "claims": anything}, "tenant": types.Map{"id": types.String},
		},
		keyed: map[string]string{
			"row": "name of a column: row.name", "params": "name of a parameter: params.name", "user": "name of a member: user.id",
			"user.claims": "name of a claim: user.claims.name", "tenant": "name of a member: tenant.id",
		},
	}
}

// decides is whether the program comes to true or false, as far as that is known.
func (p *program) decides() bool {
	return p.gives == nil || p.gives.Kind() == reflect.Interface || p.gives.Kind() == reflect.Bool
}

// Refs is what the condition reads, each once: members of "row", "params",
// "user", "user.claims" and "tenant".
func (c *Condition) Refs() []Ref { return slices.Clone(c.program.refs) }

// Judge evaluates a condition again and again. It is not safe for concurrent use.
type Judge struct {
	condition *Condition
	run       *run
}

// Judge reads env anew at each evaluation: the caller changes it in between.
func (c *Condition) Judge(env Env) *Judge { return &Judge{condition: c, run: newRun(env)} }

// Holds is true when the condition is. Whatever goes wrong is a no, and is told
// to nobody: what an error says, or that there was one, could depend on the row.
func (j *Judge) Holds() (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	j.run.left = MaxConditionWork
	v, err := j.condition.program.eval(j.run)
	return err == nil && v == true
}

// alike refuses to compare what cannot be equal: values of two types, and null
// unless the author wrote it.
func (r *run) alike(n *ast.BinaryNode, a, b any) error {
	if isNull(n.Left) || isNull(n.Right) {
		return nil
	}
	list, among := b.([]any)
	switch {
	case n.Operator == "==" || n.Operator == "!=":
		return sameType(a, b)
	case n.Operator != "in" || !among:
		return nil
	}
	if err := r.spend(len(list)); err != nil {
		return err
	}
	for _, item := range list {
		if err := sameType(a, item); err != nil {
			return err
		}
	}
	return nil
}

func isNull(node ast.Node) bool {
	name, ok := node.(*ast.IdentifierNode)
	_, null := node.(*ast.NilNode)
	return null || ok && name.Value == "null"
}

func sameType(a, b any) error {
	if typeName(a) != typeName(b) || a == nil {
		return failf("%s and %s are never equal", typeName(a), typeName(b))
	}
	return nil
}
