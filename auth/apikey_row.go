package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

type keyRow struct {
	bun.BaseModel `bun:"table:?schema.jet_api_key,alias:k"`

	ID         string `bun:",pk"`
	TenantID   string
	UserID     string
	Name       string
	Prefix     string
	SecretHash []byte
	Scopes     string
	Addresses  string
	CreatedAt  time.Time
	ExpiresAt  time.Time `bun:",nullzero"`
	LastUsedAt time.Time `bun:",nullzero"`
	RevokedAt  time.Time `bun:",nullzero"`
	Version    int

	PreviousHash  []byte    // of the secret before the last rotation
	PreviousUntil time.Time `bun:",nullzero"`

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

func (r *keyRow) key(now time.Time) (APIKey, error) {
	key := APIKey{
		ID: r.ID, Name: r.Name, Prefix: keyMark + r.Prefix, UserID: r.UserID, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: optional(r.ExpiresAt), LastUsedAt: optional(r.LastUsedAt), Version: r.Version,
	}
	if r.rotating(now) {
		key.PreviousUntil = optional(r.PreviousUntil)
	}
	var err error
	if key.Scopes, err = r.scopes(); err != nil {
		return key, err
	}
	key.Addresses, err = r.addresses()
	return key, err
}

// state is what a change of the key can change, for the record.
func (r *keyRow) state() map[string]any {
	return map[string]any{
		"name": r.Name, "scopes": json.RawMessage(r.Scopes), "addresses": json.RawMessage(r.Addresses),
		"expiresAt": optional(r.ExpiresAt), "previousUntil": optional(r.PreviousUntil),
	}
}

// rotating reports whether two secrets are good.
func (r *keyRow) rotating(now time.Time) bool { return now.Before(r.PreviousUntil) }

func (r *keyRow) scopes() ([]Permission, error) {
	var scopes []Permission
	if err := json.Unmarshal([]byte(r.Scopes), &scopes); err != nil {
		return nil, fmt.Errorf("read the scopes of api key %s: %w", r.ID, err)
	}
	return scopes, nil
}

func (r *keyRow) addresses() ([]string, error) {
	var addresses []string
	if err := json.Unmarshal([]byte(r.Addresses), &addresses); err != nil {
		return nil, fmt.Errorf("read the addresses of api key %s: %w", r.ID, err)
	}
	return addresses, nil
}

func (r *keyRow) setAddresses(addresses []string) {
	text, err := json.Marshal(addresses)
	if err != nil {
		panic(err) // strings always marshal
	}
	r.Addresses = string(text)
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func oneKey(ctx context.Context, q *bun.SelectQuery) (*keyRow, error) {
	row := new(keyRow)
	err := q.Model(row).Relation("User").Scan(ctx)
	if store.IsMissing(err) {
		return nil, refuse(errKeyUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("read the api key: %w", err)
	}
	return row, nil
}

// findKey reads a key of a tenant that was not revoked, and locks it for the
// transaction, if there is one.
func (s *Service) findKey(ctx context.Context, db bun.IDB, tenantID, keyID string) (*keyRow, error) {
	row := new(keyRow)
	q := db.NewSelect().Model(row).Where("k.tenant_id = ?", tenantID).Where("k.id = ?", keyID).Where("k.revoked_at IS NULL")
	err := s.db.Dialect.Lock(q).Scan(ctx)
	if store.IsMissing(err) {
		return nil, problem.Missing("api key")
	}
	if err != nil {
		return nil, fmt.Errorf("read the api key: %w", err)
	}
	return row, nil
}
