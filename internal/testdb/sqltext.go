package testdb

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a piece of an SQL statement, as much of it as the fence needs.
type token struct {
	kind  tokenKind
	text  string // a name in lower case, a string without its quotes, a placeholder's number
	group int    // the parenthesis it is in; 0 = none
}

type tokenKind byte

const (
	name        tokenKind = 'n' // a keyword or an identifier
	quoted      tokenKind = 'q' // a quoted identifier
	text        tokenKind = 't' // a string literal
	number      tokenKind = '0'
	placeholder tokenKind = '?'
	symbol      tokenKind = 's'
)

// statementText is a statement cut into tokens.
type statementText struct {
	tokens   []token
	opens    []int // of each group, the token that opens it; -1 for group 0
	comments []comment
}

// comment is a piece of a statement that says something to its reader.
type comment struct {
	text   string
	before int // the token behind it
}

// scanner reads the lexical ground that SQLite and PostgreSQL share, and dollar
// quotes.
type scanner struct {
	rest         string
	group        int
	placeholders int
	out          statementText
}

func scan(query string) statementText {
	s := scanner{rest: query, out: statementText{opens: []int{-1}}}
	for s.rest != "" {
		s.step()
	}
	return s.out
}

func (s *scanner) step() {
	c := s.rest[0]
	switch {
	case strings.HasPrefix(s.rest, "--"):
		s.comment("--", "\n")
	case strings.HasPrefix(s.rest, "/*"):
		s.comment("/*", "*/")
	case c == '\'':
		s.emit(text, s.quote('\''))
	case c == '"' || c == '`':
		s.emit(quoted, strings.ToLower(s.quote(c)))
	case c == '$' && s.dollarQuote():
	case c == '?' || c == '$':
		s.placeholder()
	case c >= '0' && c <= '9':
		s.emit(number, s.take(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' }))
	case c == '_' || c >= 0x80 || unicode.IsLetter(rune(c)):
		s.name()
	case c == '(':
		s.open()
	case c == ')':
		s.close()
	case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		s.rest = s.rest[1:]
	default:
		s.rest = s.rest[1:]
		s.emit(symbol, string(c))
	}
}

func isNamePart(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func (s *scanner) emit(kind tokenKind, text string) {
	s.out.tokens = append(s.out.tokens, token{kind: kind, text: text, group: s.group})
}

func (s *scanner) comment(begin, end string) {
	body, rest, _ := strings.Cut(s.rest[len(begin):], end)
	s.out.comments = append(s.out.comments, comment{strings.TrimSpace(body), len(s.out.tokens)})
	s.rest = rest
}

// quote takes a quoted piece, in which the quote itself is doubled.
func (s *scanner) quote(q byte) string {
	var b strings.Builder
	for s.rest = s.rest[1:]; s.rest != ""; s.rest = s.rest[1:] {
		if s.rest[0] == q {
			if !strings.HasPrefix(s.rest[1:], string(q)) {
				s.rest = s.rest[1:]
				break
			}
			s.rest = s.rest[1:]
		}
		b.WriteByte(s.rest[0])
	}
	return b.String()
}

func (s *scanner) dollarQuote() bool {
	tag, _, ok := strings.Cut(s.rest[1:], "$")
	if !ok || strings.ContainsFunc(tag, func(r rune) bool { return !isNamePart(r) }) || tag != "" && tag[0] <= '9' {
		return false
	}
	tag = "$" + tag + "$"
	body, rest, ok := strings.Cut(s.rest[len(tag):], tag)
	if ok {
		s.emit(text, body)
		s.rest = rest
	}
	return ok
}

// name takes a name, or a character that is in none.
func (s *scanner) name() {
	word := s.take(isNamePart)
	if word == "" {
		_, n := utf8.DecodeRuneInString(s.rest)
		s.emit(symbol, s.rest[:n])
		s.rest = s.rest[n:]
		return
	}
	s.emit(name, strings.ToLower(word))
}

// placeholder takes ? (counted) and $1 or ?1 (numbered).
func (s *scanner) placeholder() {
	s.rest = s.rest[1:]
	n := s.take(unicode.IsDigit)
	if n == "" {
		s.placeholders++
		n = strconv.Itoa(s.placeholders)
	}
	s.emit(placeholder, n)
}

func (s *scanner) take(accept func(rune) bool) string {
	end := strings.IndexFunc(s.rest, func(r rune) bool { return !accept(r) })
	if end < 0 {
		end = len(s.rest)
	}
	taken := s.rest[:end]
	s.rest = s.rest[end:]
	return taken
}

func (s *scanner) open() {
	s.out.opens = append(s.out.opens, len(s.out.tokens))
	s.emit(symbol, "(")
	s.rest = s.rest[1:]
	s.group = len(s.out.opens) - 1
}

func (s *scanner) close() {
	s.rest = s.rest[1:]
	if s.group > 0 {
		s.group = s.out.tokens[s.out.opens[s.group]].group
	}
	s.emit(symbol, ")")
}

// template is the statement without its values, for messages.
func (t statementText) template() string {
	var b strings.Builder
	for i, tok := range t.tokens {
		if i > 0 && !strings.ContainsAny(tok.text, ".,)") && !strings.HasSuffix(b.String(), ".") && !strings.HasSuffix(b.String(), "(") {
			b.WriteByte(' ')
		}
		switch tok.kind {
		case text, placeholder:
			b.WriteByte('?')
		case quoted:
			b.WriteString(strconv.Quote(tok.text))
		default:
			b.WriteString(tok.text)
		}
	}
	return b.String()
}
