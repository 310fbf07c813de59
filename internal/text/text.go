// Package text judges texts that somebody chose, and words for messages.
package text

import (
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
