package openapi

import "regexp/syntax"

const (
	maxPattern     = 500       // bytes
	maxPatternSize = 5_000     // about the instructions of its program
	maxPatternWork = 1_000_000 // of all patterns, each counted wherever it is used
)

// patterns judges the patterns of a document. A short one can be a program of
// 70,000 instructions, made anew for each parameter; so their sizes are added up,
// and when they are too many the others are left out: the API has them all.
type patterns struct {
	spent int
	known map[string]pattern
}

type pattern struct {
	size  int
	whole bool // it says what the whole of a text is
}

// keep reports whether a parameter can have the pattern.
func (p *patterns) keep(text string) bool {
	if text == "" || len(text) > maxPattern || p.spent > maxPatternWork {
		return false
	}
	known, ok := p.known[text]
	if !ok {
		known = readPattern(text)
		if p.known == nil {
			p.known = map[string]pattern{}
		}
		p.known[text] = known
		p.spent += len(text) + known.size
	}
	if !known.whole || known.size > maxPatternSize {
		return false
	}
	p.spent += known.size
	return true
}

// readPattern takes only a pattern that means the same in JSON Schema, where it is
// looked for anywhere in a text, and here, where it is for the whole.
func readPattern(text string) pattern {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}
	}
	return pattern{sizeOf(parsed), begins(parsed) && ends(parsed)}
}

// sizeOf counts no further than it has to: repetitions multiply.
func sizeOf(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += sizeOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxPatternSize+len(re.Rune)+1)
}

// begins reports whether whatever the pattern finds is at the beginning of a text.
func begins(re *syntax.Regexp) bool {
	return at(re, syntax.OpBeginText, func(int) int { return 0 })
}

// ends reports whether whatever the pattern finds is at the end of a text.
func ends(re *syntax.Regexp) bool {
	return at(re, syntax.OpEndText, func(n int) int { return n - 1 })
}

func at(re *syntax.Regexp, edge syntax.Op, pick func(n int) int) bool {
	switch re.Op {
	case edge:
		return true
	case syntax.OpCapture, syntax.OpConcat:
		return at(re.Sub[pick(len(re.Sub))], edge, pick)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !at(sub, edge, pick) {
				return false
			}
		}
		return true
	}
	return false
}
