package jetadmin_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	caseTest    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)(T\d+\w*))\(`)
	caseComment = regexp.MustCompile(`(?m)^// (?:Case )?(T\d+(?:, T\d+)*)\b.*\n(?://.*\n)*func ((?:Test|Fuzz)\w+)\(`)
	caseName    = regexp.MustCompile(`T0*(\d+)(?:_|[A-Z]|,|$)`)
	caseRow     = regexp.MustCompile(`(?m)^\| T(\d+) \| [^|]+ \| ([^|]+) \|$`)
)

// The table of docs/security.md has a row for each case that a test is named by, or its
// comment begins with, and names the test there.
func TestTheCasesOfTheSecurityPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	must(t, err)
	rows := map[string]string{}
	for _, m := range caseRow.FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m[2]
	}
	tests := 0
	walk(t, "_test.go", func(_, text string) {
		named := func(cases, test string) {
			for _, of := range caseName.FindAllStringSubmatch(cases, -1) {
				if tests++; !strings.Contains(rows[of[1]], "`"+test+"`") {
					t.Errorf("the row of case T%s lacks `%s`", of[1], test)
				}
			}
		}
		for _, m := range caseTest.FindAllStringSubmatch(text, -1) {
			named(m[2], m[1])
		}
		for _, m := range caseComment.FindAllStringSubmatch(text, -1) {
			named(m[1], m[2])
		}
	})
	if tests < 200 {
		t.Errorf("only %d tests are named by a case", tests)
	}
}
