package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
)

// signInRow is a log-in that was begun in a browser. What the browser will bring
// back is kept as hashes, what only the issuer may see is sealed: whoever reads the
// table can finish nothing.
type signInRow struct {
	bun.BaseModel `bun:"table:?schema.jet_signin,alias:si"`

	StateHash   []byte `bun:",pk"`
	BrowserHash []byte
	Provider    string
	Next        string
	Sealed      string // the verifier of PKCE
	ExpiresAt   time.Time
}

func verifierPlace(stateHash []byte) string {
	return secret.Place("", "jet_signin", fmt.Sprintf("%x", stateHash), "sealed")
}

// keepSignIn stores a log-in, and drops those that nobody has finished.
func (s *Service) keepSignIn(ctx context.Context, row signInRow) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewDelete().Model((*signInRow)(nil)).Where("expires_at <= ?", s.clock.Now()).Exec(ctx)
		if err == nil {
			_, err = tx.NewInsert().Model(&row).Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("begin to sign in: %w", err)
		}
		return nil
	})
}

var (
	errSignInUnknown = errors.New("no log-in has this state, or it was used")
	errSignInLate    = errors.New("the log-in took too long")
	errSignInBrowser = errors.New("another browser has begun the log-in")
)

// takeSignIn uses a log-in up, whether or not it can go on: a state is good once.
func (s *Service) takeSignIn(ctx context.Context, provider, state, browser string) (row signInRow, verifier string, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		err := tx.NewDelete().Model(&row).Where("state_hash = ?", hashToken(state)).Where("provider = ?", provider).
			Returning("*").Scan(ctx)
		if store.IsMissing(err) {
			row, err = signInRow{}, nil
		}
		if err != nil {
			return fmt.Errorf("go on with signing in: %w", err)
		}
		return nil
	})
	switch {
	case err != nil:
		return row, "", err
	case row.StateHash == nil:
		return row, "", refuse(errSignInUnknown)
	case !s.clock.Now().Before(row.ExpiresAt):
		return row, "", refuse(errSignInLate)
	case subtle.ConstantTimeCompare(row.BrowserHash, hashToken(browser)) != 1:
		return row, "", refuse(errSignInBrowser)
	}
	plain, err := s.ring.Open(row.Sealed, verifierPlace(row.StateHash))
	if err != nil {
		return row, "", refuse(err) // its key was taken away since: begin again
	}
	return row, string(plain), nil
}
