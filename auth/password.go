package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"runtime"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/jetadmin/jetadmin/problem"
)

// The length of a password in characters. The upper bound only keeps the work
// of hashing bounded.
const (
	MinPassword = 12
	MaxPassword = 1024
)

// maxQueued is how many computations may wait for a slot before more are
// refused: a caller who waits for seconds is better told to come back.
const maxQueued = 64

func checkPassword(f *problem.Faults, path, password string) {
	n := utf8.RuneCountInString(password)
	if n < MinPassword || n > MaxPassword {
		f.Addf(path, "must have between %d and %d characters", MinPassword, MaxPassword)
	}
	f.Check(utf8.ValidString(password), path, "must be valid UTF-8")
}

// hasher computes password hashes on at most half of the processors, so that a
// flood of log-ins leaves the other half to everybody else.
type hasher struct {
	cost   cost
	decoy  passwordHash // matches no password: stands in for an account that is not there
	slots  chan struct{}
	queued atomic.Int64

	derive func(password string, salt []byte, c cost, size uint32) []byte
}

func newHasher(c cost) *hasher {
	h := &hasher{
		cost:   c,
		slots:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		derive: argon2id,
	}
	h.decoy = passwordHash{cost: c, salt: randomBytes(saltSize), hash: randomBytes(hashSize)}
	return h
}

func argon2id(password string, salt []byte, c cost, size uint32) []byte {
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, size)
}

// hash computes a new hash of a password. Its error is Unavailable when too
// many others wait.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	made := passwordHash{cost: h.cost, salt: randomBytes(saltSize)}
	err := h.inSlot(ctx, func() { made.hash = h.derive(password, made.salt, made.cost, hashSize) })
	return made.String(), err
}

// matches reports whether password is the one that stored was made of.
func (h *hasher) matches(ctx context.Context, stored passwordHash, password string) (bool, error) {
	if utf8.RuneCountInString(password) > MaxPassword {
		stored, password = h.decoy, ""
	}
	var got []byte
	err := h.inSlot(ctx, func() {
		got = h.derive(password, stored.salt, stored.cost, uint32(len(stored.hash)))
	})
	return err == nil && subtle.ConstantTimeCompare(got, stored.hash) == 1, err
}

func (h *hasher) inSlot(ctx context.Context, work func()) error {
	busy := &problem.Error{
		Kind: problem.Unavailable, Code: "login_busy", RetryAfter: time.Second,
		Message: "too many people are signing in at this moment",
	}
	defer h.queued.Add(-1)
	if h.queued.Add(1) > int64(maxQueued+cap(h.slots)) {
		return busy
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return busy.Because(ctx.Err())
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}
