package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/problem"
)

var (
	errKeyUnknown   = errors.New("no such api key")
	errKeySecret    = errors.New("the secret of the api key is wrong")
	errKeyRevoked   = errors.New("the api key is revoked")
	errKeyExpired   = errors.New("the api key has expired")
	errKeyElsewhere = errors.New("the api key is not good from this address")
	errKeyRotated   = errors.New("the secret of the api key was replaced, and its overlap is over")
	errKeyUnscoped  = errors.New("the api key has no scopes")
)

// keyUse is how a key came: what is asked again while its connection lasts.
type keyUse struct {
	from netip.Addr
	hash []byte // of the secret

	elsewhere bool // nobody has come with it: it is asked for itself, from no address
}

// principal judges a key that was read with its user.
func (r *keyRow) principal(now time.Time, use *keyUse) (*Principal, error) {
	addresses, err := r.addresses()
	if err != nil {
		return nil, err
	}
	scopes, err := r.scopes()
	if err != nil {
		return nil, err
	}
	switch {
	case !r.RevokedAt.IsZero():
		return nil, refuse(errKeyRevoked)
	case !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		return nil, refuse(errKeyExpired)
	case !bytes.Equal(use.hash, r.SecretHash) && !(bytes.Equal(use.hash, r.PreviousHash) && r.rotating(now)):
		return nil, refuse(errKeyRotated)
	case r.User.Disabled:
		return nil, refuse(errAccountDisabled)
	case !use.elsewhere && !admits(addresses, use.from):
		return nil, refuse(errKeyElsewhere)
	case len(scopes) == 0:
		return nil, refuse(errKeyUnscoped)
	}
	return &Principal{Kind: KindAPIKey, UserID: r.UserID, KeyID: r.ID, TenantID: r.TenantID, Scopes: scopes, use: use}, nil
}

// opens compares the hash of a token with both secrets that a key may have. It
// does the same whichever of them it is, and for a key that is not there: what is
// missing is compared as if it were there.
func (r *keyRow) opens(compare func(a, b []byte) int, hash []byte) bool {
	found := compare(hash, whole(r.SecretHash)) | compare(hash, whole(r.PreviousHash))
	return found == 1 && r.ID != ""
}

// whole is a stored hash, or something of its size that is the hash of nothing
// known.
func whole(hash []byte) []byte {
	if len(hash) != sha256.Size {
		return make([]byte, sha256.Size)
	}
	return hash
}

// byKey recognises an API key.
func (s *Service) byKey(ctx context.Context, token string) (*Principal, error) {
	prefix, ok := keyPrefix(token)
	if !ok {
		return nil, refuse(errTokenMalformed)
	}
	row, err := oneKey(ctx, s.db.NewSelect().
		Comment("across tenants: a key says by its prefix of which it is").Where("k.prefix = ?", prefix))
	unknown := problem.Is(err, problem.Unauthenticated)
	if err != nil && !unknown {
		return nil, err
	}
	if unknown {
		row = new(keyRow)
	}
	use := &keyUse{from: AddressFrom(ctx), hash: hashToken(token)}
	if !row.opens(subtle.ConstantTimeCompare, use.hash) {
		if unknown {
			return nil, err
		}
		return nil, refuse(&keyRefusal{row, errKeySecret})
	}
	p, err := s.judge(ctx, row, use)
	if problem.Is(err, problem.Unauthenticated) {
		return nil, refuse(&keyRefusal{row, problem.Of(err).Cause})
	}
	if err == nil {
		s.touchKey(ctx, row, s.clock.Now())
	}
	return p, err
}

// judge decides on a key whose secret is right.
func (s *Service) judge(ctx context.Context, row *keyRow, use *keyUse) (*Principal, error) {
	p, err := row.principal(s.clock.Now(), use)
	if err != nil {
		return nil, err
	}
	return s.confined(ctx, p, p.TenantID)
}

// keyRefusal is why a key was refused, with the key: its tenant learns of it.
type keyRefusal struct {
	row    *keyRow
	reason error
}

func (r *keyRefusal) Error() string { return r.reason.Error() }
func (r *keyRefusal) Unwrap() error { return r.reason }

// denialOf is a refused credential as it is recorded: a known key in its tenant
// with the reason, everything else without a tenant.
func denialOf(err error) audit.Denial {
	d := audit.Denial{Action: "session.authenticate", ObjectType: "session", Code: problem.Of(err).Code}
	if key, ok := errors.AsType[*keyRefusal](err); ok {
		d.TenantID, d.Action, d.ObjectType, d.ObjectID, d.Code = key.row.TenantID, "apikey.authenticate", "apikey", key.row.ID, key.Error()
	}
	return d
}

func (s *Service) touchKey(ctx context.Context, row *keyRow, now time.Time) {
	if now.Sub(row.LastUsedAt) < touchEvery {
		return
	}
	s.touch(ctx, "api key", s.db.NewUpdate().Model((*keyRow)(nil)).Set("last_used_at = ?", now).
		Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).
		WhereGroup(" AND ", func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Where("last_used_at IS NULL").WhereOr("last_used_at <= ?", now.Add(-touchEvery))
		}))
}

// keyStillGood asks again, with the secret and from the address of the beginning.
func (s *Service) keyStillGood(ctx context.Context, p *Principal) (*Principal, error) {
	row, err := oneKey(ctx, s.db.NewSelect().Where("k.tenant_id = ?", p.TenantID).Where("k.id = ?", p.KeyID))
	if err != nil {
		return nil, err
	}
	use := p.use
	if use == nil { // a principal that the host made without a token
		use = &keyUse{hash: row.SecretHash, elsewhere: true}
	}
	return s.judge(ctx, row, use)
}
