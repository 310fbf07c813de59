package auth

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// KeyUpdate changes an API key; a nil field stays as it is. Scopes cannot be
// changed: whoever holds the key would have something else than he was given.
type KeyUpdate struct {
	Name         *string
	Addresses    *[]string  // see [NewKey]; empty = from everywhere
	ExpiresAt    *time.Time // in the future
	NeverExpires bool       // takes the end away
	Version      int        // the version that the change is based on; 0 = whatever it is
}

// UpdateKey changes an API key of the tenant. It needs apikey.update, and for
// the key of somebody else also what its scopes stand for: nobody widens a right
// that he does not hold. An open connection that the key may not have any more
// ends when it is looked at again, within a second.
//
// A key that exists when Config.MaxKeyDays is lowered stays as it is, until it is
// changed: then it must expire within that time.
//
// Errors: Invalid; Forbidden, also for a caller who is not a person; NotFound;
// Conflict for a key that has expired; Stale.
func (s *Service) UpdateKey(ctx context.Context, keyID string, in KeyUpdate) (APIKey, error) {
	who, err := s.keyKeeper(ctx, keyID)
	if err != nil {
		return APIKey{}, err
	}
	if in, err = s.checkKeyUpdate(ctx, who, in); err != nil {
		return APIKey{}, err
	}
	if err := s.holdsKey(ctx, who, keyID); err != nil {
		return APIKey{}, err
	}
	row, err := s.changeKey(ctx, who, keyID, in.Version, string(APIKeyUpdate), func(row *keyRow) error {
		in.apply(row)
		return nil
	})
	if err != nil {
		return APIKey{}, err
	}
	return row.key(s.clock.Now())
}

// keyKeeper is who may change a key: a person, for a key makes no keys.
func (s *Service) keyKeeper(ctx context.Context, keyID string) (*Principal, error) {
	who, err := s.authorize(ctx, APIKeyUpdate, keyID)
	if err != nil {
		return nil, err
	}
	if _, err := Person(ctx); err != nil {
		return nil, err
	}
	if !id.Valid(keyID) {
		return nil, problem.Missing("api key")
	}
	return who, nil
}

// holdsKey asks of whoever did not make a key for what it can do. Neither scopes
// nor maker of a key ever change.
func (s *Service) holdsKey(ctx context.Context, who *Principal, keyID string) error {
	row, err := s.findKey(ctx, s.db.DB, who.TenantID, keyID)
	if err != nil || row.UserID == who.UserID {
		return err
	}
	scopes, err := row.scopes()
	if err != nil {
		return err
	}
	return s.holds(ctx, scopes)
}

func (s *Service) checkKeyUpdate(ctx context.Context, who *Principal, in KeyUpdate) (KeyUpdate, error) {
	days, err := s.maxKeyDays(ctx, s.db.DB, who.TenantID)
	if err != nil {
		return in, err
	}
	var f problem.Faults
	if in.Name != nil {
		name := checkName(&f, "name", *in.Name)
		in.Name = &name
	}
	if in.Addresses != nil {
		addresses := checkAddresses(&f, *in.Addresses)
		in.Addresses = &addresses
	}
	in.ExpiresAt = s.checkExpiry(&f, in.ExpiresAt)
	f.Check(in.ExpiresAt == nil || !in.NeverExpires, "neverExpires", "does not go with expiresAt")
	if in.ExpiresAt != nil || in.NeverExpires {
		s.checkAge(&f, in.ExpiresAt, days)
	}
	return in, keyInvalid(&f)
}

func (in KeyUpdate) apply(row *keyRow) {
	if in.Name != nil {
		row.Name = *in.Name
	}
	if in.Addresses != nil {
		row.setAddresses(*in.Addresses)
	}
	if in.ExpiresAt != nil {
		row.ExpiresAt = *in.ExpiresAt
	}
	if in.NeverExpires {
		row.ExpiresAt = time.Time{}
	}
}

// changeKey runs a change of a key with its row locked, and records it. A key that
// lasts longer than the tenant wants is changed when it also gets an end.
func (s *Service) changeKey(ctx context.Context, who *Principal, keyID string, version int, action string, change func(*keyRow) error) (row *keyRow, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = s.findKey(ctx, tx, who.TenantID, keyID); err != nil {
			return err
		}
		now := s.clock.Now()
		switch {
		case version != 0 && version != row.Version:
			return problem.New(problem.Stale, "stale", "the api key was changed since it was read")
		case !row.ExpiresAt.IsZero() && !now.Before(row.ExpiresAt):
			return problem.New(problem.Conflict, "apikey_expired", "the api key has expired").Fix("make a new one")
		}
		before := row.state()
		if err := change(row); err != nil {
			return err
		}
		if err := s.expiresInTime(ctx, tx, row); err != nil {
			return err
		}
		row.Version++
		_, err := tx.NewUpdate().Model(row).Where("tenant_id = ?", who.TenantID).Where("id = ?", keyID).
			Column("name", "addresses", "expires_at", "secret_hash", "previous_hash", "previous_until", "version").Exec(ctx)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: action, ObjectType: "apikey", ObjectID: keyID, Before: before, After: row.state(),
		})
	})
	return row, err
}
