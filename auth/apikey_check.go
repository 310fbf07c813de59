package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

var (
	errKeyUnknown  = errors.New("no such api key")
	errKeySecret   = errors.New("the secret of the api key is wrong")
	errKeyRevoked  = errors.New("the api key is revoked")
	errKeyExpired  = errors.New("the api key has expired")
	errKeyUnscoped = errors.New("the api key has no scopes")
)

// principal judges a key that was read with its user.
func (r *keyRow) principal(now time.Time) (*Principal, error) {
	switch {
	case !r.RevokedAt.IsZero():
		return nil, refuse(errKeyRevoked)
	case !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		return nil, refuse(errKeyExpired)
	case r.User.Disabled:
		return nil, refuse(errAccountDisabled)
	}
	scopes, err := r.scopes()
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		return nil, refuse(errKeyUnscoped)
	}
	return &Principal{Kind: KindAPIKey, UserID: r.UserID, KeyID: r.ID, TenantID: r.TenantID, Scopes: scopes}, nil
}

// byKey recognises an API key.
func (s *Service) byKey(ctx context.Context, token string) (*Principal, error) {
	prefix, ok := keyPrefix(token)
	if !ok {
		return nil, refuse(errTokenMalformed)
	}
	row, err := oneKey(ctx, s.db.NewSelect().
		Comment("across tenants: a key says by its prefix of which it is").Where("k.prefix = ?", prefix))
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(hashToken(token), row.SecretHash) != 1 {
		return nil, refuse(errKeySecret)
	}
	now := s.clock.Now()
	p, err := row.principal(now)
	if err != nil {
		return nil, err
	}
	if p, err = s.confined(ctx, p, p.TenantID); err != nil {
		return nil, err
	}
	if now.Sub(row.LastUsedAt) >= touchEvery {
		s.touch(ctx, "api key", s.db.NewUpdate().Model((*keyRow)(nil)).Set("last_used_at = ?", now).
			Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).
			WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
				return q.Where("last_used_at IS NULL").WhereOr("last_used_at <= ?", now.Add(-touchEvery))
			}))
	}
	return p, nil
}

func (s *Service) keyStillGood(ctx context.Context, p *Principal) (*Principal, error) {
	row, err := oneKey(ctx, s.db.NewSelect().Where("k.tenant_id = ?", p.TenantID).Where("k.id = ?", p.KeyID))
	if err != nil {
		return nil, err
	}
	fresh, err := row.principal(s.clock.Now())
	if err != nil {
		return nil, err
	}
	return s.confined(ctx, fresh, fresh.TenantID)
}
