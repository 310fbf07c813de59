package testdb

import "slices"

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

func (s statement) keyword(i int, word string) bool {
	t := s.at(i)
	return t.kind == name && t.text == word
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

// list are the first tokens of the expressions that commas part, from..to.
func (s statement) list(from, to int) []int {
	starts := []int{from}
	for i := from; i < to; i++ {
		if s.is(i, ",") && s.at(i).group == s.at(from).group {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// inserted reports whether the table named at i is the target of an INSERT that
// gives the column, and the values it gives as far as they are in the text.
func (s statement) inserted(i int, column string) (values []string, ok bool) {
	before := i - 1
	if s.is(before, ".") {
		before -= 2
	}
	if !s.keyword(before, "into") {
		return nil, false
	}
	i++
	for s.word(i) != "" { // an alias
		i++
	}
	if !s.is(i, "(") {
		return nil, false
	}
	end := s.closing(i)
	index := slices.IndexFunc(s.list(i+1, end), func(start int) bool { return s.word(start) == column })
	if index < 0 {
		return nil, false
	}
	return s.given(end+1, index), true
}

// given are the values of a column of an INSERT, whose VALUES or SELECT is at i.
func (s statement) given(i, index int) (values []string) {
	add := func(starts []int) {
		if index >= len(starts) {
			return
		}
		if value, known, _ := s.literal(starts[index]); known {
			values = append(values, value)
		}
	}
	switch {
	case s.keyword(i, "select"):
		end := i + 1
		for end < s.to && !(s.keyword(end, "from") && s.at(end).group == s.at(i).group) {
			end++
		}
		add(s.list(i+1, end))
	case s.keyword(i, "values"):
		for i++; s.is(i, "("); i++ {
			end := s.closing(i)
			add(s.list(i+1, end))
			i = end
			if !s.is(i+1, ",") {
				break
			}
			i++
		}
	}
	return values
}

// compared lists the values that the column is compared with, or set to, and
// counts the comparisons that hold for every row: conditions of their own, not
// assignments, and not beside an OR.
func (s statement) compared(column string) (values []string, withValues, withColumns int) {
	for i := s.from; i < s.to; i++ {
		if s.word(i) != column {
			continue
		}
		all := true
		others := s.opposite(i)
		for _, other := range others {
			value, known, ok := s.literal(other)
			if known {
				values = append(values, value)
			}
			all = all && ok
		}
		switch {
		case len(others) == 0 || s.clause(i) == "set" || s.besideOr(i):
		case all:
			withValues++
		case s.is(i+1, "=") && s.word(others[0]) != "": // once for both columns
			withColumns++
		}
	}
	return values, withValues, withColumns
}

// opposite are the tokens on the other side of the = or IN of the column at i.
func (s statement) opposite(i int) []int {
	next := i + 1
	if s.is(next, ":") { // a cast, ::text
		next += 3
	}
	switch {
	case s.is(next, "="):
		return []int{next + 1}
	case s.keyword(next, "in") && s.is(next+1, "("):
		return s.list(next+2, s.closing(next+1))
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

// clauses are the keywords that begin a part of a statement.
var clauses = []string{"select", "from", "where", "on", "set", "having", "returning", "insert", "update", "delete", "values", "using", "order", "group", "limit", "do", "when", "union"}

// clause is the keyword of the part in which the token at i stands, as far as
// its own parenthesis knows.
func (s statement) clause(i int) string {
	if start := s.clauseStart(i); start >= s.from {
		return s.word(start)
	}
	return ""
}

func (s statement) clauseStart(i int) int {
	group := s.at(i).group
	for i--; i >= s.from; i-- {
		if t := s.at(i); t.group == group && t.kind == name && slices.Contains(clauses, t.text) {
			return i
		}
		if i == s.text.opens[group] {
			break
		}
	}
	return s.from - 1
}

// besideOr reports whether the condition at i is one side of an OR, here or in a
// parenthesis around it, up to the SELECT it belongs to.
func (s statement) besideOr(i int) bool {
	for {
		group, start := s.at(i).group, s.clauseStart(i)
		for j := s.from; j < s.to; j++ {
			if s.keyword(j, "or") && s.at(j).group == group && s.clauseStart(j) == start {
				return true
			}
		}
		i = s.text.opens[group]
		if i < s.from || s.keyword(i+1, "select") || s.keyword(i+1, "with") {
			return false
		}
	}
}
