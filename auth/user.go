package auth

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// LocalIssuer is the issuer of the accounts that sign in with a password here.
// No [Authenticator] may claim it.
const LocalIssuer = "local"

// User is an account.
type User struct {
	ID        string    `json:"id"`
	Issuer    string    `json:"issuer"`  // who vouches for it: LocalIssuer, or another system
	Subject   string    `json:"subject"` // its id there; here the e-mail address it was made with
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Disabled  bool      `json:"disabled"`
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// NewUser is a local account to make.
type NewUser struct {
	Email    string
	Name     string
	Password string // MinPassword to MaxPassword characters
}

// MeUpdate changes the caller's own account. A nil field stays as it is.
type MeUpdate struct {
	Name    *string
	Version int // the version that was read; 0 = do not check
}

// Me returns the account of the caller; that of its maker, for an API key.
// Without one the error is Unauthenticated.
func (s *Service) Me(ctx context.Context) (User, error) {
	who := FromContext(ctx)
	if who == nil || who.UserID == "" {
		return User{}, problem.New(problem.Unauthenticated, "unauthenticated", "sign in first")
	}
	row, err := userByID(ctx, s.db.DB, who.UserID)
	return row.user(), err
}

// UpdateMe changes the caller's own local account. Errors: Invalid, Stale,
// Forbidden for a key, Conflict for an account that lives in another system.
func (s *Service) UpdateMe(ctx context.Context, in MeUpdate) (User, error) {
	who, err := Person(ctx)
	if err != nil {
		return User{}, err
	}
	var f problem.Faults
	if in.Name != nil {
		name := checkName(&f, "name", *in.Name)
		in.Name = &name
	}
	if err := f.Err("user_invalid", "the account is not valid"); err != nil {
		return User{}, err
	}
	var row userRow
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = lockUser(ctx, tx, s.db.Dialect, who.UserID); err != nil {
			return err
		}
		if err := row.editable(in.Version); err != nil {
			return err
		}
		if in.Name == nil || *in.Name == row.Name {
			return nil
		}
		before := row.state()
		row.Name = *in.Name
		if err := s.saveUser(ctx, tx, &row, "name"); err != nil {
			return err
		}
		return s.audit(ctx, tx, audit.Entry{Action: "user.update", ObjectType: "user", ObjectID: row.ID, Before: before, After: row.state()})
	})
	return row.user(), err
}

// CreateUser makes a local account. It is for the host program, needs no
// principal, and checks no permission. Errors: Invalid, Conflict when the e-mail
// address has an account.
func (s *Service) CreateUser(ctx context.Context, in NewUser) (User, error) {
	store, err := s.DraftUser(ctx, in)
	if err != nil {
		return User{}, err
	}
	var user User
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		user, err = store(ctx, tx)
		return err
	})
	return user, err
}

// DraftUser is [Service.CreateUser] in two steps: it checks the input and hashes
// the password, which takes its time, and returns what makes the account in a
// transaction of the caller. Errors: Invalid now, Conflict then.
func (s *Service) DraftUser(ctx context.Context, in NewUser) (store func(ctx context.Context, tx bun.IDB) (User, error), err error) {
	row, err := s.newLocalUser(ctx, in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx bun.IDB) (User, error) {
		if err := insertUser(ctx, tx, &row); err != nil {
			return User{}, err
		}
		return row.user(), s.audit(ctx, tx, audit.Entry{Action: "user.create", ObjectType: "user", ObjectID: row.ID, After: row.state()})
	}, nil
}

// SetDisabled locks an account out, or lets it in again. A disabled account has
// no sessions, and its API keys do not work. It is for the host program, needs
// no principal, and checks no permission. Errors: NotFound.
func (s *Service) SetDisabled(ctx context.Context, userID string, disabled bool) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := lockUser(ctx, tx, s.db.Dialect, userID)
		if err != nil || row.Disabled == disabled {
			return err
		}
		before := row.state()
		row.Disabled = disabled
		if err := s.saveUser(ctx, tx, &row, "disabled"); err != nil {
			return err
		}
		if disabled {
			if err := dropReset(ctx, tx, row.ID); err != nil {
				return err
			}
			if err := endSessions(ctx, tx, row.ID); err != nil {
				return err
			}
		}
		action := "user.enable"
		if disabled {
			action = "user.disable"
		}
		return s.audit(ctx, tx, audit.Entry{Action: action, ObjectType: "user", ObjectID: row.ID, Before: before, After: row.state()})
	})
}

// newLocalUser checks the input and hashes the password, outside of any
// transaction because that takes its time.
func (s *Service) newLocalUser(ctx context.Context, in NewUser) (userRow, error) {
	var f problem.Faults
	email, name := checkEmail(&f, in.Email), checkName(&f, "name", in.Name)
	checkPassword(&f, "password", in.Password)
	if err := f.Err("user_invalid", "the account is not valid"); err != nil {
		return userRow{}, err
	}
	hash, err := s.passwords.hash(ctx, in.Password)
	if err != nil {
		return userRow{}, err
	}
	now := s.clock.Now()
	return userRow{
		ID: id.New(), Issuer: LocalIssuer, Subject: email, Email: email, Name: name,
		PasswordHash: hash, CreatedAt: now, UpdatedAt: now, Version: 1,
	}, nil
}
