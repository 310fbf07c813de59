package expr

import (
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// survey walks a tree once before it is checked: it bounds the tree, refuses
// what the dialect leaves out, and notes what the expression reads.
type survey struct {
	grammar     grammar
	visited     int
	refs        []Ref
	patterns    map[ast.Node]pattern
	patternSize int
}

func (s *survey) visit(node ast.Node) error {
	if s.visited++; s.visited > MaxNodes {
		return failf("the expression is too complex")
	}
	if form := s.grammar.left(node); form != "" {
		return failAt(node, "%s is not available here", form)
	}
	switch n := node.(type) {
	case nil:
		return nil
	case *ast.IdentifierNode:
		return s.name(n)
	case *ast.BytesNode:
		return failAt(n, "byte strings are not supported")
	case *ast.MemberNode:
		if ref, ok := s.grammar.read(n); ok {
			s.note(ref)
			return nil
		}
		if path := s.grammar.incomplete(n); path != "" {
			return failAt(n, "%s needs the literal %s", path, s.grammar.keyed[path])
		}
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return failAt(n, "only functions can be called, values have no methods")
		}
		if _, ok := functions[callee.Value]; !ok {
			return failAt(n, "unknown function %s", callee.Value)
		}
	case *ast.BuiltinNode:
		if !isLoop(n.Name) {
			return failAt(n, "unknown function %s", n.Name)
		}
	case *ast.BinaryNode:
		if n.Operator == "matches" {
			if err := s.pattern(n); err != nil {
				return err
			}
		}
	}
	for _, child := range children(node) {
		if err := s.visit(child); err != nil {
			return err
		}
	}
	return nil
}

func (s *survey) name(n *ast.IdentifierNode) error {
	if n.Value == "$env" {
		return failAt(n, "unknown name $env")
	}
	if what, ok := s.grammar.keyed[n.Value]; ok {
		return failAt(n, "%s needs the literal %s", n.Value, what)
	}
	if _, ok := s.grammar.roots[n.Value]; ok {
		s.note(Ref{Root: n.Value})
	} else if _, ok := functions[n.Value]; ok {
		return failAt(n, "%s is a function: call it", n.Value)
	}
	return nil
}

func (s *survey) note(r Ref) {
	if !slices.Contains(s.refs, r) {
		s.refs = append(s.refs, r)
	}
}

func (s *survey) pattern(n *ast.BinaryNode) error {
	literal, ok := n.Right.(*ast.StringNode)
	if !ok {
		return failAt(n, "the pattern of matches has to be a literal text")
	}
	parsed, err := syntax.Parse(literal.Value, syntax.Perl)
	if err != nil {
		return failAt(n, "the pattern is not a valid regular expression")
	}
	size := patternSize(parsed)
	if s.patternSize += size; s.patternSize > maxPattern {
		return failAt(n, "the pattern is too complex")
	}
	re, err := regexp.Compile(literal.Value)
	if err != nil {
		return failAt(n, "the pattern is not a valid regular expression")
	}
	s.patterns[n] = pattern{re: re, size: size}
	return nil
}

// maxPattern bounds the states of all patterns in an expression: x{1000} is
// short to write and long to compile.
const maxPattern = 2000

// patternSize is about how many states a pattern compiles to.
func patternSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min+1, re.Max)
	}
	return size
}

// children are the parts of a node that are evaluated. The name of a called
// function is not among them.
func children(node ast.Node) []ast.Node {
	switch n := node.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		return n.Arguments
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.VariableDeclaratorNode:
		return []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ArrayNode:
		return n.Nodes
	case *ast.MapNode:
		return n.Pairs
	case *ast.PairNode:
		return []ast.Node{n.Key, n.Value}
	}
	return nil
}
