package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

type userRow struct {
	bun.BaseModel `bun:"table:?schema.jet_user,alias:u"`

	ID           string `bun:",pk"`
	Issuer       string
	Subject      string
	Email        string
	Name         string
	PasswordHash string `bun:",nullzero"` // "" = cannot sign in with a password
	Disabled     bool
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int
}

func (r userRow) user() User {
	return User{
		ID: r.ID, Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, Name: r.Name, Disabled: r.Disabled,
		Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func (r userRow) principal() *Principal {
	return &Principal{
		Kind: KindUser, UserID: r.ID,
		Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, Name: r.Name,
	}
}

func (r userRow) editable(version int) error {
	switch {
	case r.Issuer != LocalIssuer:
		return problem.New(problem.Conflict, "user_external", "this account is kept by another system").
			Fix("change it where it is kept")
	case version != 0 && version != r.Version:
		return problem.New(problem.Stale, "stale", "the account was changed since it was read")
	}
	return nil
}

// saveUser writes the named columns of a row that the transaction has locked.
func (s *Service) saveUser(ctx context.Context, tx bun.IDB, row *userRow, columns ...string) error {
	row.UpdatedAt = s.clock.Now()
	row.Version++
	_, err := tx.NewUpdate().Model(row).Column(append(columns, "updated_at", "version")...).WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("save the account: %w", err)
	}
	return nil
}

func insertUser(ctx context.Context, db bun.IDB, row *userRow) error {
	_, err := db.NewInsert().Model(row).Exec(ctx)
	if store.IsUnique(err) {
		return problem.New(problem.Conflict, "user_exists", "there is an account with this e-mail address")
	}
	if err != nil {
		return fmt.Errorf("make the account: %w", err)
	}
	return nil
}

func userByID(ctx context.Context, db bun.IDB, userID string) (userRow, error) {
	return oneUser(ctx, db.NewSelect().Where("u.id = ?", userID))
}

func userByIdentity(ctx context.Context, db bun.IDB, issuer, subject string) (userRow, error) {
	return oneUser(ctx, db.NewSelect().Where("u.issuer = ?", issuer).Where("u.subject = ?", subject))
}

// lockUser reads an account for a change: whoever else would change it, or
// begin a session of it, waits for the end of the transaction.
func lockUser(ctx context.Context, tx bun.IDB, d store.Dialect, userID string) (userRow, error) {
	return oneUser(ctx, tx.NewSelect().Where("u.id = ?", userID).Apply(d.Lock))
}

func oneUser(ctx context.Context, q *bun.SelectQuery) (userRow, error) {
	var row userRow
	err := q.Model(&row).Scan(ctx)
	if store.IsMissing(err) {
		return userRow{}, problem.Missing("user")
	}
	if err != nil {
		return userRow{}, fmt.Errorf("read the account: %w", err)
	}
	return row, nil
}

// state is what a change of the account can change, for the record.
func (r *userRow) state() map[string]any {
	return map[string]any{"email": r.Email, "name": r.Name, "disabled": r.Disabled}
}
