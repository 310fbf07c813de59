package secret_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/secret"
)

func ring(t testing.TB, keys ...[]byte) *secret.Keyring {
	t.Helper()
	r, err := secret.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealOpens(t *testing.T) {
	t.Parallel()
	r, place := ring(t, secret.NewKey()), secret.Place("t", "jet_datasource", "1", "secrets")
	for _, plain := range []string{"", "hunter2", strings.Repeat("é", 100_000)} {
		sealed := r.Seal([]byte(plain), place)
		if plain != "" && strings.Contains(sealed, plain) {
			t.Error("the value is readable")
		}
		got, err := r.Open(sealed, place)
		if err != nil || string(got) != plain {
			t.Errorf("a value of %d bytes comes back as %d bytes, %v", len(plain), len(got), err)
		}
		if again := r.Seal([]byte(plain), place); again == sealed {
			t.Error("sealing twice gives the same text")
		}
	}
}

// A sealed value is worth nothing in another place.
func TestOpenElsewhere(t *testing.T) {
	t.Parallel()
	r := ring(t, secret.NewKey())
	sealed := r.Seal([]byte("x"), secret.Place("t", "jet_datasource", "1", "secrets"))
	for name, place := range map[string]string{
		"tenant": secret.Place("u", "jet_datasource", "1", "secrets"),
		"table":  secret.Place("t", "jet_query", "1", "secrets"),
		"row":    secret.Place("t", "jet_datasource", "2", "secrets"),
		"column": secret.Place("t", "jet_datasource", "1", "settings"),
		"none":   "",
	} {
		if _, err := r.Open(sealed, place); err == nil {
			t.Errorf("opens in another %s", name)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	oldKey, newKey := secret.NewKey(), secret.NewKey()
	before, during, after := ring(t, oldKey), ring(t, newKey, oldKey), ring(t, newKey)
	sealed := before.Seal([]byte("x"), "p")
	if got, err := during.Open(sealed, "p"); err != nil || string(got) != "x" {
		t.Errorf("the old key does not open any more: %q, %v", got, err)
	}
	if _, err := after.Open(sealed, "p"); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("a key that is gone gives %v", err)
	}
	if got, err := after.Open(during.Seal([]byte("x"), "p"), "p"); err != nil || string(got) != "x" {
		t.Errorf("sealed with another than the first key: %q, %v", got, err)
	}
}

// What an old key has sealed is sealed again by the first one, for the same place.
func TestReseal(t *testing.T) {
	t.Parallel()
	oldKey, newKey := secret.NewKey(), secret.NewKey()
	before, during, after := ring(t, oldKey), ring(t, newKey, oldKey), ring(t, newKey)
	sealed := before.Seal([]byte("x"), "p")
	if !before.Current(sealed) || during.Current(sealed) || during.Current("") || during.Current("v1.") {
		t.Error("it is taken for sealed with another key than it was")
	}
	again, err := during.Reseal(sealed, "p")
	if err != nil || !during.Current(again) || !after.Current(again) {
		t.Errorf("sealed again as %q, %v", again, err)
	}
	if got, err := after.Open(again, "p"); err != nil || string(got) != "x" {
		t.Errorf("it opens as %q, %v", got, err)
	}
	if _, err := after.Reseal(sealed, "p"); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("without the old key: %v", err)
	}
	if _, err := during.Reseal(sealed, "q"); err == nil {
		t.Error("sealed again for another place")
	}
}

// T48: a key that is missing, short or an example does not start.
func TestNewKeyringRefuses(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][][]byte{
		"none":          nil,
		"short":         {make([]byte, 16)},
		"long":          {append(secret.NewKey(), 1)},
		"zeros":         {make([]byte, secret.KeySize)},
		"one character": {bytes.Repeat([]byte("a"), secret.KeySize)},
		"bad second":    {secret.NewKey(), nil},
	} {
		if _, err := secret.NewKeyring(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeyringKeepsItsKeys(t *testing.T) {
	t.Parallel()
	key := secret.NewKey()
	r := ring(t, key)
	sealed, derived := r.Seal([]byte("x"), "p"), r.Derive("cursors")
	clear(key)
	if _, err := r.Open(sealed, "p"); err != nil {
		t.Errorf("changing the caller's slice breaks the ring: %v", err)
	}
	if !bytes.Equal(derived, r.Derive("cursors")) {
		t.Error("changing the caller's slice changes derived keys")
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	key := secret.NewKey()
	a, b := ring(t, key).Derive("cursors"), ring(t, key).Derive("tokens")
	if bytes.Equal(a, b) || bytes.Equal(a, key) || len(a) != secret.KeySize {
		t.Error("two purposes, or a purpose and the key itself, are not told apart")
	}
	if !bytes.Equal(a, ring(t, key).Derive("cursors")) {
		t.Error("the same key and purpose give two keys")
	}
}

// Whatever is stored opens as exactly what was sealed, or not at all, and never
// panics or tells the value.
func FuzzOpen(f *testing.F) {
	r, err := secret.NewKeyring(bytes.Repeat([]byte("0123456789abcdef"), 2))
	if err != nil {
		f.Fatal(err)
	}
	const plain, place = "the canary", "t/jet_datasource/1/secrets"
	sealed := r.Seal([]byte(plain), place)
	f.Add(sealed)
	f.Add("")
	f.Add("v1..")
	f.Add("v2" + sealed[2:])
	f.Add(sealed[:len(sealed)-1])
	f.Add(sealed + "A")
	f.Add(strings.ToUpper(sealed))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := r.Open(text, place)
		if err == nil && string(got) != plain {
			t.Errorf("%q opens as %q", text, got)
		}
		if err != nil && strings.Contains(err.Error(), plain) {
			t.Errorf("the error tells the value: %v", err)
		}
	})
}
