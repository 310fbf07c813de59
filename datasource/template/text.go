package template

import (
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// Text is a parsed template of a string. It is immutable and safe for
// concurrent use.
type Text struct{ parts []part }

// ParseText reads a template; its faults are at path.
func ParseText(text, path string) (Text, error) {
	var (
		faults problem.Faults
		t      Text
		from   int
	)
	if len(text) > MaxLength {
		faults.Addf(path, "must not be longer than %d bytes", MaxLength)
	}
	for from < len(text) && len(faults.List()) < maxFaults {
		at := strings.Index(text[from:], "{{")
		if at < 0 {
			break
		}
		at += from
		name, end, ok := placeholder(text, at)
		if !ok {
			faults.Add(path, position(text, at)+": a placeholder is written {{ name }}, with letters, digits and _ in its name")
			end = at + 2
		}
		if at > from {
			t.parts = append(t.parts, part{text: text[from:at], at: from})
		}
		t.parts = append(t.parts, part{name: name, at: at})
		from = end
	}
	if from < len(text) {
		t.parts = append(t.parts, part{text: text[from:], at: from})
	}
	return t, faults.Err("operation_invalid", "the template is not valid")
}

// Placeholders lists the parameters in the order of their first use.
func (t Text) Placeholders() []string {
	var n names
	for _, p := range t.parts {
		if p.name != "" {
			n.add(p.name)
		}
	}
	return n.list
}

// Lone is the name of the placeholder that is the whole of the template, or "".
func (t Text) Lone() string {
	if len(t.parts) == 1 {
		return t.parts[0].name
	}
	return ""
}

// Expand writes the template: literal text as it is (through literal, when that
// is not nil), values through escape.
func (t Text) Expand(values Values, literal func(string) string, escape func(name string, value any) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case p.name != "":
			s, err := escape(p.name, values(p.name))
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		case literal != nil:
			b.WriteString(literal(p.text))
		default:
			b.WriteString(p.text)
		}
	}
	return b.String(), nil
}
