package httpapi

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// ServiceAccount is the grant of RFC 7523 as Google's service accounts use it: an
// assertion that the account's key signs is exchanged for an access token.
type ServiceAccount struct {
	tokenURL *url.URL
	scope    string
	email    string
	keyID    string
	key      *rsa.PrivateKey
	secret   string
}

const (
	assertionLife = time.Hour
	minKeyBits    = 2048
)

// NewServiceAccount reads the JSON key of an account, as Google's console gives
// it. The token URL is not taken from the key: whoever enters one must not choose
// where the assertion is sent.
func NewServiceAccount(tokenURL *url.URL, scope string, key secret.Text) (ServiceAccount, error) {
	var file struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		KeyID string `json:"private_key_id"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(key.Reveal()), &file); err != nil {
		return ServiceAccount{}, errors.New("not JSON")
	}
	if file.Type != "service_account" || file.Email == "" {
		return ServiceAccount{}, errors.New("not the key of a service account")
	}
	private, err := rsaKey(file.Key)
	return ServiceAccount{tokenURL, scope, file.Email, file.KeyID, private, file.Key}, err
}

func rsaKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("no private key in PKCS #8")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < minKeyBits {
		return nil, errors.New("no RSA key of 2048 bits or more")
	}
	return key, nil
}

func (a ServiceAccount) grant() grant {
	return grant{url: a.tokenURL, request: a.request, secret: []string{a.secret}}
}

func (a ServiceAccount) request(now time.Time) (url.Values, http.Header, error) {
	assertion, err := a.assertion(now)
	return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}, http.Header{}, err
}

// assertion is a JWT (RFC 7519), signed with RS256.
func (a ServiceAccount) assertion(now time.Time) (string, error) {
	header := map[string]any{"alg": "RS256", "typ": "JWT"}
	if a.keyID != "" {
		header["kid"] = a.keyID
	}
	claims := map[string]any{
		"iss": a.email, "scope": a.scope, "aud": a.tokenURL.String(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}
	signed, err := encode(header)
	if err != nil {
		return "", err
	}
	body, err := encode(claims)
	if err != nil {
		return "", err
	}
	signed += "." + body
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", errors.New("sign the assertion of the service account")
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b), err
}
