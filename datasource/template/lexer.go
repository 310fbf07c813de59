package template

import (
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// lexer cuts a statement into parts. It knows just enough of SQL to tell text
// that the database executes from text that it does not.
type lexer struct {
	*SQL
	faults *problem.Faults
	at     int  // the next byte
	from   int  // where the current text part began
	ended  bool // a ";" was seen
	depth  int  // brackets that are open, in a block those of the block
	block  int  // the optional block that is open, from 1; 0 = none
	opened int  // where it began
}

func (l *lexer) run() {
	for l.at < len(l.source) && l.more() {
		l.step()
	}
	l.flush(len(l.source))
	if l.block > 0 && l.more() {
		l.fault(l.opened, "the optional block is not closed by ]]")
	}
}

// step consumes one token.
func (l *lexer) step() {
	rest, c := l.source[l.at:], l.source[l.at]
	if l.ended && !isSpace(c) && c != ';' && !l.lineComment(rest) && !strings.HasPrefix(rest, "/*") {
		l.fault(l.at, "only one statement is allowed")
		l.ended = false
	}
	switch {
	case strings.HasPrefix(rest, "{{"):
		l.placeholder()
	case strings.HasPrefix(rest, "[[") && l.opensBlock():
		l.open()
	case strings.HasPrefix(rest, "]]") && l.block > 0 && l.depth == 0:
		l.close()
	case l.lineComment(rest):
		l.skip("a comment", lineEnd(rest))
	case strings.HasPrefix(rest, "/*"):
		l.skip("a comment", l.comment(rest))
	case c == '\'':
		l.skip("a string literal", quoted(rest, '\'', l.dialect.Backslashes(l.prefix())))
	case c == '"' && l.dialect.StringQuotes:
		l.skip("a string literal", quoted(rest, '"', l.dialect.Backslashes(l.prefix())))
	case c == '"':
		l.skip("a quoted name", quoted(rest, '"', false))
	case c == '`' && l.dialect.Backticks:
		l.skip("a quoted name", quoted(rest, '`', false))
	case c == '[' && l.dialect.Brackets:
		l.skip("a quoted name", upTo(rest, "]", 1))
	case c == '$' && l.dialect.DollarQuotes && l.dollarTag(rest) != "":
		tag := l.dollarTag(rest)
		l.skip("a dollar-quoted string", upTo(rest, tag, len(tag)))
	case c == '[':
		l.depth++
		l.at++
	case c == ']':
		l.depth = max(l.depth-1, 0)
		l.at++
	case c == ';':
		l.ended = l.dialect.OneStatement
		l.at++
	case l.dialect.Native(c, byteAt(rest, 1)) && !isWord(l.before()) && l.before() != ':':
		l.fault(l.at, "write {{ name }} for a parameter")
		l.at++
	default:
		l.at++
	}
}

func (l *lexer) placeholder() {
	name, end, ok := placeholder(l.source, l.at)
	if !ok {
		l.fault(l.at, "a placeholder is written {{ name }}, with letters, digits and _ in its name")
		l.at = min(l.at+2, len(l.source))
		return
	}
	l.flush(l.at)
	l.parts = append(l.parts, part{name: name, at: l.at, block: l.block})
	l.names.add(name)
	if l.block > 0 {
		l.blocks[l.block-1] = append(l.blocks[l.block-1], name)
	}
	l.at, l.from = end, end
}

// skip passes over n bytes that the database does not execute; a placeholder in
// them would silently stay text.
func (l *lexer) skip(what string, n int) {
	inside := l.source[l.at : l.at+n]
	for i := 0; l.more(); i += 2 {
		next := strings.Index(inside[i:], "{{")
		if next < 0 {
			break
		}
		i += next
		if _, _, ok := placeholder(inside, i); ok {
			l.fault(l.at+i, "a placeholder cannot stand inside of "+what)
		}
	}
	l.at += n
}

func (l *lexer) flush(end int) {
	if end > l.from {
		l.parts = append(l.parts, part{text: l.source[l.from:end], at: l.from, block: l.block})
	}
	l.from = end
}

func (l *lexer) fault(at int, message string) {
	l.faults.Add("text", position(l.source, at)+": "+message)
}

// more reports whether further faults are worth looking for.
func (l *lexer) more() bool { return len(l.faults.List()) < maxFaults }

func (l *lexer) before() byte {
	if l.at == 0 {
		return 0
	}
	return l.source[l.at-1]
}

// prefix is the letter of E'…', or 0.
func (l *lexer) prefix() byte {
	if l.at > 1 && isWord(l.source[l.at-2]) {
		return 0 // the end of a longer word
	}
	return l.before()
}

// dollarTag is the opening of a dollar-quoted string, "$$" or "$tag$", or "".
func (l *lexer) dollarTag(rest string) string {
	if isWord(l.before()) {
		return "" // a$b$ is a name
	}
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '$':
			return rest[:i+1]
		case !isWord(c) || i == 1 && isDigit(c):
			return ""
		}
	}
	return ""
}

// lineComment reports whether rest begins with a comment up to the end of its line.
func (l *lexer) lineComment(rest string) bool {
	if strings.HasPrefix(rest, "#") {
		return l.dialect.HashComments
	}
	return strings.HasPrefix(rest, "--") && (!l.dialect.DashSpace || len(rest) == 2 || rest[2] <= ' ')
}

func (l *lexer) comment(rest string) int {
	if !l.dialect.NestedComments {
		return upTo(rest, "*/", 2)
	}
	depth := 0
	for i := 0; i < len(rest)-1; i++ {
		switch rest[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(rest)
}

// quoted is the length of a literal up to and with its closing quote. A doubled
// quote reads as the end of one literal and the beginning of the next, which is
// as good here.
func quoted(rest string, quote byte, backslashes bool) int {
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && backslashes:
			i++
		case rest[i] == quote && backslashes && byteAt(rest, i+1) == quote:
			i++ // the next literal would lose its prefix
		case rest[i] == quote:
			return i + 1
		}
	}
	return len(rest)
}

// upTo is the length of rest up to and with the end mark, looked for from skip on.
func upTo(rest, end string, skip int) int {
	if i := strings.Index(rest[min(skip, len(rest)):], end); i >= 0 {
		return skip + i + len(end)
	}
	return len(rest)
}

func lineEnd(rest string) int {
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		return i
	}
	return len(rest)
}

func byteAt(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}
