// Package text judges texts that somebody chose.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine reports whether s is one line of readable text: both databases keep it,
// and no terminal acts upon it.
func OneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
