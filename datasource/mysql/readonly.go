package mysql

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

const (
	duplicateColumn = 1060
	wrongColumn     = 1166
	notPreparable   = 1295
)

// unready are answers of a server that says nothing about the statement: too many
// connections, no memory, shutting down, interrupted, too many prepared statements,
// a limit of time.
var unready = []uint16{1037, 1038, 1040, 1041, shuttingDown, interrupted, 1461, connectionKilled, statementTimeMariaDB, statementTimeMySQL}

var (
	errNoQuery = errors.New("the statement is not a query")
	errInputs  = errors.New("the server finds another number of parameters than the template has")
)

// checkQuery asks the server whether a text is a query: SELECT, TABLE, VALUES, WITH.
// It does so by having it read, not run, the text as a derived table, in which the
// grammar has no place for anything else, INTO OUTFILE included. SHOW, and EXPLAIN
// of such a text, give rows and can be nothing else when they begin with that
// word.
func (s *session) checkQuery(text string, inputs int) error {
	if err := s.checkInputs(text, inputs); err != nil || begins(text, "SHOW") {
		return err
	}
	if begins(text, "EXPLAIN") {
		text = strings.TrimLeft(text, " \t\r\n")[len("EXPLAIN"):]
	}
	text = strings.TrimRight(text, "; \t\r\n")
	_, err := s.prepare("SELECT * FROM (" + text + "\n) jetadmin_query")
	e, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case ok && (e.Number == duplicateColumn || e.Number == wrongColumn):
		return nil // read, and only its names do not suit a table
	case ok && !slices.Contains(unready, e.Number):
		return errors.Join(errNoQuery, err)
	}
	return err
}

// checkInputs has the server read a text and count its parameters. Another number
// means that the server reads a quote or comment otherwise than the template did.
func (s *session) checkInputs(text string, inputs int) error {
	found, err := s.prepare(text)
	if err == nil && found != inputs {
		return errInputs
	}
	return err
}

const maxKnown = 500 // of a connection

// knows reports whether the server has read a text, as a query where that is
// asked. What a text is never changes for a server, but behind an address may be
// another one after a failover, and a comment for a version be a part of it there.
func (l *link) knows(text string, query bool) bool {
	asQuery, known := l.known[text]
	return known && (asQuery || !query)
}

func (l *link) learn(text string, query bool) {
	if len(l.known) >= maxKnown {
		clear(l.known)
	}
	l.known[text] = query
}
