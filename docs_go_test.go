package jetadmin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheGoOfTheDocs parses the Go that the texts show, and looks up what it
// names of this module: packages' members, and fields of their structs.
func TestTheGoOfTheDocs(t *testing.T) {
	t.Parallel()
	api := declarations(t)
	shown := regexp.MustCompile("(?s)```go\n(.*?)```")
	looked := 0
	for _, name := range []string{"README.md", "docs/embedding.md", "docs/datasources.md"} {
		text, err := os.ReadFile(name)
		must(t, err)
		for _, block := range shown.FindAllStringSubmatch(string(text), -1) {
			body := regexp.MustCompile(`(?m)^…$`).ReplaceAllString(block[1], "")
			file, err := parser.ParseFile(token.NewFileSet(), name, "package p; func _() {\n"+body+"}", 0)
			if err != nil {
				t.Errorf("%s shows Go that is none: %v\n%s", name, err, body)
				continue
			}
			for n := range ast.Preorder(file) {
				for _, named := range namesIn(n) {
					looked++
					pkg, _, _ := strings.Cut(named, ".")
					if api[pkg] && !api[named] {
						t.Errorf("%s names %s, which is not there", name, named)
					}
				}
			}
		}
	}
	if looked < 20 {
		t.Errorf("it names only %d things", looked)
	}
}

// namesIn is what a node names: "pkg.Name", or "pkg.Type.Field" for each field of
// a literal.
func namesIn(n ast.Node) (names []string) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if pkg, ok := n.X.(*ast.Ident); ok {
			names = append(names, pkg.Name+"."+n.Sel.Name)
		}
	case *ast.CompositeLit:
		for _, of := range namesIn(n.Type) {
			for _, e := range n.Elts {
				if field, ok := e.(*ast.KeyValueExpr); ok {
					names = append(names, of+"."+field.Key.(*ast.Ident).Name)
				}
			}
		}
	}
	return names
}

// declarations are the packages of the module, their members, and the fields of
// their structs, named as in [namesIn].
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, s := range sources(t) {
		// In the texts redis is the client of a host, not the connector.
		if s.test || within(s.dir, "internal", "examples", "datasource/redis") {
			continue
		}
		pkg := s.ast.Name.Name
		found[pkg] = true
		for _, decl := range s.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					found[pkg+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					for _, name := range declared(spec) {
						found[pkg+"."+name] = true
					}
				}
			}
		}
	}
	return found
}

func declared(spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names = append(names, name.Name)
		}
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
		if structure, ok := s.Type.(*ast.StructType); ok {
			for _, field := range structure.Fields.List {
				for _, name := range field.Names {
					names = append(names, s.Name.Name+"."+name.Name)
				}
			}
		}
	}
	return names
}
