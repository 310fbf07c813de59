// Package template reads the texts of saved operations, in which "{{ name }}"
// stands for a parameter, for connectors to use.
//
// A parameter is always a value. In SQL it becomes a bind parameter of the
// database ([ParseSQL]); in a URL, a header or a JSON document it is escaped for
// its place ([ParseText], [ParseJSON]). No value ever becomes part of the
// structure around it. Some values are not the caller's to send, see [Trusted].
package template

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLength is the length of a template in bytes.
const MaxLength = 256 << 10

const (
	maxNameLength = 64
	maxInside     = 256 // bytes between the braces of a placeholder
	maxFaults     = 100 // of one text: whoever has so many reads no more of them
)

// Values gives the value of a parameter; the names are those that
// Placeholders of the template lists.
type Values func(name string) any

// placeholder reads the one that begins at text[at:], which starts with "{{".
// end is the offset behind it. ok is false when it is not well-formed.
func placeholder(text string, at int) (name string, end int, ok bool) {
	inside, _, closed := strings.Cut(text[at+2:min(len(text), at+2+maxInside+2)], "}}")
	if !closed {
		return "", len(text), false
	}
	name = strings.Trim(inside, " \t\r\n")
	return name, at + 2 + len(inside) + 2, ValidName(name) || Trusted(name)
}

// claims begins the names of trusted values that the identity provider vouches for.
const claims = "user.claims."

// Trusted reports whether name stands for a value that the server fills in and no
// caller can send: "tenant.id", "user.id", or "user.claims." and a path of names.
func Trusted(name string) bool {
	switch name {
	case "tenant.id", "user.id":
		return true
	}
	path, ok := strings.CutPrefix(name, claims)
	if !ok || len(path) > maxNameLength {
		return false
	}
	for step := range strings.SplitSeq(path, ".") {
		if !ValidName(step) {
			return false
		}
	}
	return true
}

// Claim is the path of a trusted value in the caller's claims; ok is false for
// the other trusted values.
func Claim(name string) (path []string, ok bool) {
	rest, ok := strings.CutPrefix(name, claims)
	return strings.Split(rest, "."), ok
}

// ValidName reports whether s can name a parameter: a letter or "_", then
// letters, digits and "_", in ASCII, 64 at most.
func ValidName(s string) bool {
	if s == "" || len(s) > maxNameLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// position names an offset the way editors do.
func position(text string, at int) string {
	line := strings.Count(text[:at], "\n") + 1
	column := utf8.RuneCountInString(text[strings.LastIndexByte(text[:at], '\n')+1:at]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// names collects names in the order of their first use.
type names struct {
	list []string
	seen map[string]bool
}

func (n *names) add(name string) {
	if n.seen[name] {
		return
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[name] = true
	n.list = append(n.list, name)
}
