package jetadmin_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// stateful are the package-level variables that are state on purpose.
var stateful = map[string]string{
	"internal/testdb.servers": "the servers a test binary started are state of the process, like the processes themselves",
}

// constantCalls make values that nobody changes afterwards.
var constantCalls = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "net/netip.Must*", "sync.OnceValue*", "sync.OnceFunc",
	"reflect.TypeFor", "html/template.Must", "encoding/base64.NewEncoding", "encoding/base32.NewEncoding", "math/big.NewInt",
	module + "/problem.*",
}

// Two Apps in one process share nothing, so packages have no variables that
// change (T153).
func TestPackagesHaveNoState(t *testing.T) {
	t.Parallel()
	packages := map[string][]source{}
	for _, s := range sources(t) {
		if !s.test && !within(s.dir, "examples") {
			packages[s.dir] = append(packages[s.dir], s)
		}
	}
	for _, files := range packages {
		for _, fault := range stateFaults(files) {
			t.Error(fault)
		}
	}
}

// stateFaults lists the variables of a package that are, or may become, state.
func stateFaults(files []source) (faults []string) {
	changed := map[string]bool{}
	for _, s := range files {
		for _, name := range changedNames(s) {
			changed[name] = true
		}
	}
	for _, s := range files {
		for _, decl := range s.ast.Decls {
			vars, ok := decl.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, spec := range vars.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					switch {
					case name.Name == "_" || stateful[s.dir+"."+name.Name] != "" || embedded(vars, v):
					case changed[name.Name]:
						faults = append(faults, s.at(name)+": the package changes its variable "+name.Name)
					case i >= len(v.Values) || !constant(s, v.Values[i]):
						faults = append(faults, s.at(name)+": "+name.Name+" is a variable of the package and not a constant in disguise (an error, a pattern, a table that is only read)")
					}
				}
			}
		}
	}
	return faults
}

func embedded(decl *ast.GenDecl, spec *ast.ValueSpec) bool {
	for _, group := range []*ast.CommentGroup{decl.Doc, spec.Doc} {
		if group != nil && slices.ContainsFunc(group.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return true
		}
	}
	return false
}

// constant reports whether a value is one that its package can only read: the
// result of a known call, or of a function of the package's own, or a literal of
// a composite type.
func constant(s source, value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit, *ast.FuncLit:
		return true
	case *ast.UnaryExpr:
		return v.Op == token.AND && constant(s, v.X)
	case *ast.CallExpr:
		if _, known := s.names(v.Fun, constantCalls...); known {
			return true
		}
		f := v.Fun
		if generic, ok := f.(*ast.IndexExpr); ok {
			_, known := s.names(generic.X, constantCalls...)
			return known
		}
		if selector, ok := f.(*ast.SelectorExpr); ok { // problem.New(…).Fix(…)
			call, ok := selector.X.(*ast.CallExpr)
			return ok && constant(s, call)
		}
		name, ok := f.(*ast.Ident)
		return ok && name.Name != "make" && name.Name != "new"
	}
	return false
}

// changedNames are the names that a file assigns to, writes into or takes the
// address of, outside of the functions that declare such a name themselves.
func changedNames(s source) (names []string) {
	for _, decl := range s.ast.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		local := declaredIn(f)
		add := func(e ast.Expr) {
			if name := root(e); name != "" && !local[name] {
				names = append(names, name)
			}
		}
		for n := range ast.Preorder(f.Body) {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, left := range n.Lhs {
						add(left)
					}
				}
			case *ast.IncDecStmt:
				add(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					add(n.X)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
					add(n.Args[0])
				}
			}
		}
	}
	return names
}

// root is the variable at the bottom of x.y[z].
func root(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

// declaredIn are the names that a function declares anywhere in it.
func declaredIn(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	for n := range ast.Preorder(f) {
		switch n := n.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, left := range n.Lhs {
					names[root(left)] = true
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				names[root(n.Key)] = true
				if n.Value != nil {
					names[root(n.Value)] = true
				}
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		}
	}
	return names
}
