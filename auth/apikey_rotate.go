package auth

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/problem"
)

// The bounds of how long two secrets of an API key are good.
const (
	DefaultKeyOverlap = 24 * time.Hour
	MaxKeyOverlap     = 30 * 24 * time.Hour
)

// RotateKey gives an API key another secret and returns it: the only time that
// anybody sees it. Everything else stays: id, prefix, scopes, addresses, expiry.
// The secret before is good for the overlap too, and no longer; 0 ends it at
// once, and with it one whose overlap still lasts. version is the one that was read, 0 = any.
//
// It needs apikey.update, and the caller is who made the key: the secret lets
// its holder act as him.
//
// Errors: Invalid for an overlap of less than 0 or more than [MaxKeyOverlap], and for a
// key that does not expire within Config.MaxKeyDays: [Service.UpdateKey] gives it an end;
// Forbidden; NotFound; Conflict while the overlap of a rotation lasts, unless the
// new one is 0, and for a key that has expired; Stale.
func (s *Service) RotateKey(ctx context.Context, keyID string, overlap time.Duration, version int) (key APIKey, secret string, err error) {
	who, err := s.keyKeeper(ctx, keyID)
	if err != nil {
		return APIKey{}, "", err
	}
	var f problem.Faults
	f.Check(overlap >= 0 && overlap <= MaxKeyOverlap, "overlap", "must be 0s to 30d")
	if err := f.Err("apikey_invalid", "the api key cannot be rotated"); err != nil {
		return APIKey{}, "", err
	}
	row, err := s.changeKey(ctx, who, keyID, version, "apikey.rotate", func(row *keyRow) error {
		secret, err = s.replaceSecret(row, who, overlap)
		return err
	})
	if problem.Is(err, problem.Forbidden) {
		s.denied(ctx, audit.Denial{TenantID: who.TenantID, Action: "apikey.rotate", ObjectType: "apikey", ObjectID: keyID, Code: problem.Of(err).Code})
	}
	if err != nil {
		return APIKey{}, "", err
	}
	key, err = row.key(s.clock.Now())
	return key, secret, err
}

func (s *Service) replaceSecret(row *keyRow, who *Principal, overlap time.Duration) (string, error) {
	now := s.clock.Now()
	switch {
	case row.UserID != who.UserID:
		return "", problem.New(problem.Forbidden, "apikey_not_yours", "only who made an api key gets a secret of it").
			Fix("revoke it, and make one of your own")
	case row.rotating(now) && overlap > 0:
		return "", problem.Newf(problem.Conflict, "rotation_under_way", "the secret before is good until %s", row.PreviousUntil.UTC().Format(time.RFC3339)).
			Fix("wait for the end of the overlap, or rotate with an overlap of 0s, which ends every secret before")
	}
	row.PreviousHash, row.PreviousUntil = nil, time.Time{}
	if overlap > 0 {
		row.PreviousHash, row.PreviousUntil = row.SecretHash, now.Add(overlap)
	}
	secret := newKeySecret(row.Prefix)
	row.SecretHash = hashToken(secret)
	return secret, nil
}
