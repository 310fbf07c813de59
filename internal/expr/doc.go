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
// # Names
//
// Known names are input, steps, run, tenant, item and index; any other is an
// error at parse. The output of a step is steps.key or steps["key"]: the key is
// always literal, so that [Template.Refs] tells which steps are read. The
// function now() is the instant that the caller puts into [Env] under "now".
// Variables are declared with let: "let total = input.total; total * 2".
//
// # Missing and null
//
// A missing member, a member of null and an index out of range are errors that
// name the path. What may be missing is written so: "input.note ?? 'none'" or
// "input?.note", which is null. "'note' in input" asks. Null inside a longer
// text is an error as well; it never turns into an empty text silently.
//
// # Values
//
// Values are those of JSON: null, booleans, numbers, strings, arrays and
// objects ("null" may be written nil); inside an expression also instants and durations, which leave it as
// text (RFC 3339 and "1h30m0s"). There are no methods and no pointers, and
// nothing can be changed: a result is always a deep copy. Numbers may come as
// json.Number or as Go numbers. They pass through unchanged, digits and all;
// only an operator or function that calculates turns them into int (64 bits,
// overflow is an error) or float64, and refuses a json.Number whose digits
// would not survive that (float() rounds it on request). "/" always gives a
// float64; a result that is not finite is an error. Texts are counted and cut
// in characters, not bytes.
//
// In a text numbers have no exponent between 1e-7 and 1e21, and arrays and
// objects become JSON.
//
// # Functions
//
// The functions are the ones listed here and no others; those of the library
// are off.
//
//	any value  len type string int float get toJSON fromJSON
//	numbers    abs ceil floor round(x, digits) min max mean median
//	texts      trim trimPrefix trimSuffix upper lower split join replace repeat
//	           indexOf lastIndexOf hasPrefix hasSuffix toBase64 fromBase64
//	lists      first last take reverse uniq concat flatten sort keys values
//	with body  all any none one filter map find findIndex findLast
//	           findLastIndex count sum groupBy sortBy reduce
//	time       now date duration format
//
// Not offered: timezone and date with a zone name (they read files), the bit
// functions, toPairs and fromPairs. A body that is an object has to stand in
// parentheses, map(input.rows, ({id: .id})), because braces may enclose a body. The pattern of "matches" is RE2 and has to
// be literal. Keys and values of objects come in the order of the keys, so that
// an expression always gives the same result for the same input.
//
// # Literal braces
//
// Only "{{" is special in a template. To write it, put it into a text inside an
// expression: {{ "{{" }}. Texts that come from values are never read as
// templates.
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
