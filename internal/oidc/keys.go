package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 64
	minRSABits = 2048
)

// Algorithms are those that can prove who signed: none and the HMAC family are
// not among them, for their key would be one that everybody knows.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// usable are the keys that can verify a signature.
func usable(keys []jose.JSONWebKey) []jose.JSONWebKey {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k jose.JSONWebKey) bool {
		return !k.Valid() || !k.IsPublic() || (k.Use != "" && k.Use != "sig") || !strong(k.Key)
	})
	return keys[:min(len(keys), maxKeys)]
}

func strong(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// candidates are the keys that a token with this header may be signed with. The
// id of a key is compared and nothing else: it names no file and no row.
func (m *metadata) candidates(h jose.Header) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range m.keys {
		if (h.KeyID == "" || k.KeyID == h.KeyID) && (k.Algorithm == "" || k.Algorithm == h.Algorithm) && fits(k.Key, h.Algorithm) {
			found = append(found, k)
		}
	}
	return found
}

func fits(key any, algorithm string) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return algorithm[:2] == "RS" || algorithm[:2] == "PS"
	case *ecdsa.PublicKey:
		return algorithm[:2] == "ES"
	}
	return algorithm == "EdDSA"
}
