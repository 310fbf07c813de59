package auth

import (
	"context"
	"crypto/subtle"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/audit"
)

// SetCost changes how expensive new password hashes are.
func (s *Service) SetCost(memory, passes uint32) {
	s.passwords = newHasher(cost{memory: memory, passes: passes, threads: 1})
}

// CountHashes adds up the memory, in KiB, of the password hashes that are
// computed from now on.
func (s *Service) CountHashes() *atomic.Int64 {
	var n atomic.Int64
	derive := s.passwords.derive
	s.passwords.derive = func(password string, salt []byte, c cost, size uint32) []byte {
		n.Add(int64(c.memory))
		return derive(password, salt, c, size)
	}
	return &n
}

// DuringHash has something happen while the next password hash is computed.
func (s *Service) DuringHash(happen func()) {
	derive := s.passwords.derive
	s.passwords.derive = func(password string, salt []byte, c cost, size uint32) []byte {
		s.passwords.derive = derive
		happen()
		return derive(password, salt, c, size)
	}
}

// Settle waits for the links to new passwords that are being sent.
func (s *Service) Settle(ctx context.Context) error {
	if err := s.resets.Acquire(ctx, maxResets); err != nil {
		return err
	}
	s.resets.Release(maxResets)
	return nil
}

// OnDenied has what is refused told to a test too.
func (s *Service) OnDenied(tell func(audit.Denial)) {
	s.denied = func(_ context.Context, d audit.Denial) { tell(d) }
}

// WithChecksum completes the text of a token.
func WithChecksum(s string) string { return withChecksum(s) }

// The sizes that tests of behaviour need.
const (
	AccountAttempts = accountAttempts
	AccountPause    = accountPause
	AddressAttempts = addressAttempts
	BadTokens       = badTokens
	EveryAttempts   = everyAttempts
	EveryNew        = everyNew
	NewAccounts     = newAccounts
	NewPause        = newPause
	MaxSessions     = maxSessions
	ResetAttempts   = resetAttempts
	TouchEvery      = touchEvery
)

// CompareKey tells how a token is compared with a key: the sizes of what is held
// against each other, one comparison after the other. "" = a key that is not there.
func (s *Service) CompareKey(ctx context.Context, token, keyID string) (opened bool, sizes [][2]int, err error) {
	row := new(keyRow)
	if keyID != "" {
		if err := s.db.NewSelect().Model(row).Where("k.id = ? /* across tenants: a test's own */", keyID).Scan(ctx); err != nil {
			return false, nil, err
		}
	}
	opened = row.opens(func(a, b []byte) int {
		sizes = append(sizes, [2]int{len(a), len(b)})
		return subtle.ConstantTimeCompare(a, b)
	}, hashToken(token))
	return opened, sizes, nil
}
