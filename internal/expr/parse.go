package expr

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/parser"
)

// Expression is a parsed expression without braces. It is immutable and safe
// for concurrent use.
type Expression struct{ program *program }

// ParseExpression reads a bare expression, such as "input.total > 100". It
// fails with an Invalid problem, "expression_invalid".
func ParseExpression(text string) (*Expression, error) {
	p, err := compile(workflows(), source{text: text}, text)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	return &Expression{p}, nil
}

// Eval gives the value of the expression, as a deep copy that the caller owns.
// It fails with an Invalid problem, "expression_failed".
func (e *Expression) Eval(env Env) (any, error) {
	v, err := e.program.result(newRun(env))
	if err != nil {
		return nil, failed("", err.Error())
	}
	return v, nil
}

// Refs is what the expression reads, each once, in the order of the text.
func (e *Expression) Refs() []Ref { return slices.Clone(e.program.refs) }

// program is a checked tree and what was learned about it.
type program struct {
	source   source
	root     ast.Node
	gives    reflect.Type // what it comes to, an interface or nil when that is not known
	strict   bool         // a comparison with null or another type is an error
	refs     []Ref
	patterns map[ast.Node]pattern
}

type pattern struct {
	re   *regexp.Regexp
	size int // states: what one character may cost
}

// compile reads one expression, text, that stands in src. Its errors have
// public messages.
func compile(g grammar, src source, text string) (p *program, err error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("an expression may have at most %d bytes", MaxText)
	}
	// The parser is a library that faces whatever people type.
	defer func() {
		if recover() != nil {
			p, err = nil, failf("the expression cannot be read")
		}
	}()
	config := g.config()
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, failf("%s", src.public(err))
	}
	// The survey comes before the checker: the parser shares subtrees (a < b < c
	// has b twice), so a short text can stand for a tree of any size.
	s := survey{grammar: g, patterns: map[ast.Node]pattern{}}
	if err := s.visit(tree.Node); err != nil {
		return nil, failf("%s", src.public(err))
	}
	gives, err := checker.Check(tree, config)
	if err != nil {
		return nil, failf("%s", src.public(err))
	}
	return &program{source: src, root: tree.Node, gives: gives, refs: s.refs, patterns: s.patterns}, nil
}

func (f function) validate(args []reflect.Type) (reflect.Type, error) {
	if err := f.arity(len(args)); err != nil {
		return nil, err
	}
	return reflect.TypeFor[any](), nil
}

// result evaluates the program and copies the value out.
func (p *program) result(r *run) (any, error) {
	v, err := p.eval(r)
	if err == nil {
		v, err = r.export(v, 0)
	}
	if err != nil {
		return nil, failf("%s", p.source.public(err))
	}
	return v, nil
}

func (p *program) eval(r *run) (any, error) {
	r.program, r.variables, r.loops = p, nil, nil
	v, err := r.eval(p.root)
	return v, placed(p.root, err)
}
