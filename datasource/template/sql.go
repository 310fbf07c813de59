package template

import (
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// SQL is a parsed statement. It is immutable and safe for concurrent use.
type SQL struct {
	source  string
	parts   []part
	names   names
	blocks  [][]string // the placeholders of each optional block
	dialect Dialect
}

// part is a piece of text, or with a name a placeholder; at is where it begins
// in the source, block the optional block that it is in, from 1.
type part struct {
	text, name string
	at, block  int
}

// Bound is a statement with its parameters, ready for the database.
type Bound struct {
	Text string
	Args []any

	moves []move
}

type move struct{ bound, source int }

// ParseSQL reads a statement. Its faults, below the path "text", are all that
// is wrong with it: malformed placeholders and optional blocks, trusted values
// beside others in one of these, placeholders
// inside of literals, quoted names or comments, and bind parameters of the
// database's own.
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

// Outside reports whether a parameter is used outside of the optional blocks: an
// [Identifier] or [Direction] must have a value there.
func (s *SQL) Outside(name string) bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.block == 0 && p.name == name })
}

// Bind writes the statement for the database: each placeholder becomes a bind
// parameter, and a list ([]any) one for each element. An empty list is Invalid:
// SQL has no word for it. An [Identifier] becomes a quoted name, a [Direction]
// its word.
//
// An optional block is left out when one of its parameters has no value or is an
// empty list. One with a trusted value (see [Trusted]) has no other parameters, and
// is never left out: a filter that names the caller stays.
func (s *SQL) Bind(values Values) (Bound, error) {
	b := binder{SQL: s, values: values}
	b.text.Grow(len(s.source) + 16)
	out := s.left(values)
	for _, p := range s.parts {
		if p.block > 0 && out[p.block-1] {
			continue
		}
		b.moves = append(b.moves, move{b.text.Len(), p.at})
		if p.name == "" {
			b.text.WriteString(p.text)
			continue
		}
		b.placeholder(p.name)
	}
	b.Text = b.text.String()
	return b.Bound, b.faults.Err("params_invalid", "the parameters are not valid")
}

// left says of each block whether it is left out.
func (s *SQL) left(values Values) []bool {
	out := make([]bool, len(s.blocks))
	for i, names := range s.blocks {
		out[i] = slices.ContainsFunc(names, func(name string) bool { return !Trusted(name) && unset(values(name)) })
	}
	return out
}

func unset(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// binder writes one statement.
type binder struct {
	*SQL
	Bound
	values Values
	text   strings.Builder
	faults problem.Faults
}

func (b *binder) placeholder(name string) {
	value := b.values(name)
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	if len(list) == 0 {
		b.faults.Add("params."+name, "must not be an empty list here")
	}
	b.text.WriteByte(' ') // apart from its neighbours: a$1 would be a name
	for i, v := range list {
		if i > 0 {
			b.text.WriteString(", ")
		}
		b.write(v)
	}
	b.text.WriteByte(' ')
}

func (b *binder) write(v any) {
	switch v := v.(type) {
	case Identifier:
		b.text.WriteString(v.quoted(b.dialect))
	case Direction:
		b.text.WriteString(v.word())
	default:
		b.Args = append(b.Args, v)
		b.text.WriteString(b.dialect.Bind(len(b.Args)))
	}
}

// Behind is the statement with a text in front, which is not looked into.
func (s *SQL) Behind(prefix string) *SQL {
	c := *s
	c.parts = append([]part{{text: prefix}}, s.parts...)
	return &c
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
