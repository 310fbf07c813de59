package auth

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of texts, in characters (e-mail: bytes, RFC 5321 §4.5.3.1.3).
const (
	maxEmail     = 254
	maxName      = 200
	maxIdentity  = 512
	maxUserAgent = 512
	maxAddress   = 64
)

// NormalEmail is the one spelling of an e-mail address by which two are compared;
// ok is false for what is not an address.
func NormalEmail(s string) (normal string, ok bool) { return normaliseEmail(s) }

// normaliseEmail gives the one spelling under which an address is an account,
// or false for what is not an address.
//
// Only ASCII letters are folded: Unicode folding turns look-alikes such as the
// Kelvin sign into plain letters, and so two mailboxes into one account.
func normaliseEmail(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail || !text.OneLine(s) {
		return "", false
	}
	s = strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return "", false
	}
	return s, true
}

func checkEmail(f *problem.Faults, email string) string {
	normal, ok := normaliseEmail(email)
	f.Check(ok, "email", "must be an e-mail address")
	return normal
}

func checkName(f *problem.Faults, path, name string) string {
	name = strings.TrimSpace(name)
	n := utf8.RuneCountInString(name)
	f.Check(n > 0, path, "must not be empty")
	if n > maxName {
		f.Addf(path, "must have at most %d characters", maxName)
	}
	f.Check(text.OneLine(name), path, "must not contain control characters")
	return name
}

// tidy makes one line of a text that is only for display.
func tidy(s string, maxRunes int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if utf8.RuneCountInString(s) > maxRunes {
		s = string([]rune(s)[:maxRunes])
	}
	return strings.TrimSpace(s)
}
