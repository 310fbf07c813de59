package api

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
)

// call is a key in the hands of one caller, and what the call asked for.
type call struct {
	actor, tenantID, key string
	request              []byte // its hash
	secret               bool   // its reply shows one
}

func (c call) place(column string) string {
	return secret.Place(c.tenantID, "jet_idempotency", c.actor+"/"+c.key, column)
}

// callOf hashes the request. The hash is stored sealed: a body may hold a password,
// which a plain one would give away to whoever reads the table and guesses.
func (i *idempotency) callOf(r *http.Request, key string) (call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	hash := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.URL.RawQuery} {
		hash.Write([]byte(part + "\x00"))
	}
	hash.Write(body)
	who := auth.FromContext(r.Context())
	return call{actor: who.Actor(), tenantID: who.TenantID, key: key, request: hash.Sum(nil)}, nil
}

func validKey(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}
