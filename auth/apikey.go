package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/tenantid"
	"github.com/jetadmin/jetadmin/problem"
)

// APIKey is a credential for programs. It acts in one tenant, as whoever made
// it and with his present roles, but never beyond its scopes.
type APIKey struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	Prefix        string       `json:"prefix"` // what the key begins with, to tell keys apart; a rotation keeps it
	Scopes        []Permission `json:"scopes"`
	Addresses     []string     `json:"addresses"` // from where it is good, as CIDR prefixes; none = from everywhere
	UserID        string       `json:"userId"`    // who made it
	CreatedAt     time.Time    `json:"createdAt"`
	ExpiresAt     *time.Time   `json:"expiresAt"`     // nil = never
	LastUsedAt    *time.Time   `json:"lastUsedAt"`    // exact to a minute; nil = not yet
	PreviousUntil *time.Time   `json:"previousUntil"` // until when the secret before the last rotation is good too; nil = it is not
	Version       int          `json:"version"`
}

// NewKey is an API key to make.
type NewKey struct {
	Name      string       // 1 to 200 characters
	Scopes    []Permission // at least one; wildcards are allowed
	Addresses []string     // from where it is good, at most 50 addresses or CIDR prefixes; none = from everywhere
	ExpiresAt *time.Time   // in the future, and within Config.MaxKeyDays; nil = never
}

// Keys lists the API keys of the tenant that were not revoked, newest first.
// It needs apikey.list.
func (s *Service) Keys(ctx context.Context, r page.Request) (page.Page[APIKey], error) {
	who, err := s.authorize(ctx, APIKeyList, "")
	if err != nil {
		return page.Page[APIKey]{}, err
	}
	return page.List[keyRow, APIKey]{
		Key:   func(k APIKey) string { return k.ID },
		Query: s.db.NewSelect().Where("k.tenant_id = ?", who.TenantID).Where("k.revoked_at IS NULL"),
		Scope: []string{"apikeys", who.TenantID},
		View:  func(r *keyRow) (APIKey, error) { return r.key(s.clock.Now()) },
	}.Read(ctx, s.pages, r)
}

// CreateKey makes an API key for the caller, and returns its secret: the only
// time that anybody sees it. It needs apikey.create, and every permission that a
// scope stands for ([Permission.Expand]), each asked of Config.Authorize for the
// kind of object as a whole.
//
// Errors: Invalid; Forbidden when a scope goes beyond the caller's rights, or
// the caller is not a person: a key makes no keys; NotFound for who is no member any
// more; Conflict for a tenant that has 1,000 keys already.
func (s *Service) CreateKey(ctx context.Context, in NewKey) (key APIKey, secret string, err error) {
	who, err := s.authorize(ctx, APIKeyCreate, "")
	if err != nil {
		return APIKey{}, "", err
	}
	if _, err := Person(ctx); err != nil {
		return APIKey{}, "", err
	}
	if in, err = s.checkKey(ctx, who, in); err != nil {
		return APIKey{}, "", err
	}
	if err := s.holds(ctx, in.Scopes); err != nil {
		return APIKey{}, "", err
	}
	row, secret, err := s.newKeyRow(who, in)
	if err != nil {
		return APIKey{}, "", err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		// Else the key of who is being removed would wait for him to come back.
		if err := s.members.HoldMember(ctx, tx, who.TenantID, who.UserID); err != nil {
			return err
		}
		if err := s.expiresInTime(ctx, tx, &row); err != nil {
			return err
		}
		if err := s.roomForKey(ctx, tx, who.TenantID); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("store the api key: %w", err)
		}
		return s.audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: string(APIKeyCreate), ObjectType: "apikey", ObjectID: row.ID,
			After: row.state(), Detail: map[string]any{"prefix": row.Prefix},
		})
	})
	if err != nil {
		return APIKey{}, "", err
	}
	key, err = row.key(s.clock.Now())
	return key, secret, err
}

// maxKeys is how many keys of a tenant may be open.
const maxKeys = 1000

func (s *Service) roomForKey(ctx context.Context, tx bun.IDB, tenantID string) error {
	open, err := tx.NewSelect().Model((*keyRow)(nil)).Where("k.tenant_id = ?", tenantID).Where("k.revoked_at IS NULL").
		Where("k.expires_at IS NULL OR k.expires_at > ?", s.clock.Now()).Count(ctx)
	if err != nil {
		return fmt.Errorf("count the api keys: %w", err)
	}
	if open >= maxKeys {
		return problem.Newf(problem.Conflict, "too_many_keys", "there are %d API keys", open).Fix("revoke those that nobody uses")
	}
	return nil
}

// RevokeKey ends an API key of the tenant for good. It needs apikey.delete.
// Errors: NotFound, also for a key that is revoked already.
func (s *Service) RevokeKey(ctx context.Context, keyID string) error {
	who, err := s.authorize(ctx, APIKeyDelete, keyID)
	if err != nil {
		return err
	}
	if !id.Valid(keyID) {
		return problem.Missing("api key")
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := s.findKey(ctx, tx, who.TenantID, keyID)
		if err != nil {
			return err
		}
		return s.endKey(ctx, tx, row, nil)
	})
}

// revokeKeysOf ends the API keys of an account. It goes by tenant: two that do so
// at a time wait for one another's records in the same order.
func (s *Service) revokeKeysOf(ctx context.Context, tx bun.IDB, userID string) error {
	q := tx.NewSelect().Comment("across tenants: the keys of one account").Where("k.user_id = ?", userID)
	return s.endKeys(ctx, tx, q, "the password was reset")
}

// LeaveTenant ends the API keys that an account has in a tenant, in the transaction that
// takes it out of it. It asks for no right.
func (s *Service) LeaveTenant(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	q := tx.NewSelect().Where("k.tenant_id = ?", tenantID).Where("k.user_id = ?", userID)
	return s.endKeys(ctx, tx, q, "its owner has left the tenant")
}

func (s *Service) endKeys(ctx context.Context, tx bun.IDB, q *bun.SelectQuery, reason string) error {
	var rows []*keyRow
	q = q.Model(&rows).Where("k.revoked_at IS NULL").Order("k.tenant_id", "k.id")
	if err := s.db.Dialect.Lock(q).Scan(ctx); err != nil {
		return fmt.Errorf("read the api keys of the account: %w", err)
	}
	for _, row := range rows {
		if err := s.endKey(ctx, tx, row, map[string]any{"reason": reason}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) endKey(ctx context.Context, tx bun.IDB, row *keyRow, detail map[string]any) error {
	_, err := tx.NewUpdate().Model((*keyRow)(nil)).Set("revoked_at = ?", s.clock.Now()).
		Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("revoke the api key: %w", err)
	}
	return s.audit(ctx, tx, audit.Entry{
		TenantID: row.TenantID, Action: string(APIKeyDelete), ObjectType: "apikey", ObjectID: row.ID, Before: row.state(), Detail: detail,
	})
}

func (s *Service) checkKey(ctx context.Context, who *Principal, in NewKey) (NewKey, error) {
	days, err := s.maxKeyDays(ctx, s.db.DB, who.TenantID)
	if err != nil {
		return in, err
	}
	var f problem.Faults
	in.Name = checkName(&f, "name", in.Name)
	f.Check(len(in.Scopes) > 0, "scopes", "must not be empty")
	for i, scope := range in.Scopes {
		f.Check(len(scope.Expand()) > 0, fmt.Sprintf("scopes.%d", i), "is not a permission")
	}
	in.Scopes = slices.Compact(slices.Sorted(slices.Values(in.Scopes)))
	in.Addresses = checkAddresses(&f, in.Addresses)
	in.ExpiresAt = s.checkExpiry(&f, in.ExpiresAt)
	s.checkAge(&f, in.ExpiresAt, days)
	return in, keyInvalid(&f)
}

func (s *Service) checkExpiry(f *problem.Faults, at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	rounded := clock.Round(*at)
	f.Check(rounded.After(s.clock.Now()), "expiresAt", "must be in the future")
	return &rounded
}

// checkAge holds the end of a key, nil = never, against the days within which it must
// expire.
func (s *Service) checkAge(f *problem.Faults, at *time.Time, days int) {
	if days == 0 {
		return
	}
	latest := s.clock.Now().Add(time.Duration(days) * 24 * time.Hour)
	f.Check(at != nil && !at.After(latest), "expiresAt", fmt.Sprintf("must be given, and at most %d days from now: this workspace has no key that lasts longer", days))
}

// expiresInTime is [Service.checkAge] of a key that is about to be stored.
func (s *Service) expiresInTime(ctx context.Context, tx bun.IDB, row *keyRow) error {
	days, err := s.maxKeyDays(ctx, tx, row.TenantID)
	if err != nil {
		return err
	}
	var f problem.Faults
	s.checkAge(&f, optional(row.ExpiresAt), days)
	if err := keyInvalid(&f); err != nil {
		return problem.Of(err).Fix("change its expiresAt first")
	}
	return nil
}

// keyInvalid is what is wrong with a key.
func keyInvalid(f *problem.Faults) error { return f.Err("apikey_invalid", "the api key is not valid") }

// holds asks whether the caller has all of what the scopes stand for.
func (s *Service) holds(ctx context.Context, scopes []Permission) error {
	var beyond []string
	for _, scope := range scopes {
		for _, p := range scope.Expand() {
			held, err := s.authorize.May(ctx, p, "")
			if err != nil {
				return err
			}
			if !held {
				beyond = append(beyond, string(scope))
				break
			}
		}
	}
	if len(beyond) > 0 {
		s.denied(ctx, audit.Denial{TenantID: tenantid.FromContext(ctx), Action: string(APIKeyCreate), ObjectType: "apikey", Code: "scope_not_held"})
		return problem.Newf(problem.Forbidden, "scope_not_held", "you do not hold all of %s yourself", strings.Join(beyond, ", "))
	}
	return nil
}

func (s *Service) newKeyRow(who *Principal, in NewKey) (row keyRow, secret string, err error) {
	scopes, err := json.Marshal(in.Scopes)
	if err != nil {
		return keyRow{}, "", fmt.Errorf("write the scopes: %w", err)
	}
	secret, prefix := newKeyToken()
	row = keyRow{
		ID: id.New(), TenantID: who.TenantID, UserID: who.UserID, Name: in.Name,
		Prefix: prefix, SecretHash: hashToken(secret), Scopes: string(scopes), CreatedAt: s.clock.Now(), Version: 1,
	}
	row.setAddresses(in.Addresses)
	if in.ExpiresAt != nil {
		row.ExpiresAt = *in.ExpiresAt
	}
	return row, secret, nil
}
