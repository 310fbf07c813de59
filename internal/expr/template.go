package expr

import (
	"fmt"
	"slices"
	"strings"
)

// Template is a parsed text with expressions between double braces. It is
// immutable and safe for concurrent use.
type Template struct {
	parts []part
	alone bool // one expression and white space: its value keeps its type
	refs  []Ref
}

// part is literal text or an expression.
type part struct {
	text    string
	program *program
}

// ParseTemplate reads a text with {{ expressions }}; a text without is a literal
// of any length. It fails with an Invalid problem, "expression_invalid".
func ParseTemplate(text string) (*Template, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	return t, nil
}

func parseTemplate(text string) (*Template, error) {
	t := &Template{}
	if !strings.Contains(text, "{{") {
		t.parts = []part{{text: text}}
		return t, nil
	}
	if len(text) > MaxText {
		return nil, fmt.Errorf("a text with expressions may have at most %d bytes", MaxText)
	}
	for rest := 0; rest < len(text); {
		open := strings.Index(text[rest:], "{{")
		if open < 0 {
			t.parts = append(t.parts, part{text: text[rest:]})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: text[rest : rest+open]})
		}
		src := source{text: text, from: rest + open + len("{{")}
		size := expressionEnd(text[src.from:])
		if size < 0 {
			return nil, fmt.Errorf("%s", src.public(&failure{message: "{{ is not closed by }}", placed: true}))
		}
		p, err := compile(workflows(), src, text[src.from:src.from+size])
		if err != nil {
			return nil, err
		}
		t.add(p)
		rest = src.from + size + len("}}")
	}
	t.alone = isAlone(t.parts)
	return t, nil
}

func (t *Template) add(p *program) {
	t.parts = append(t.parts, part{program: p})
	for _, r := range p.refs {
		if !slices.Contains(t.refs, r) {
			t.refs = append(t.refs, r)
		}
	}
}

// isAlone drops nothing: white space around a single expression is only ignored
// when the value is asked for.
func isAlone(parts []part) bool {
	programs := 0
	for _, p := range parts {
		if p.program != nil {
			programs++
		} else if strings.TrimSpace(p.text) != "" {
			return false
		}
	}
	return programs == 1
}

// expressionEnd finds the }} that closes an expression: not one inside a text,
// a comment or the braces of an object. It is -1 when there is none.
func expressionEnd(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			end := textEnd(text[i+1:], c)
			if end < 0 {
				return -1
			}
			i += 1 + end
		case '/':
			i += commentSize(text[i:])
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if strings.HasPrefix(text[i:], "}}") {
				return i
			}
		}
	}
	return -1
}

// textEnd finds the closing quote. Backquotes know no escapes.
func textEnd(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return i
		case text[i] == '\\' && quote != '`':
			i++
		}
	}
	return -1
}

// commentSize is how many bytes to skip when text begins with a comment, less
// the one that the caller's loop skips.
func commentSize(text string) int {
	end := ""
	switch {
	case strings.HasPrefix(text, "//"):
		end = "\n"
	case strings.HasPrefix(text, "/*"):
		end = "*/"
	default:
		return 0
	}
	size := strings.Index(text[2:], end)
	if size < 0 {
		return len(text) - 1
	}
	return 2 + size + len(end) - 1
}

// Refs is what the template reads, each once, in the order of the text.
func (t *Template) Refs() []Ref { return slices.Clone(t.refs) }

// Eval gives the value of the template, as a deep copy that the caller owns: the
// value of a lone expression with its type, else a string. It fails with an
// Invalid problem, "expression_failed".
func (t *Template) Eval(env Env) (any, error) {
	v, err := t.eval(newRun(env))
	if err != nil {
		return nil, failed("", err.Error())
	}
	return v, nil
}

func (t *Template) eval(r *run) (any, error) {
	if t.alone {
		for _, p := range t.parts {
			if p.program != nil {
				return p.program.result(r)
			}
		}
	}
	var b strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.program != nil {
			var err error
			if text, err = p.program.text(r); err != nil {
				return nil, err
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// text evaluates the program for use inside a longer text.
func (p *program) text(r *run) (string, error) {
	v, err := p.eval(r)
	text := ""
	if err == nil {
		text, err = r.text(v)
		err = placed(p.root, err)
	}
	if err != nil {
		return "", failf("%s", p.source.public(err))
	}
	return text, nil
}
