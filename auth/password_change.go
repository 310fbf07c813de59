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

	// KeepKeys leaves the API keys of the account good. Default: they are revoked in
	// every tenant, for whoever had the old password may have made one.
	KeepKeys bool

	UserAgent string // of the session that begins, as of [Credentials]
	Address   string // where the call comes from, for the limit of attempts; "" = not known
}

// ChangePassword replaces the caller's own password. All of his sessions end, that
// of the call too, for somebody may have copied its token; a new one begins, which
// is returned. His API keys are revoked unless he says otherwise.
//
// Errors: Invalid (a wrong old password included), RateLimited, Conflict for an
// account that lives in another system or was changed meanwhile.
func (s *Service) ChangePassword(ctx context.Context, in PasswordChange) (Login, error) {
	who, err := Person(ctx)
	if err != nil {
		return Login{}, err
	}
	row, err := userByID(ctx, s.db.DB, who.UserID)
	if err != nil {
		return Login{}, err
	}
	if err := row.editable(0); err != nil {
		return Login{}, err
	}
	if err := s.admit(ctx, in.Address, row.Subject); err != nil {
		return Login{}, err
	}
	hash, err := s.newPassword(ctx, row, in)
	if err != nil {
		return Login{}, err
	}
	var login Login
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		login, err = s.replacePassword(ctx, tx, row, hash, in)
		return err
	})
	if err != nil {
		return Login{}, err
	}
	return login, nil
}

// newPassword checks a change and hashes what is to be stored.
func (s *Service) newPassword(ctx context.Context, row userRow, in PasswordChange) (string, error) {
	var f problem.Faults
	checkPassword(&f, "new", in.New)
	f.Check(in.New != in.Old, "new", "must not be the old one")
	stored, usable := s.storedHash(ctx, row)
	match, err := s.passwords.matches(ctx, stored, in.Old)
	if err != nil {
		return "", err
	}
	if !match || !usable {
		f.Add("old", "is not the password of this account")
		s.denied(ctx, audit.Denial{Action: "user.password", ObjectType: "user", ObjectID: row.ID, Code: "password_wrong"})
	}
	if err := f.Err("password_invalid", "the password was not changed"); err != nil {
		return "", err
	}
	return s.passwords.hash(ctx, in.New)
}

func (s *Service) replacePassword(ctx context.Context, tx bun.IDB, verified userRow, hash string, in PasswordChange) (Login, error) {
	row, err := lockUser(ctx, tx, s.db.Dialect, verified.ID)
	if err != nil {
		return Login{}, err
	}
	if row.Disabled || row.PasswordHash != verified.PasswordHash {
		return Login{}, problem.New(problem.Conflict, "password_changed", "the password was changed meanwhile")
	}
	if err := s.setPassword(ctx, tx, &row, hash); err != nil {
		return Login{}, err
	}
	if !in.KeepKeys {
		if err := s.revokeKeysOf(ctx, tx, row.ID); err != nil {
			return Login{}, err
		}
	}
	return s.beginSession(ctx, tx, row, newSession{userAgent: in.UserAgent, address: in.Address})
}

// setPassword stores the hash of a new password in a row that the transaction has
// locked. What the old one has begun ends: all sessions, and a link to another new
// one.
func (s *Service) setPassword(ctx context.Context, tx bun.IDB, row *userRow, hash string) error {
	row.PasswordHash = hash
	if err := s.saveUser(ctx, tx, row, "password_hash"); err != nil {
		return err
	}
	if err := dropReset(ctx, tx, row.ID); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, row.ID); err != nil {
		return fmt.Errorf("after a new password: %w", err)
	}
	return s.audit(ctx, tx, audit.Entry{Action: "user.password", ObjectType: "user", ObjectID: row.ID})
}
