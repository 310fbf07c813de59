// Package id makes and checks the ids of everything jetadmin stores: UUIDs of
// version 7 (RFC 9562), which sort by the time of their making.
package id

import "github.com/google/uuid"

// New returns a new id in its canonical form, 36 lower-case characters.
func New() string { return uuid.Must(uuid.NewV7()).String() }

// Valid reports whether s is an id in canonical form. Other spellings of a
// UUID (upper case, braces, no dashes) are refused, so that one object has one
// name.
func Valid(s string) bool {
	if len(s) != 36 {
		return false
	}
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}
