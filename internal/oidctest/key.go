package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Key signs tokens.
type Key struct {
	ID        string
	Algorithm jose.SignatureAlgorithm
	Private   crypto.Signer
}

// NewKey makes an elliptic key that no server has.
func NewKey() *Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the curve is known
	}
	return &Key{ID: rand.Text(), Algorithm: jose.ES256, Private: private}
}

// NewRSAKey makes an RSA key of so many bits that no server has.
func NewRSAKey(bits int) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	return &Key{ID: rand.Text(), Algorithm: jose.RS256, Private: private}, err
}

// Public is what a server shows of a key.
func (k *Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
}

// Rotate makes a new key, which signs from now on. The old ones stay good until
// they are withdrawn.
func (s *Server) Rotate() *Key { return s.Use(NewKey()) }

// Use adds a key, which signs from now on.
func (s *Server) Use(k *Key) *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, k)
	return k
}

// Withdraw forgets all keys but the newest.
func (s *Server) Withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// Key is the key that signs at present.
func (s *Server) Key() *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

func (s *Server) keySet(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	set := jose.JSONWebKeySet{}
	for _, k := range s.keys {
		set.Keys = append(set.Keys, k.Public())
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, set)
}

// Sign makes a token of exactly these claims, with the present key.
func (s *Server) Sign(claims map[string]any) string {
	return s.SignWith(s.Key(), claims, nil)
}

// SignWith makes a token of exactly these claims, with any key and more members of
// the header.
func (s *Server) SignWith(k *Key, claims map[string]any, header map[jose.HeaderKey]any) string {
	return s.SignRaw(jose.SigningKey{Algorithm: k.Algorithm, Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID}}, claims, header)
}

// SignRaw makes a token with whatever key and algorithm.
func (s *Server) SignRaw(key jose.SigningKey, claims map[string]any, header map[jose.HeaderKey]any) string {
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		options = options.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		panic(err) // of the test's own making
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err) // of the test's own making
	}
	return token
}
