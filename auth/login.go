package auth

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/problem"
)

// Credentials are what somebody signs in with.
type Credentials struct {
	Email     string
	Password  string
	UserAgent string // for the list of sessions; may be empty
	Address   string // where the call comes from, for the limit of attempts; "" = not known
}

// Login is a session that has just begun.
type Login struct {
	Token     string    `json:"token"` // shown this once; kept as a hash only
	ExpiresAt time.Time `json:"expiresAt"`
	User      User      `json:"user"`

	sessionID string
}

// Login begins a session of a local account.
//
// An unknown address, a wrong password, an account without one and a disabled
// one all get the same Unauthenticated error after the same work. Too many
// attempts on an account, from one network or from all, or from an address are
// RateLimited before any work is done; too many log-ins at once are Unavailable.
func (s *Service) Login(ctx context.Context, in Credentials) (Login, error) {
	email, _ := normaliseEmail(in.Email)
	if err := s.admit(ctx, in.Address, email); err != nil {
		s.denied(ctx, audit.Denial{Action: "session.login", ObjectType: "user", Code: problem.Of(err).Code})
		return Login{}, err
	}
	user, err := s.verified(ctx, email, in)
	if err != nil {
		return Login{}, err
	}
	rehashed, err := s.rehash(ctx, user, in.Password)
	if err != nil {
		return Login{}, err
	}
	var login Login
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		login, err = s.enterSession(ctx, tx, user, rehashed, in)
		return err
	})
	if err != nil {
		return Login{}, err
	}
	s.perAccount.Forget(ctx, accountFrom(email, in.Address))
	s.perEveryone.Forget(ctx, email)
	s.tell(ctx, "AfterLogin", s.hooks.AfterLogin, login.User)
	return login, nil
}

func wrongPassword() error {
	return problem.New(problem.Unauthenticated, "login_failed", "wrong e-mail address or password")
}

// verified returns the account whose password was given. There is one read and
// one hash on every way through it.
func (s *Service) verified(ctx context.Context, email string, in Credentials) (userRow, error) {
	row, err := userByIdentity(ctx, s.db.DB, LocalIssuer, email)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return userRow{}, err
	}
	stored, usable := s.storedHash(ctx, row)
	match, err := s.passwords.matches(ctx, stored, in.Password)
	if err != nil {
		return userRow{}, err
	}
	if match && usable && !row.Disabled {
		return row, nil
	}
	s.log.WarnContext(ctx, "auth: log-in refused", "userId", row.ID, "address", tidy(in.Address, maxAddress), "disabled", row.Disabled)
	s.denied(ctx, audit.Denial{Action: "session.login", ObjectType: "user", ObjectID: row.ID, Code: "login_failed"})
	return userRow{}, wrongPassword()
}

// storedHash is the hash of an account, or the decoy when it has none.
func (s *Service) storedHash(ctx context.Context, row userRow) (_ passwordHash, usable bool) {
	if row.PasswordHash == "" {
		return s.passwords.decoy, false
	}
	stored, err := parseHash(row.PasswordHash)
	if err != nil {
		s.log.ErrorContext(ctx, "auth: a password hash is not readable", "userId", row.ID, "error", err)
		return s.passwords.decoy, false
	}
	return stored, true
}

// rehash makes a new hash of a password whose stored one has another cost than
// is usual now; "" when it has not.
func (s *Service) rehash(ctx context.Context, row userRow, password string) (string, error) {
	stored, err := parseHash(row.PasswordHash)
	if err != nil || stored.cost == s.passwords.cost {
		return "", err
	}
	return s.passwords.hash(ctx, password)
}

// enterSession begins the session of a verified account, unless the account
// was changed while its password was being checked.
func (s *Service) enterSession(ctx context.Context, tx bun.IDB, verified userRow, rehashed string, in Credentials) (Login, error) {
	row, err := lockUser(ctx, tx, s.db.Dialect, verified.ID)
	if err != nil {
		return Login{}, err
	}
	if row.Disabled || row.PasswordHash != verified.PasswordHash {
		return Login{}, wrongPassword()
	}
	if rehashed != "" {
		row.PasswordHash = rehashed
		if err := s.saveUser(ctx, tx, &row, "password_hash"); err != nil {
			return Login{}, err
		}
	}
	login, err := s.beginSession(ctx, tx, row, newSession{userAgent: in.UserAgent, address: in.Address})
	if err != nil {
		return Login{}, err
	}
	ctx = NewContext(ctx, row.principal())
	return login, s.audit(ctx, tx, audit.Entry{Action: "session.login", ObjectType: "session", ObjectID: login.sessionID})
}
