package template

import (
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// SQL is a parsed statement. It is immutable and safe for concurrent use.
type SQL struct {
	source  string
	parts   []part
	names   names
	dialect Dialect
}

// part is a piece of text, or with a name a placeholder; at is where it begins
// in the source.
type part struct {
	text, name string
	at         int
}

// Bound is a statement with its parameters, ready for the database.
type Bound struct {
	Text string
	Args []any

	moves []move
}

type move struct{ bound, source int }

// ParseSQL reads a statement. Its faults, below the path "text", are all that
// is wrong with it: malformed placeholders, placeholders inside of literals,
// quoted names or comments, and bind parameters of the database's own.
func ParseSQL(text string, dialect Dialect) (*SQL, error) {
	var faults problem.Faults
	s := &SQL{source: text, dialect: dialect}
	switch {
	case strings.TrimSpace(text) == "":
		faults.Add("text", "must not be empty")
	case len(text) > MaxLength:
		faults.Addf("text", "must not be longer than %d bytes", MaxLength)
	case strings.ContainsRune(text, 0):
		faults.Add("text", "must not contain NUL")
	default:
		(&lexer{SQL: s, faults: &faults}).run()
	}
	if err := faults.Err("operation_invalid", "the SQL text is not valid"); err != nil {
		return nil, err
	}
	return s, nil
}

// Placeholders lists the parameters in the order of their first use.
func (s *SQL) Placeholders() []string { return s.names.list }

// Bind writes the statement for the database: each placeholder becomes a bind
// parameter, and a list ([]any) one for each element. An empty list is Invalid:
// SQL has no word for it.
func (s *SQL) Bind(values Values) (Bound, error) {
	var (
		b      strings.Builder
		bound  Bound
		faults problem.Faults
	)
	b.Grow(len(s.source) + 16)
	for _, p := range s.parts {
		bound.moves = append(bound.moves, move{b.Len(), p.at})
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		list, ok := values(p.name).([]any)
		if !ok {
			list = []any{values(p.name)}
		}
		if len(list) == 0 {
			faults.Add("params."+p.name, "must not be an empty list here")
		}
		b.WriteByte(' ') // apart from its neighbours: a$1 would be a name
		for i, v := range list {
			if i > 0 {
				b.WriteString(", ")
			}
			bound.Args = append(bound.Args, v)
			b.WriteString(s.dialect.Bind(len(bound.Args)))
		}
		b.WriteByte(' ')
	}
	bound.Text = b.String()
	return bound, faults.Err("params_invalid", "the parameters are not valid")
}

// Source turns an offset in bytes into the bound text, from 0, into the one of
// the template that its author wrote.
func (b Bound) Source(offset int) int {
	source := offset
	for _, m := range b.moves {
		if m.bound > offset {
			break
		}
		source = m.source + offset - m.bound
	}
	return source
}
