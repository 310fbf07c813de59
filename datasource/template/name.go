package template

import "strings"

// Identifier is the name of a table or column that stands for a placeholder of
// SQL. It is quoted for the database; a dot separates names that are quoted each
// for itself: "orders.total". Whoever makes one has chosen it from a list that
// the author of the statement wrote.
type Identifier string

// Direction is the order of a sorted column.
type Direction string

// The directions.
const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
)

// maxIdentifier is longer than the names of any database.
const maxIdentifier = 256

// ValidIdentifier reports whether s can be an [Identifier]: names that are not
// empty, in readable text of 256 bytes at most.
func ValidIdentifier(s string) bool {
	for name := range strings.SplitSeq(s, ".") {
		if name == "" {
			return false
		}
	}
	return len(s) <= maxIdentifier && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// quoted writes the name as the database reads it. SQLite takes a name in double
// quotes that it does not know for a string, so backticks come first.
func (id Identifier) quoted(d Dialect) string {
	mark := `"`
	if d.Backticks {
		mark = "`"
	}
	var b strings.Builder
	for i, name := range strings.Split(string(id), ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(mark + strings.ReplaceAll(name, mark, mark+mark) + mark)
	}
	return b.String()
}

// word is one of two words, whatever the value is.
func (d Direction) word() string {
	if d == Descending {
		return "DESC"
	}
	return "ASC"
}
