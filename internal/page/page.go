// Package page is how lists are cut: by key ("keyset"), with a cursor that the
// caller can neither read, forge nor use for another list.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

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

// window is a checked request for one list.
type window struct {
	limit int
	after string // the sort key of the last item seen; "" = from the start

	signer *Signer
	scope  string
}

// open checks a request. Its scope is quoted, so that no filter that somebody
// chose reads like another list.
func (s *Signer) open(r Request, scope ...string) (window, error) {
	var faults problem.Faults
	w := window{limit: r.Limit, signer: s, scope: fmt.Sprintf("%q", scope)}
	if w.limit == 0 {
		w.limit = DefaultLimit
	}
	if w.limit < 1 || w.limit > MaxLimit {
		faults.Addf("limit", "must be between 1 and %d", MaxLimit)
	}
	if r.Cursor != "" {
		if w.after = s.read(r.Cursor, w.scope); w.after == "" {
			faults.Add("cursor", "is not a cursor of this list")
		}
	}
	return w, faults.Err("page_invalid", "the page request is not valid")
}

// cut makes the page of a window out of up to limit+1 items read in order: the
// extra one only tells that there is more.
func cut[T any](w window, items []T, key func(T) string) Page[T] {
	if len(items) <= w.limit {
		return Page[T]{Items: items}
	}
	items = items[:w.limit]
	return Page[T]{Items: items, NextCursor: w.signer.write(key(items[w.limit-1]), w.scope)}
}

func (s *Signer) write(after, scope string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.sign(after, scope), after...))
}

// read is the sort key in a cursor, "" when we have not made it for the scope.
func (s *Signer) read(cursor, scope string) string {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < sha256.Size || base64.RawURLEncoding.EncodeToString(raw) != cursor { // one cursor, one text
		return ""
	}
	sum, after := raw[:sha256.Size], string(raw[sha256.Size:])
	if !hmac.Equal(sum, s.sign(after, scope)) {
		return ""
	}
	return after
}

func (s *Signer) sign(after, scope string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(scope))
	mac.Write([]byte{0})
	mac.Write([]byte(after))
	return mac.Sum(nil)
}
