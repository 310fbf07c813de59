// Package id makes and checks the ids of everything jetadmin stores: UUIDs of
// version 7 (RFC 9562), which sort by the time of their making.
package id

import (
	"crypto/sha256"
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

// Of returns an id that the same content always has, of version 8 of RFC 9562: the
// first bits of its SHA-256.
func Of(content []byte) string {
	sum := sha256.Sum256(content)
	u := uuid.UUID(sum[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u.String()
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
