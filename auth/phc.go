package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// cost is how expensive a password hash is to compute.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// defaultCost is OWASP's second choice for argon2id (Password Storage Cheat
// Sheet), about 25 ms of one core: the memory is what hurts an attacker, and a
// single thread keeps one log-in from taking the whole machine.
func defaultCost() cost { return cost{memory: 19 * 1024, passes: 2, threads: 1} }

const (
	saltSize = 16
	hashSize = 32
)

// The bounds of what is accepted from the database, so that a planted row
// cannot ask for all of the memory.
const (
	maxMemory  = 256 * 1024 // KiB
	maxPasses  = 16
	maxThreads = 16
	minSalt    = 8
	minHash    = 16
	maxBytes   = 64
)

// passwordHash is a hash with everything needed to compute it again. Its text
// is the PHC string format:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
type passwordHash struct {
	cost
	salt, hash []byte
}

var errPHC = errors.New("not an argon2id hash in PHC string format")

// parseHash reads exactly what [passwordHash.String] writes, and no other
// spelling of it.
func parseHash(s string) (passwordHash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return passwordHash{}, errPHC
	}
	var h passwordHash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return passwordHash{}, errPHC
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return passwordHash{}, errPHC
	}
	if h.hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return passwordHash{}, errPHC
	}
	if h.String() != s || !h.sound() {
		return passwordHash{}, errPHC
	}
	return h, nil
}

func (h passwordHash) sound() bool {
	return h.passes >= 1 && h.passes <= maxPasses &&
		h.threads >= 1 && h.threads <= maxThreads &&
		h.memory >= 8*uint32(h.threads) && h.memory <= maxMemory &&
		len(h.salt) >= minSalt && len(h.salt) <= maxBytes &&
		len(h.hash) >= minHash && len(h.hash) <= maxBytes
}

func (h passwordHash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.passes, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.hash))
}
