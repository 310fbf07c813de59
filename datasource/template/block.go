package template

import (
	"slices"
	"strings"
)

// An optional block, "[[ and country = {{ country }} ]]", is in a statement when
// all parameters in it have a value. One with trusted values has no other, and is
// always in it. Its marks read as spaces whether it is there
// or not, so that what stands before and behind it is never joined to one word.

// opensBlock tells a block from an array of arrays, as PostgreSQL writes it:
// ARRAY[[1, 2], [3, 4]]. Only there can "[[" stand in SQL, or inside of brackets.
func (l *lexer) opensBlock() bool {
	before := strings.TrimRight(l.source[:l.at], " \t\r\n\f\v")
	at := len(before) - len("array")
	array := at >= 0 && strings.EqualFold(before[at:], "array") && (at == 0 || !isWord(before[at-1]))
	return l.depth == 0 && !array
}

func (l *lexer) open() {
	if l.block > 0 {
		l.fault(l.at, "an optional block cannot stand inside of another")
		l.at += 2
		return
	}
	l.mark()
	l.blocks = append(l.blocks, nil)
	l.block, l.opened = len(l.blocks), l.at-2
}

func (l *lexer) close() {
	names := l.blocks[l.block-1]
	if len(names) == 0 {
		l.fault(l.opened, "an optional block needs a parameter")
	}
	// The caller's value would decide whether the rule for the caller is there.
	if slices.ContainsFunc(names, Trusted) && slices.ContainsFunc(names, ValidName) {
		l.fault(l.opened, "an optional block cannot hold a trusted value beside other parameters: write the rule with the trusted value outside of it")
	}
	l.flush(l.at)
	l.block = 0
	l.mark()
}

// mark writes a space for the two characters at hand.
func (l *lexer) mark() {
	l.flush(l.at)
	l.parts = append(l.parts, part{text: " ", at: l.at})
	l.at += 2
	l.from = l.at
}
