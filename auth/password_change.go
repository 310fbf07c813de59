package auth

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/problem"
)

// PasswordChange is the caller's old password and the one that replaces it.
type PasswordChange struct {
	Old string
	New string // MinPassword to MaxPassword characters
}

// ChangePassword replaces the caller's own password and ends all of his
// sessions but the one of the call. Errors: Invalid (a wrong old password
// included), RateLimited, Conflict for an account that lives in another system
// or was changed meanwhile.
func (s *Service) ChangePassword(ctx context.Context, in PasswordChange) error {
	who, err := Person(ctx)
	if err != nil {
		return err
	}
	row, err := userByID(ctx, s.db.DB, who.UserID)
	if err != nil {
		return err
	}
	if err := row.editable(0); err != nil {
		return err
	}
	if err := s.admit(ctx, "", row.Subject); err != nil {
		return err
	}
	hash, err := s.newPassword(ctx, row, in)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		return s.replacePassword(ctx, tx, row, hash, who.SessionID)
	})
}

// newPassword checks a change and hashes what is to be stored.
func (s *Service) newPassword(ctx context.Context, row userRow, in PasswordChange) (string, error) {
	var f problem.Faults
	checkPassword(&f, "new", in.New)
	stored, usable := s.storedHash(ctx, row)
	match, err := s.passwords.matches(ctx, stored, in.Old)
	if err != nil {
		return "", err
	}
	f.Check(match && usable, "old", "is not the password of this account")
	if err := f.Err("password_invalid", "the password was not changed"); err != nil {
		return "", err
	}
	return s.passwords.hash(ctx, in.New)
}

func (s *Service) replacePassword(ctx context.Context, tx bun.IDB, verified userRow, hash, session string) error {
	row, err := lockUser(ctx, tx, s.db.Dialect, verified.ID)
	if err != nil {
		return err
	}
	if row.PasswordHash != verified.PasswordHash {
		return problem.New(problem.Conflict, "password_changed", "the password was changed meanwhile")
	}
	return s.setPassword(ctx, tx, &row, hash, session)
}

// setPassword stores the hash of a new password in a row that the transaction has
// locked. What the old one has begun ends: all sessions but one ("" = all), and a
// link to another new one.
func (s *Service) setPassword(ctx context.Context, tx bun.IDB, row *userRow, hash, session string) error {
	row.PasswordHash = hash
	if err := s.saveUser(ctx, tx, row, "password_hash"); err != nil {
		return err
	}
	if err := dropReset(ctx, tx, row.ID); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, row.ID, session); err != nil {
		return fmt.Errorf("after a new password: %w", err)
	}
	return s.audit(ctx, tx, audit.Entry{Action: "user.password", ObjectType: "user", ObjectID: row.ID})
}
