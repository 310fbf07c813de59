// Package id makes and checks the ids of everything jetadmin stores: UUIDs of
// version 7 (RFC 9562), which sort by the time of their making.
package id

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// New returns a new id in its canonical form, 36 lower-case characters.
func New() string { return uuid.Must(uuid.NewV7()).String() }

// From returns the id that sorts before all that are made from a time on, to the
// millisecond.
func From(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(0, t.UnixMilli()))
	return ms[:8] + "-" + ms[8:] + "-7000-8000-000000000000"
}

// Valid reports whether s is an id in canonical form. Other spellings of a
// UUID (upper case, braces, no dashes) are refused, so that one object has one
// name.
func Valid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isDigit(s[i]) {
				return false
			}
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

// First is the lowest id that can be made at a time, or the bound below which
// every id is older.
func First(at time.Time) string {
	ms := uint64(max(at.UnixMilli(), 0)) & (1<<48 - 1)
	return fmt.Sprintf("%08x-%04x-7000-8000-000000000000", ms>>16, ms&0xffff)
}
