package jetadmin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/jetadmin/jetadmin"

// source is one Go file of the module.
type source struct {
	path    string // from the root, with slashes
	dir     string // "." for the root
	test    bool
	ast     *ast.File
	imports map[string]string // import path by the name it has in the file
	set     *token.FileSet
}

func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// calls reports whether n names one of the given things of an imported package,
// such as "os.Exit" or, for all that begin so, "log.Print*".
func (s source) names(n ast.Node, things ...string) (string, bool) {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok || s.imports[pkg.Name] == "" {
		return "", false
	}
	name := s.imports[pkg.Name] + "." + selector.Sel.Name
	for _, thing := range things {
		if prefix, all := strings.CutSuffix(thing, "*"); name == thing || all && strings.HasPrefix(name, prefix) {
			return name, true
		}
	}
	return "", false
}

func parseSource(t *testing.T, name string, text []byte) source {
	t.Helper()
	s := source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), imports: map[string]string{}, set: token.NewFileSet()}
	file, err := parser.ParseFile(s.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s.ast = file
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		s.imports[local] = imported
	}
	return s
}

// sources reads every Go file of the module, so that a new package is held to
// the rules from its first commit.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && elsewhere(name, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, parseSource(t, filepath.ToSlash(name), text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d files were found: the walk is broken", len(all))
	}
	return all
}

// elsewhere reports whether a folder is not of this module.
func elsewhere(name, base string) bool {
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules"
}

// within reports whether a file or folder is one of the places or below it.
func within(name string, places ...string) bool {
	for _, place := range places {
		if name == place || strings.HasPrefix(name, place+"/") || place == "." && !strings.Contains(name, "/") {
			return true
		}
	}
	return false
}
