package graphql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a text (T137). What tools ask to learn a schema is 13 deep.
const (
	maxTokens = 10_000
	maxDepth  = 20   // fields in fields
	maxFields = 5000 // with each fragment counted wherever it is spread
)

// document is what is known of a text.
type document struct {
	writes    bool
	variables map[string]variable // of the chosen operation; nil = there is none
}

type variable struct{ required, hasDefault bool }

// readDocument reads a text and notes all that is wrong with it at "query".
func readDocument(source, name string, faults *problem.Faults) (d document) {
	if len(source) > template.MaxLength {
		faults.Addf("query", "must not be longer than %d bytes", template.MaxLength)
		return d
	}
	if at := strings.Index(source, "{{"); at >= 0 {
		faults.Add("query", where(source, at)+"is constant: declare a variable, and put the placeholder into variables")
		return d
	}
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: source}, maxTokens)
	if err != nil {
		faults.Add("query", explained(err))
		return d
	}
	for _, op := range parsed.Operations {
		d.writes = d.writes || op.Operation != ast.Query
		if op.Operation == ast.Subscription {
			faults.Add("query", "cannot be a subscription: its answer has no end")
		}
	}
	measure(parsed, faults)
	if op := chosen(parsed, name, faults); op != nil {
		d.variables = declared(op)
	}
	return d
}

// chosen is the operation that a server runs.
func chosen(parsed *ast.QueryDocument, name string, faults *problem.Faults) *ast.OperationDefinition {
	seen := map[string]bool{}
	var found *ast.OperationDefinition
	for _, op := range parsed.Operations {
		faults.Check(!seen[op.Name] && (op.Name != "" || len(parsed.Operations) == 1), "query", "has several operations, so each needs a name of its own")
		seen[op.Name] = true
		if op.Name == name || name == "" {
			found = op
		}
	}
	switch {
	case len(parsed.Operations) == 0:
		faults.Add("query", "needs an operation, e.g. query { … }")
	case name == "" && len(parsed.Operations) > 1:
		faults.Add("operationName", "is required: the text has several operations")
		return nil
	case found == nil:
		faults.Add("operationName", "is not an operation of the text")
	}
	return found
}

func declared(op *ast.OperationDefinition) map[string]variable {
	variables := make(map[string]variable, len(op.VariableDefinitions))
	for _, v := range op.VariableDefinitions {
		variables[v.Variable] = variable{required: v.Type.NonNull && v.DefaultValue == nil, hasDefault: v.DefaultValue != nil}
	}
	return variables
}

// measure finds texts that ask for too much, and fragments that are not there or
// lead to themselves.
func measure(parsed *ast.QueryDocument, faults *problem.Faults) {
	m := meter{fragments: map[string]*ast.FragmentDefinition{}, known: map[string]size{}, open: map[string]bool{}}
	for _, f := range parsed.Fragments {
		m.fragments[f.Name] = f
	}
	var total size
	for _, op := range parsed.Operations {
		total = total.beside(m.selection(op.SelectionSet))
	}
	for _, f := range parsed.Fragments {
		m.fragment(f.Name)
	}
	faults.Check(!m.missing, "query", "spreads a fragment that it does not define")
	faults.Check(!m.circular, "query", "has a fragment that spreads itself")
	faults.Check(total.depth <= maxDepth, "query", fmt.Sprintf("must not be deeper than %d fields", maxDepth))
	faults.Check(total.fields <= maxFields, "query", fmt.Sprintf("must not ask for more than %d fields", maxFields))
}

type size struct{ depth, fields int }

func (s size) beside(o size) size {
	return size{max(s.depth, o.depth), min(s.fields+o.fields, maxFields+1)}
}

type meter struct {
	fragments         map[string]*ast.FragmentDefinition
	known             map[string]size
	open              map[string]bool // those that are being measured
	missing, circular bool
}

func (m *meter) selection(set ast.SelectionSet) (total size) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			below := m.selection(s.SelectionSet)
			total = total.beside(size{below.depth + 1, below.fields + 1})
		case *ast.InlineFragment:
			total = total.beside(m.selection(s.SelectionSet))
		case *ast.FragmentSpread:
			total = total.beside(m.fragment(s.Name))
		}
	}
	return total
}

func (m *meter) fragment(name string) size {
	if total, ok := m.known[name]; ok {
		return total
	}
	f := m.fragments[name]
	m.missing = m.missing || f == nil
	m.circular = m.circular || m.open[name]
	if f == nil || m.open[name] {
		return size{}
	}
	m.open[name] = true
	total := m.selection(f.SelectionSet)
	delete(m.open, name)
	m.known[name] = total
	return total
}

// explained is the parser's fault, with its place in front.
func explained(err error) string {
	e, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		return "is not valid GraphQL"
	}
	message := "is not valid GraphQL"
	if len(e.Message) <= 100 && text.OneLine(e.Message) {
		message += ": " + e.Message
	}
	if len(e.Locations) > 0 {
		message = fmt.Sprintf("line %d, column %d: %s", e.Locations[0].Line, e.Locations[0].Column, message)
	}
	return message
}

func where(source string, at int) string {
	line := strings.Count(source[:at], "\n") + 1
	column := len([]rune(source[strings.LastIndexByte(source[:at], '\n')+1:at])) + 1
	return fmt.Sprintf("line %d, column %d: ", line, column)
}

// shown keeps a name from filling an error.
func shown(name string) string {
	if len(name) > 40 || !text.OneLine(name) {
		return "?"
	}
	return name
}
