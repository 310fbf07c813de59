package auth

import "sync/atomic"

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

// WithChecksum completes the text of a token.
func WithChecksum(s string) string { return withChecksum(s) }

// The sizes that tests of behaviour need.
const (
	AccountAttempts = accountAttempts
	AccountPause    = accountPause
	AddressAttempts = addressAttempts
	MaxSessions     = maxSessions
	ResetAttempts   = resetAttempts
	TouchEvery      = touchEvery
)
