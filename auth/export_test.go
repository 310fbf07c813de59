package auth

import "sync/atomic"

// SetCost changes how expensive new password hashes are.
func (s *Service) SetCost(memory, passes uint32) {
	s.passwords = newHasher(cost{memory: memory, passes: passes, threads: 1})
}

// CountHashes counts the password hashes that are computed from now on, each
// with its cost.
func (s *Service) CountHashes() *atomic.Int64 {
	var n atomic.Int64
	derive := s.passwords.derive
	s.passwords.derive = func(password string, salt []byte, c cost, size uint32) []byte {
		n.Add(int64(c.memory))
		return derive(password, salt, c, size)
	}
	return &n
}

// WithChecksum completes the text of a token.
func WithChecksum(s string) string { return withChecksum(s) }

// The sizes that tests of behaviour need.
const (
	AccountAttempts = accountAttempts
	AccountPause    = accountPause
	AddressAttempts = addressAttempts
	MaxSessions     = maxSessions
	TouchEvery      = touchEvery
)
