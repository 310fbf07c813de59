package testdb

// statement is one statement of a text: its tokens from..to.
type statement struct {
	text     statementText
	from, to int
	args     []any
}

func (s statement) at(i int) token {
	if i < s.from || i >= s.to {
		return token{}
	}
	return s.text.tokens[i]
}

// word is the name at i, quoted or not, or "".
func (s statement) word(i int) string {
	if t := s.at(i); t.kind == name || t.kind == quoted {
		return t.text
	}
	return ""
}

func (s statement) is(i int, sign string) bool {
	t := s.at(i)
	return t.kind == symbol && t.text == sign
}

// keyword reports whether one of the words is at i, and is no column.
func (s statement) keyword(i int, words ...string) bool {
	t := s.at(i)
	if t.kind != name || s.is(i-1, ".") {
		return false
	}
	for _, word := range words {
		if t.text == word {
			return true
		}
	}
	return false
}

// closing is the token that closes the parenthesis at i.
func (s statement) closing(i int) int {
	group := s.at(i).group
	for i++; i < s.to; i++ {
		if s.is(i, ")") && s.at(i).group == group {
			return i
		}
	}
	return s.to
}

// span is a part of a statement: its tokens from..to.
type span struct{ from, to int }

func (s statement) empty(p span) bool { return p.from >= p.to }

// inside is what the parenthesis at i holds.
func (s statement) inside(i int) span { return span{i + 1, s.closing(i)} }

// split parts a span where at says so, in the parenthesis that the span is in.
func (s statement) split(p span, at func(i int) bool) (parts []span) {
	group, from := s.at(p.from).group, p.from
	for i := p.from; i < p.to; i++ {
		if s.at(i).group == group && at(i) {
			parts = append(parts, span{from, i})
			from = i + 1
		}
	}
	return append(parts, span{from, p.to})
}

// list are the expressions that commas part.
func (s statement) list(p span) []span {
	return s.split(p, func(i int) bool { return s.is(i, ",") })
}

// find is the first of the keywords in the parenthesis that the span is in, or its end.
func (s statement) find(p span, words ...string) int {
	group := s.at(p.from).group
	for i := p.from; i < p.to; i++ {
		// IS DISTINCT FROM compares.
		if s.at(i).group == group && s.keyword(i, words...) && !(s.keyword(i, "from") && s.keyword(i-1, "distinct")) {
			return i
		}
	}
	return p.to
}

// mentioned lists the values that a column of the name is compared with, or set
// to, wherever that is.
func (s statement) mentioned(column string) (values []string) {
	for i := s.from; i < s.to; i++ {
		if s.word(i) != column {
			continue
		}
		for _, other := range s.opposite(i) {
			if value, known, _ := s.literal(other); known {
				values = append(values, value)
			}
		}
	}
	return values
}

// opposite are the tokens on the other side of the = or IN of the column at i.
func (s statement) opposite(i int) (tokens []int) {
	next := i + 1
	if s.is(next, ":") { // a cast, ::text
		next += 3
	}
	switch {
	case s.is(next, "="):
		return []int{next + 1}
	case s.keyword(next, "in") && s.is(next+1, "("):
		for _, p := range s.list(s.inside(next + 1)) {
			tokens = append(tokens, p.from)
		}
		return tokens
	}
	before := i - 1
	if s.is(before, ".") {
		before -= 2
	}
	if s.is(before, "=") {
		return []int{before - 1}
	}
	return nil
}
