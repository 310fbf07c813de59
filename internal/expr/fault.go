package expr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"github.com/jetadmin/jetadmin/problem"
)

// failure is an error of an expression. Its message is public: it names paths
// and types as the author wrote them, never values.
type failure struct {
	message string
	at      int // offset in characters into the expression's text
	placed  bool
}

func (f *failure) Error() string { return f.message }

// errWork ends an evaluation that went over MaxWork.
var errWork = errors.New("the expression takes too much work or memory")

func failf(format string, args ...any) error {
	return &failure{message: fmt.Sprintf(format, args...)}
}

func failAt(n ast.Node, format string, args ...any) error {
	return &failure{message: fmt.Sprintf(format, args...), at: n.Location().From, placed: true}
}

// placed gives err the position of n unless a deeper node has set one.
func placed(n ast.Node, err error) error {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return &failure{message: err.Error(), at: n.Location().From, placed: true}
	}
	if f.placed {
		return f
	}
	return &failure{message: f.message, at: n.Location().From, placed: true}
}

// source knows where an expression stands in the text that the author sees.
type source struct {
	text string // the whole template or expression
	from int    // where the expression begins in it, in bytes
}

// public turns the error of a library or of an evaluation into one line with
// the position. Errors that are neither get a message of our own, because what
// they say was not written for a caller.
func (s source) public(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.message + s.position(f)
	}
	if f, ok := errors.AsType[*file.Error](err); ok {
		return plainTypes().Replace(f.Message) + s.position(&failure{at: f.From, placed: true})
	}
	return "the expression cannot be read"
}

// plainTypes gives the Go types in a message of the checker their JSON names.
func plainTypes() *strings.Replacer {
	return strings.NewReplacer("map[string]interface {}", "object", "[]interface {}", "array", "interface {}", "any value")
}

func (s source) position(f *failure) string {
	if !f.placed {
		return ""
	}
	line, column := 1, 1
	rest := f.at
	for _, c := range s.text[s.from:] {
		if rest == 0 {
			break
		}
		rest--
		line, column = step(c, line, column)
	}
	if line == 1 {
		column--
	}
	baseLine, baseColumn := 1, 1
	for _, c := range s.text[:s.from] {
		baseLine, baseColumn = step(c, baseLine, baseColumn)
	}
	if line == 1 {
		column += baseColumn
	}
	return fmt.Sprintf(" at %d:%d", baseLine+line-1, column)
}

func step(c rune, line, column int) (int, int) {
	if c == '\n' {
		return line + 1, 1
	}
	return line, column + 1
}

func invalid(path, message string) *problem.Error {
	return &problem.Error{
		Kind: problem.Invalid, Code: codeInvalid, Message: messageInvalid,
		Faults: []problem.Fault{{Path: path, Message: strings.TrimSpace(message)}},
	}
}

func failed(path, message string) *problem.Error {
	return &problem.Error{
		Kind: problem.Invalid, Code: codeFailed, Message: messageFailed,
		Faults: []problem.Fault{{Path: path, Message: strings.TrimSpace(message)}},
	}
}

const (
	codeInvalid    = "expression_invalid"
	messageInvalid = "the expression is not valid"
	codeFailed     = "expression_failed"
	messageFailed  = "the expression could not be evaluated"
)
