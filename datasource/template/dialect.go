package template

import "strconv"

// Dialect is how an SQL database reads quotes, comments and parameters. It
// decides only which faults can be told to the author of a text; a parameter
// stays a parameter whatever the dialect says.
type Dialect struct {
	Backslashes    func(prefix byte) bool // whether a backslash escapes in a '…' literal with the letter before it (0 = none)
	StringQuotes   bool                   // "…" is a literal like '…', not a name
	Backticks      bool                   // `name`
	Brackets       bool                   // [name]
	DollarQuotes   bool                   // $tag$ … $tag$
	NestedComments bool                   // /* /* */ */
	HashComments   bool                   // # to the end of the line
	DashSpace      bool                   // -- begins a comment only before a space
	OneStatement   bool                   // refuse a second statement here, for a database that would run it

	// Bind writes the n-th bind parameter, from 1.
	Bind func(n int) string

	// Native reports whether c begins a bind parameter of the database's own,
	// which an author must not use beside {{ name }}; next is the byte after it.
	Native func(c, next byte) bool
}

// PostgreSQL is the dialect of PostgreSQL and its relatives.
func PostgreSQL() Dialect {
	return Dialect{
		Backslashes:    func(prefix byte) bool { return prefix == 'e' || prefix == 'E' },
		DollarQuotes:   true,
		NestedComments: true,
		Bind:           func(n int) string { return "$" + strconv.Itoa(n) },
		Native:         func(c, next byte) bool { return c == '$' && isDigit(next) },
	}
}

// SQLite is the dialect of SQLite.
func SQLite() Dialect {
	return Dialect{
		Backslashes:  func(byte) bool { return false },
		Backticks:    true,
		Brackets:     true,
		OneStatement: true,
		Bind:         func(n int) string { return "?" + strconv.Itoa(n) },
		Native: func(c, next byte) bool {
			return c == '?' || (c == ':' || c == '@' || c == '$') && isWord(next)
		},
	}
}

// MySQL is the dialect of MySQL and MariaDB, whose prepared statements are one
// statement each.
func MySQL() Dialect {
	return Dialect{
		Backslashes:  func(byte) bool { return true },
		StringQuotes: true,
		Backticks:    true,
		HashComments: true,
		DashSpace:    true,
		Bind:         func(int) string { return "?" },
		Native:       func(c, _ byte) bool { return c == '?' },
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return c == '_' || isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
