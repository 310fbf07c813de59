// Package secret keeps values unreadable at rest and out of logs.
//
// A [Keyring] seals with AES-256-GCM. A sealed value reads
// "v1.<key id>.<base64url of nonce and ciphertext>" and opens only with the same
// context (tenant, table, row, column), so that a value copied to another row is
// worth nothing there.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrUnknownKey says that a value was sealed with a key that the ring lacks.
var ErrUnknownKey = errors.New("sealed with a key that is not in the keyring")

var errTampered = errors.New("the sealed value was changed, or belongs elsewhere")

const version = "v1"

// Keyring seals with its first key and opens with any. It is immutable and safe
// for concurrent use.
type Keyring struct {
	first string
	keys  map[string]key
}

type key struct {
	aead   cipher.AEAD
	secret []byte
}

// NewKeyring takes at least one key of [KeySize] random bytes. A key of one
// repeated byte is refused as an example that was never replaced.
func NewKeyring(keys ...[]byte) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("at least one key is needed")
	}
	ring := &Keyring{keys: make(map[string]key, len(keys))}
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("key %d has %d bytes, want %d", i+1, len(k), KeySize)
		}
		if strings.Count(string(k), string(k[:1])) == KeySize {
			return nil, fmt.Errorf("key %d is one repeated byte, not random", i+1)
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(k)
		name := hex.EncodeToString(sum[:4])
		ring.keys[name] = key{aead: aead, secret: append([]byte(nil), k...)}
		if i == 0 {
			ring.first = name
		}
	}
	return ring, nil
}

// NewKey makes a random key.
func NewKey() []byte {
	k := make([]byte, KeySize)
	_, _ = rand.Read(k) // never fails, see crypto/rand
	return k
}

// Seal encrypts plain for the place that context names, see [Place].
func (r *Keyring) Seal(plain []byte, context string) string {
	sealed := r.keys[r.first].aead.Seal(nil, nil, plain, []byte(context))
	return version + "." + r.first + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open decrypts what [Keyring.Seal] made for the same context. Its errors never
// contain the value.
func (r *Keyring) Open(sealed, context string) ([]byte, error) {
	v, rest, _ := strings.Cut(sealed, ".")
	name, body, ok := strings.Cut(rest, ".")
	if v != version || !ok {
		return nil, errTampered
	}
	k, ok := r.keys[name]
	if !ok {
		return nil, ErrUnknownKey
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != body { // one value, one text
		return nil, errTampered
	}
	plain, err := k.aead.Open(nil, nil, raw, []byte(context))
	if err != nil {
		return nil, errTampered
	}
	return plain, nil
}

// Derive makes a key for another purpose (signing cursors, say) from the first
// key, so that one secret is never used for two things (HKDF, RFC 5869).
func (r *Keyring) Derive(purpose string) []byte {
	out, err := hkdf.Key(sha256.New, r.keys[r.first].secret, nil, "jetadmin "+purpose, KeySize)
	if err != nil {
		panic(err) // only a length of more than 255 hashes fails
	}
	return out
}

// Place names where a sealed value is kept, as the context of Seal and Open.
func Place(tenantID, table, row, column string) string {
	return strings.Join([]string{tenantID, table, row, column}, "/")
}

// Current reports whether a value was sealed with the first key.
func (r *Keyring) Current(sealed string) bool {
	return strings.HasPrefix(sealed, version+"."+r.first+".")
}

// Reseal seals a value again, with the first key, for the same context. Its errors
// are those of [Keyring.Open].
func (r *Keyring) Reseal(sealed, context string) (string, error) {
	plain, err := r.Open(sealed, context)
	if err != nil {
		return "", err
	}
	return r.Seal(plain, context), nil
}

// Rotation is what came of sealing stored values again.
type Rotation struct {
	Resealed   int // values that are sealed with the first key now, and were not before
	Unreadable int // values that no key opens; they are left as they are
}

// Add sums up two parts.
func (r *Rotation) Add(other Rotation) {
	r.Resealed += other.Resealed
	r.Unreadable += other.Unreadable
}
