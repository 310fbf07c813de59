package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

var (
	errSessionUnknown  = errors.New("no such session")
	errSessionExpired  = errors.New("the session has expired")
	errSessionIdle     = errors.New("the session was not used for too long")
	errAccountDisabled = errors.New("the account is disabled")
)

// ended is the reason why a session is no longer good, or nil.
func (r *sessionRow) ended(now time.Time, idle time.Duration) error {
	switch {
	case !now.Before(r.ExpiresAt):
		return errSessionExpired
	case now.Sub(r.LastSeenAt) >= idle:
		return errSessionIdle
	}
	return nil
}

// principal judges a session that was read with its user.
func (r *sessionRow) principal(now time.Time, idle time.Duration) (*Principal, error) {
	if err := r.ended(now, idle); err != nil {
		return nil, refuse(err)
	}
	if r.User.Disabled {
		return nil, refuse(errAccountDisabled)
	}
	claims, err := r.claims()
	if err != nil {
		return nil, fmt.Errorf("read the claims of a session: %w", err)
	}
	p := r.User.principal()
	p.SessionID, p.Claims = r.ID, claims
	return p, nil
}

// bySession recognises a session token.
func (s *Service) bySession(ctx context.Context, token string) (*Principal, error) {
	if !checkToken(token, sessionMark) {
		return nil, refuse(errTokenMalformed)
	}
	row, err := oneSession(ctx, s.db.DB, "s.token_hash = ?", hashToken(token))
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	p, err := row.principal(now, s.sessionIdle)
	if err == nil && now.Sub(row.LastSeenAt) >= touchEvery {
		s.touch(ctx, "session", s.db.NewUpdate().Model((*sessionRow)(nil)).
			Set("last_seen_at = ?", now).
			Where("id = ?", row.ID).Where("last_seen_at <= ?", now.Add(-touchEvery)))
	}
	return p, err
}

// touch notes a use. The credential is good with or without the note, so that
// failing to write it does not fail the call.
func (s *Service) touch(ctx context.Context, what string, update *bun.UpdateQuery) {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := update.Conn(tx).Exec(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "auth: the use of a credential was not noted", "credential", what, "error", err)
	}
}
