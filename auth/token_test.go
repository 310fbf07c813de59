package auth

import (
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	key, prefix := newKeyToken()
	if got, ok := keyPrefix(key); !ok || got != prefix || len(key) != len(keyMark)+prefixSize+secretSize+checksumSize {
		t.Errorf("%s has the prefix %s, %v, want %s", key, got, ok, prefix)
	}
	session := newToken(sessionMark)
	if !checkToken(session, sessionMark) || checkToken(session, keyMark) || checkToken(session, setupMark) {
		t.Errorf("%s is not only a session token", session)
	}
	for i := range key { // one mistyped character never passes
		wrong := key[:i] + string(key[i]^1) + key[i+1:]
		if _, ok := keyPrefix(wrong); ok {
			t.Errorf("%s passes for %s", wrong, key)
		}
	}
	for _, wrong := range []string{"", "jak_", key[:len(key)-1], key + "A", " " + key, strings.ToLower(key), session} {
		if _, ok := keyPrefix(wrong); ok {
			t.Errorf("%q passes", wrong)
		}
	}
}

func FuzzAPIKey(f *testing.F) {
	key, _ := newKeyToken()
	f.Add(key)
	f.Add("jak_")
	f.Add(withChecksum(keyMark + strings.Repeat("A", prefixSize+secretSize)))
	f.Add(withChecksum(keyMark + strings.Repeat("é", prefixSize/2) + strings.Repeat("A", secretSize)))
	f.Fuzz(func(t *testing.T, text string) {
		prefix, ok := keyPrefix(text)
		if !ok {
			if prefix != "" {
				t.Errorf("a refused key has the prefix %q", prefix)
			}
			return
		}
		if !isBase32(prefix) || len(prefix) != prefixSize || withChecksum(text[:len(text)-checksumSize]) != text {
			t.Errorf("%q passes with the prefix %q", text, prefix)
		}
	})
}
