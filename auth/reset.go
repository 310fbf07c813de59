package auth

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// ResetFor is how long the link to a new password is good.
const ResetFor = time.Hour

// The limits of what asks for links may set going.
const (
	maxResets    = 64 // under way in this process
	resetTimeout = 30 * time.Second
)

// PasswordReset is a link that lets its reader set a new password.
type PasswordReset struct {
	User      User
	URL       string // [Config.ResetURL] with the token in its fragment, where no server logs it
	ExpiresAt time.Time
}

// NewPassword is what the reader of a link sets.
type NewPassword struct {
	Token    string // of the link
	Password string // MinPassword to MaxPassword characters
	Address  string // where the call comes from; "" = not known
}

// CanReset reports whether forgotten passwords can be replaced: the host sends
// links, see [Hooks.SendPasswordReset].
func (s *Service) CanReset() bool { return s.hooks.SendPasswordReset != nil }

// ForgotPassword has a link sent to the owner of a local account, if there is one.
// It returns before anybody looks for the account, so that neither the answer nor
// its time tells whether there is one. Errors: RateLimited, Unavailable when too
// many links are being sent, Conflict when the host sends none.
func (s *Service) ForgotPassword(ctx context.Context, email, address string) error {
	if !s.CanReset() {
		return problem.New(problem.Conflict, "reset_off", "this server sends no links to new passwords")
	}
	email, _ = normaliseEmail(email)
	if err := s.admit(ctx, address, ""); err != nil {
		return err
	}
	if err := s.perReset.Take(ctx, email, s.clock.Now()); err != nil {
		return err
	}
	if !s.startReset() {
		return &problem.Error{
			Kind: problem.Unavailable, Code: "reset_busy", RetryAfter: time.Second, Message: "too many links are being sent at this moment",
		}
	}
	go func() {
		defer s.resets.Release(1)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resetTimeout)
		defer cancel()
		s.sendReset(ctx, email)
	}()
	return nil
}

// startReset takes one of the places for links that are being sent. After Stop there
// is none: nothing may reach a database that is closed.
func (s *Service) startReset() bool {
	if !s.resets.TryAcquire(1) {
		return false
	}
	if s.stopped.Load() {
		s.resets.Release(1)
		return false
	}
	return true
}

// Stop waits until the links that are under way are sent, or ctx ends; from then on
// none is sent. It is safe to call twice.
func (s *Service) Stop(ctx context.Context) error {
	s.stopped.Store(true)
	if err := s.resets.Acquire(ctx, maxResets); err != nil {
		return fmt.Errorf("wait for links to new passwords: %w", err)
	}
	s.resets.Release(maxResets)
	if s.http != nil {
		s.http.CloseIdleConnections()
	}
	return nil
}

// sendReset looks for the account and has the host send the link. Nobody waits for
// it: what goes wrong is for the log.
func (s *Service) sendReset(ctx context.Context, email string) {
	defer func() {
		if v := recover(); v != nil {
			s.log.ErrorContext(ctx, "auth: a hook panicked", "hook", "SendPasswordReset", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	link, err := s.newReset(ctx, email)
	if problem.Is(err, problem.NotFound) {
		s.log.InfoContext(ctx, "auth: a link to a new password was asked for, and no account can have one")
		return
	}
	if err == nil {
		err = s.hooks.SendPasswordReset(ctx, link)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "auth: the link to a new password was not sent", "userId", link.User.ID, "error", err)
	}
}

// newReset makes a link, which voids the one before it.
func (s *Service) newReset(ctx context.Context, email string) (link PasswordReset, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		found, err := userByIdentity(ctx, tx, LocalIssuer, email)
		if err != nil {
			return err
		}
		user, err := lockUser(ctx, tx, s.db.Dialect, found.ID)
		if err != nil {
			return err
		}
		if user.Disabled {
			return problem.Missing("user")
		}
		token := newToken(resetMark)
		row := resetRow{UserID: user.ID, TokenHash: hashToken(token), ExpiresAt: s.clock.Now().Add(ResetFor)}
		_, err = tx.NewInsert().Model(&row).On("CONFLICT (user_id) DO UPDATE").
			Set("token_hash = EXCLUDED.token_hash").Set("expires_at = EXCLUDED.expires_at").Returning("NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("store the link to a new password: %w", err)
		}
		link = PasswordReset{User: user.user(), URL: s.resetURL + "#token=" + token, ExpiresAt: row.ExpiresAt}
		return s.audit(NewContext(ctx, user.principal()), tx, audit.Entry{Action: "user.forgot", ObjectType: "user", ObjectID: user.ID})
	})
	return link, err
}

// badReset says, and takes down, that a link is not good.
func (s *Service) badReset(ctx context.Context) error {
	s.denied(ctx, audit.Denial{Action: "user.reset", ObjectType: "user", Code: "reset_token_invalid"})
	return problem.New(problem.Unauthenticated, "reset_token_invalid", "the link to a new password is not valid").
		Fix("ask for a new one")
}

// ResetPassword sets the password of the account that a link is for, ends all of
// its sessions, and revokes its API keys in every tenant: whoever had the account
// may have made one. The link is good once; an Invalid password leaves it good.
// Errors: Unauthenticated for a link that is wrong, used or over, Invalid,
// RateLimited.
func (s *Service) ResetPassword(ctx context.Context, in NewPassword) error {
	if !checkToken(in.Token, resetMark) {
		return s.badReset(ctx)
	}
	if err := s.admit(ctx, in.Address, ""); err != nil {
		return err
	}
	// Hashing is expensive: only who has a link gets that far.
	if _, err := s.resetOf(ctx, s.db.DB, in.Token); err != nil {
		return err
	}
	var f problem.Faults
	checkPassword(&f, "password", in.Password)
	if err := f.Err("password_invalid", "the password was not changed"); err != nil {
		return err
	}
	hash, err := s.passwords.hash(ctx, in.Password)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		reset, err := s.resetOf(ctx, tx, in.Token)
		if err != nil {
			return err
		}
		user, err := lockUser(ctx, tx, s.db.Dialect, reset.UserID)
		if err != nil {
			return err
		}
		used, err := store.Changed(tx.NewDelete().Model((*resetRow)(nil)).Where("user_id = ?", user.ID).
			Where("token_hash = ?", reset.TokenHash).Exec(ctx))
		switch {
		case err != nil:
			return fmt.Errorf("use the link to a new password: %w", err)
		case used == 0 || user.Disabled:
			return s.badReset(ctx)
		}
		ctx = NewContext(ctx, user.principal())
		if err := s.setPassword(ctx, tx, &user, hash); err != nil {
			return err
		}
		return s.revokeKeysOf(ctx, tx, user.ID)
	})
}

func (s *Service) resetOf(ctx context.Context, db bun.IDB, token string) (row resetRow, err error) {
	err = db.NewSelect().Model(&row).Where("token_hash = ?", hashToken(token)).Where("expires_at > ?", s.clock.Now()).Scan(ctx)
	if store.IsMissing(err) {
		return row, s.badReset(ctx)
	}
	if err != nil {
		return row, fmt.Errorf("read the link to a new password: %w", err)
	}
	return row, nil
}

// dropReset voids the link of an account.
func dropReset(ctx context.Context, tx bun.IDB, userID string) error {
	if _, err := tx.NewDelete().Model((*resetRow)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return fmt.Errorf("drop the link to a new password: %w", err)
	}
	return nil
}

// resetRow is the one link of an account that is good.
type resetRow struct {
	bun.BaseModel `bun:"table:?schema.jet_password_reset,alias:pr"`

	UserID    string `bun:",pk"`
	TokenHash []byte
	ExpiresAt time.Time
}
