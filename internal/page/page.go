// Package page is how lists are cut: by key ("keyset"), with a cursor that the
// caller can neither read, forge nor use for another list.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/jetadmin/jetadmin/problem"
)

// The number of items of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Request is which part of a list to return.
type Request struct {
	Limit  int    // 1 to MaxLimit; 0 = DefaultLimit
	Cursor string // NextCursor of the page before; "" = the first page
}

// Page is a part of a list.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor,omitempty"` // "" = this is the last page
}

// Signer makes and reads cursors. It is immutable and safe for concurrent use.
type Signer struct{ key []byte }

// NewSigner takes a secret key, see secret.Keyring.Derive.
func NewSigner(key []byte) *Signer { return &Signer{key: key} }

// Window is a checked request for one list.
type Window struct {
	Limit int
	After []string // the sort key of the last item seen; nil = from the start

	signer *Signer
	scope  string
}

// Open checks a request. The scope names the list, the tenant, the filters and
// the order; a cursor of another scope is Invalid, like a limit out of range.
func (s *Signer) Open(r Request, scope string) (Window, error) {
	var faults problem.Faults
	w := Window{Limit: r.Limit, signer: s, scope: scope}
	if w.Limit == 0 {
		w.Limit = DefaultLimit
	}
	if w.Limit < 1 || w.Limit > MaxLimit {
		faults.Addf("limit", "must be between 1 and %d", MaxLimit)
	}
	if r.Cursor != "" {
		after, ok := s.read(r.Cursor, scope)
		if !ok {
			faults.Add("cursor", "is not a cursor of this list")
		}
		w.After = after
	}
	return w, faults.Err("page_invalid", "the page request is not valid")
}

// Cut makes the page of a window out of up to Limit+1 items read in order: the
// extra one only tells that there is more. key gives the sort key of an item.
func Cut[T any](w Window, items []T, key func(T) []string) Page[T] {
	if items == nil {
		items = []T{}
	}
	if len(items) <= w.Limit {
		return Page[T]{Items: items}
	}
	items = items[:w.Limit]
	return Page[T]{Items: items, NextCursor: w.signer.write(key(items[w.Limit-1]), w.scope)}
}

func (s *Signer) write(after []string, scope string) string {
	body, err := json.Marshal(after)
	if err != nil {
		panic(err) // strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(append(s.sign(body, scope), body...))
}

func (s *Signer) read(cursor, scope string) ([]string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < sha256.Size || base64.RawURLEncoding.EncodeToString(raw) != cursor { // one cursor, one text
		return nil, false
	}
	sum, body := raw[:sha256.Size], raw[sha256.Size:]
	if !hmac.Equal(sum, s.sign(body, scope)) {
		return nil, false
	}
	var after []string
	return after, json.Unmarshal(body, &after) == nil && len(after) > 0
}

func (s *Signer) sign(body []byte, scope string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(scope))
	mac.Write([]byte{0})
	mac.Write(body)
	return mac.Sum(nil)
}
