package auth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// The list has every constant, so that none is forgotten when one is added.
func TestPermissionsAreAll(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "permission.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []Permission
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Permission" {
			text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			declared = append(declared, Permission(text))
		}
		return true
	})
	if len(declared) == 0 || !slices.Equal(declared, Permissions()) {
		t.Errorf("declared are %v, listed %v", declared, Permissions())
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for p, want := range map[Permission]int{
		"query.read": 1, "apikey.*": 4, "*": len(Permissions()),
		"": 0, ".": 0, "*.*": 0, "query": 0, "query.fly": 0, "quer*": 0, "Query.read": 0, "nothing.*": 0, "query.*.*": 0,
	} {
		if got := p.Expand(); len(got) != want {
			t.Errorf("%q stands for %v, want %d", p, got, want)
		}
	}
}
