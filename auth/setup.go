package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// SetupFor is how long a set-up token is good.
const SetupFor = 24 * time.Hour

// theSetup is the one row of jet_setup.
const theSetup = 1

// Setup makes the first account.
type Setup struct {
	Token     string // of [Service.PrepareSetup], from the log
	Email     string
	Name      string
	Password  string
	UserAgent string
	Address   string // "" = not known
}

// PrepareSetup makes the token with which the first account is made, to be
// written to the log and nowhere else. It is good once and for [SetupFor]; a
// token made before it is void. Once there is any account the token is "".
func (s *Service) PrepareSetup(ctx context.Context) (token string, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if token, err = "", s.noAccount(ctx, tx); problem.Is(err, problem.Conflict) {
			return nil
		} else if err != nil {
			return err
		}
		token = newToken(setupMark)
		row := setupRow{ID: theSetup, TokenHash: hashToken(token), ExpiresAt: s.clock.Now().Add(SetupFor)}
		_, err := tx.NewInsert().Model(&row).
			On("CONFLICT (id) DO UPDATE").
			Set("token_hash = EXCLUDED.token_hash").
			Set("expires_at = EXCLUDED.expires_at").
			Set("used_at = NULL").
			Returning("NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("store the set-up token: %w", err)
		}
		return nil
	})
	return token, err
}

// Setup makes the first account and its first session. Errors: Conflict once
// there is an account, whatever the token; Unauthenticated for a token that is
// wrong or over; Invalid, which leaves the token good; RateLimited.
func (s *Service) Setup(ctx context.Context, in Setup) (Login, error) {
	if err := s.admit(ctx, in.Address, ""); err != nil {
		return Login{}, err
	}
	// Hashing is expensive: only who has the token gets that far.
	if err := s.setupOpen(ctx, in.Token); err != nil {
		return Login{}, err
	}
	user, err := s.newLocalUser(ctx, NewUser{Email: in.Email, Name: in.Name, Password: in.Password})
	if err != nil {
		return Login{}, err
	}
	var login Login
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.useSetup(ctx, tx, in.Token); err != nil {
			return err
		}
		if err := insertUser(ctx, tx, &user); err != nil {
			return err
		}
		if login, err = s.beginSession(ctx, tx, user, newSession{userAgent: in.UserAgent, address: in.Address}); err != nil {
			return err
		}
		ctx = NewContext(ctx, user.principal())
		return s.audit(ctx, tx, audit.Entry{Action: "user.setup", ObjectType: "user", ObjectID: user.ID})
	})
	if err != nil {
		return Login{}, err
	}
	s.tell(ctx, "AfterLogin", s.hooks.AfterLogin, login.User)
	return login, nil
}

// badSetupToken says, and takes down, that a token is not good: for ever, once there is
// an account.
func (s *Service) badSetupToken(ctx context.Context, db bun.IDB) error {
	if err := s.noAccount(ctx, db); err != nil {
		return err
	}
	s.denied(ctx, audit.Denial{Action: "user.setup", ObjectType: "user", Code: "setup_token_invalid"})
	return problem.New(problem.Unauthenticated, "setup_token_invalid", "the set-up token is not valid").
		Fix("use the newest one in the server's log, or restart the server for another")
}

func (s *Service) setupOpen(ctx context.Context, token string) error {
	n, err := s.db.NewSelect().Model((*setupRow)(nil)).Where("id = ?", theSetup).
		Where("token_hash = ?", hashToken(token)).Where("used_at IS NULL").
		Where("expires_at > ?", s.clock.Now()).Count(ctx)
	if err != nil {
		return fmt.Errorf("read the set-up token: %w", err)
	}
	if n == 0 {
		return s.badSetupToken(ctx, s.db.DB)
	}
	return nil
}

// useSetup uses the token up. Of two at the same time the second waits for the
// row and then finds it used.
func (s *Service) useSetup(ctx context.Context, tx bun.IDB, token string) error {
	now := s.clock.Now()
	n, err := store.Changed(tx.NewUpdate().Model((*setupRow)(nil)).Set("used_at = ?", now).
		Where("id = ?", theSetup).Where("token_hash = ?", hashToken(token)).
		Where("used_at IS NULL").Where("expires_at > ?", now).Exec(ctx))
	if err != nil {
		return fmt.Errorf("use the set-up token: %w", err)
	}
	if n == 0 {
		return s.badSetupToken(ctx, tx)
	}
	return s.noAccount(ctx, tx)
}

func (s *Service) noAccount(ctx context.Context, db bun.IDB) error {
	exists, err := db.NewSelect().Model((*userRow)(nil)).Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for an account: %w", err)
	}
	if exists {
		return problem.New(problem.Conflict, "setup_done", "the set-up is done").
			Fix("sign in; further accounts are made by whoever runs the server")
	}
	return nil
}

type setupRow struct {
	bun.BaseModel `bun:"table:?schema.jet_setup,alias:setup"`

	ID        int `bun:",pk"`
	TokenHash []byte
	ExpiresAt time.Time
	UsedAt    time.Time `bun:",nullzero"`
}
