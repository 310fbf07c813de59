// Package expr compiles and evaluates the expressions that a workflow author
// writes: bare ones (a condition, a transformation) and templates, texts that
// hold expressions between double braces.
//
//	{{ steps.orders.rows[0].total }}            keeps its type: a number stays a number
//	Order {{ input.id }} is {{ input.status }}  becomes one text
//
// The language is that of github.com/expr-lang/expr: its lexer, parser and
// checker read the text, and this is the one package that imports them. The
// evaluation is done here, by a walk over the checked tree, because it promises
// what the library's virtual machine does not: a missing path is an error, work
// and memory have one limit that nothing escapes, decimals are not rounded in
// passing, and no error repeats a value.
//
// # The language
//
// What an author may write is told in docs/workflows.md, whose examples a test
// evaluates: names, missing and null, values, functions, literal braces. What
// follows from it for this package:
//
// The key of a step is always literal, so that [Template.Refs] tells which steps
// are read. The function now() is the instant that the caller puts into [Env]
// under "now". Values may come as json.Number or as Go numbers; they pass through
// unchanged, digits and all, until an operator or function calculates with them:
// a json.Number whose digits would not survive that is refused. There are no
// methods and no pointers, and a result is always a deep copy.
//
// In a text numbers have no exponent between 1e-7 and 1e21, and arrays and
// objects become JSON. Keys and values of objects come in the order of the keys,
// so that an expression always gives the same result for the same input.
//
// The functions of the library are off, but for those that functions.go lists. Not
// offered: timezone and date with a zone name (they read files), the bit
// functions, toPairs and fromPairs.
//
// # Limits
//
// See [MaxText], [MaxNodes], [MaxWork] and [MaxDepth].
//
// Parsed templates, expressions and values are immutable and safe for
// concurrent use. All errors are [problem.Invalid] with the code
// "expression_invalid" (parse) or "expression_failed" (evaluation); their faults
// carry the position as line:column, and the path for a [Value].
package expr
