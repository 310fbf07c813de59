package expr

import "time"

// Limits of an expression. They are part of what an author can rely on and are
// the same in every installation.
const (
	// MaxText is the size in bytes of an expression, and of a template that holds one.
	MaxText = 16 << 10
	// MaxNodes is the number of names, literals and operators in one expression.
	MaxNodes = 4096
	// MaxWork bounds the evaluation of one expression, template or value. A unit
	// is one node visited or about 16 bytes made; the whole of it is some tenths
	// of a second and some 32 MB.
	MaxWork = 2 << 20
	// MaxDepth is how deep arrays and objects may nest in a result.
	MaxDepth = 512
)

// Env holds the values that an expression reads, by root name: "input",
// "steps", "run", "tenant", "item", "index". A root that is absent makes its use
// an error. "now" is the time.Time that now() returns; without it now() is an
// error.
//
// Evaluation only reads it: one Env may serve many evaluations at once, as long
// as nobody writes to it meanwhile.
type Env map[string]any

// nowKey is where Env carries the instant of now(); it is not a root.
const nowKey = "now"

func (e Env) now() (time.Time, bool) {
	t, ok := e[nowKey].(time.Time)
	return t, ok
}

// Ref is something that an expression reads: a root name, and for "steps" the
// key of the step.
type Ref struct {
	Root string
	Step string
}

// roots are the names an expression may use.
func roots() []string { return []string{"input", "steps", "run", "tenant", "item", "index"} }
