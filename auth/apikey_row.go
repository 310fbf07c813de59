package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
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
	CreatedAt  time.Time
	ExpiresAt  time.Time `bun:",nullzero"`
	LastUsedAt time.Time `bun:",nullzero"`
	RevokedAt  time.Time `bun:",nullzero"`

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

func (r *keyRow) key() (APIKey, error) {
	scopes, err := r.scopes()
	return APIKey{
		ID: r.ID, Name: r.Name, Prefix: keyMark + r.Prefix, Scopes: scopes, UserID: r.UserID,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: optional(r.ExpiresAt), LastUsedAt: optional(r.LastUsedAt),
	}, err
}

func (r *keyRow) scopes() ([]Permission, error) {
	var scopes []Permission
	if err := json.Unmarshal([]byte(r.Scopes), &scopes); err != nil {
		return nil, fmt.Errorf("read the scopes of api key %s: %w", r.ID, err)
	}
	return scopes, nil
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
