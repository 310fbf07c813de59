package jetadmin_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeNamesRealTests keeps the table of guarantees honest: each test that
// the README names is there.
func TestReadmeNamesRealTests(t *testing.T) {
	t.Parallel()
	tests := allTests(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)(…?)`").FindAllStringSubmatch(readme(t), -1)
	if len(named) < 10 {
		t.Fatalf("the README names only %d tests", len(named))
	}
	for _, n := range named {
		name, prefix := n[1], n[2] != ""
		if !slices.ContainsFunc(tests, func(s string) bool { return s == name || prefix && strings.HasPrefix(s, name) }) {
			t.Errorf("the README names %s, and there is no such test", name)
		}
	}
}

// TestReadmeNamesEveryDependency compares the README with go.mod.
func TestReadmeNamesEveryDependency(t *testing.T) {
	t.Parallel()
	text := readme(t)
	direct, _ := required(t)
	for path := range direct {
		// The dialects of bun are listed behind it by their last elements.
		if short := strings.TrimPrefix(path, "github.com/uptrace/bun/"); !strings.Contains(text, short) {
			t.Errorf("the README does not name %s", path)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func allTests(t *testing.T) []string {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	var names []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
