// Package text judges texts that somebody chose, and words for messages.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine reports whether s is one line of readable text: both databases keep it,
// and no terminal acts upon it.
func OneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Choices lists values for a message, each in quotes.
func Choices(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return strings.Join(quoted, ", ")
}

// Some names the first five of a list, and says how many more there are.
func Some(names []string) string {
	const shown = 5
	said := strings.Join(names[:min(len(names), shown)], ", ")
	if more := len(names) - shown; more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said
}
