package testdb

// operand is one side of a comparison: a column or a value, and nothing else.
type operand struct {
	source, column string // of a column, as they are written
	values         []span // of a value; several for IN
}

func (o operand) isValue() bool { return len(o.values) > 0 }

// equality is a comparison by = or IN.
type equality struct{ left, right operand }

// equalities are the comparisons that hold for whatever a condition lets through:
// those that AND joins. It reads no other form, so that what is below NOT, OR, CASE,
// IS or BETWEEN is none.
func (s statement) equalities(p span) (all []equality) {
	p = s.bare(p)
	parts, plain := s.conjuncts(p)
	if !plain {
		return nil
	}
	if len(parts) > 1 {
		for _, part := range parts {
			all = append(all, s.equalities(part)...)
		}
		return all
	}
	if e, ok := s.equality(p); ok {
		all = append(all, e)
	}
	return all
}

// bare is a span without the parentheses around the whole of it.
func (s statement) bare(p span) span {
	for s.is(p.from, "(") && s.closing(p.from) == p.to-1 && p.to-p.from > 2 {
		p = span{p.from + 1, p.to - 1}
	}
	return p
}

// conjuncts are what AND joins, but for the AND of a BETWEEN. They are not plain when
// an OR is beside them, or a CASE, whose conditions are none of the whole.
func (s statement) conjuncts(p span) (parts []span, plain bool) {
	plain = true
	between := false
	parts = s.split(p, func(i int) bool {
		plain = plain && !s.keyword(i, "or", "case")
		and := s.keyword(i, "and")
		joins := and && !between
		between = s.keyword(i, "between") || between && !and
		return joins
	})
	return parts, plain
}

// equality reads a = b and a IN (b, c).
func (s statement) equality(p span) (e equality, ok bool) {
	group := s.at(p.from).group
	for i := p.from; i < p.to; i++ {
		if s.at(i).group != group {
			continue
		}
		left := span{p.from, i}
		switch {
		case s.is(i, "="):
			var left1, right1 bool
			e.left, left1 = s.operand(left)
			e.right, right1 = s.operand(span{i + 1, p.to})
			return e, left1 && right1
		case s.keyword(i, "in"):
			if !s.is(i+1, "(") || s.closing(i+1) != p.to-1 {
				return e, false
			}
			if e.left, ok = s.operand(left); !ok || e.left.isValue() {
				return e, false
			}
			for _, item := range s.list(s.inside(i + 1)) {
				value, ok := s.operand(item)
				if !ok || !value.isValue() {
					return e, false
				}
				e.right.values = append(e.right.values, value.values...)
			}
			return e, true
		}
	}
	return e, false
}

// operand reads a column or a value, with a cast or parentheses around it.
func (s statement) operand(p span) (o operand, ok bool) {
	p = s.bare(p)
	if s.keyword(p.from, "cast") && s.is(p.from+1, "(") && s.closing(p.from+1) == p.to-1 {
		inside := s.inside(p.from + 1)
		return s.operand(span{inside.from, s.find(inside, "as")})
	}
	if n := p.to - p.from; n > 3 && s.is(p.to-2, ":") && s.is(p.to-3, ":") && s.word(p.to-1) != "" {
		return s.operand(span{p.from, p.to - 3})
	}
	switch first := s.at(p.from).kind; {
	case p.to-p.from == 1 && (first == text || first == placeholder):
		return operand{values: []span{p}}, true
	case p.to-p.from == 1 && s.word(p.from) != "":
		return operand{column: s.word(p.from)}, true
	case p.to-p.from > 2 && s.is(p.to-2, ".") && s.word(p.to-3) != "" && s.word(p.to-1) != "":
		schema := p.to-p.from == 5 && s.word(p.from) != "" && s.is(p.from+1, ".")
		return operand{source: s.word(p.to - 3), column: s.word(p.to - 1)}, p.to-p.from == 3 || schema
	}
	return o, false
}
