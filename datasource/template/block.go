package template

import "strings"

// An optional block, "[[ and country = {{ country }} ]]", is in a statement when
// all parameters in it have a value. Its marks read as spaces whether it is there
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
	if len(l.blocks[l.block-1]) == 0 {
		l.fault(l.opened, "an optional block needs a parameter")
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
