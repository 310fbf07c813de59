package auth

import (
	"crypto/sha256"
	"sync"
)

// maxKnown is how many tokens are remembered at least, some 100 bytes each.
const maxKnown = 10_000

// knownTokens remember, by their hashes, tokens that were good when they were last
// looked at: who is signed in is not held up by what others of his network make up. The
// zero value is ready; it is safe for concurrent use.
type knownTokens struct {
	mu          sync.Mutex
	young, aged map[tokenHash]struct{} // when the young are too many, they are the aged
}

type tokenHash = [sha256.Size]byte

func (k *knownTokens) has(token string) bool {
	hash := sha256.Sum256([]byte(token))
	k.mu.Lock()
	defer k.mu.Unlock()
	_, young := k.young[hash]
	_, aged := k.aged[hash]
	return young || aged
}

func (k *knownTokens) add(token string) {
	hash := sha256.Sum256([]byte(token))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.young == nil || len(k.young) >= maxKnown {
		k.young, k.aged = map[tokenHash]struct{}{}, k.young
	}
	k.young[hash] = struct{}{}
}

func (k *knownTokens) forget(token string) {
	hash := sha256.Sum256([]byte(token))
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.young, hash)
	delete(k.aged, hash)
}
