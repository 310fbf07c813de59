package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
)

type sessionRow struct {
	bun.BaseModel `bun:"table:?schema.jet_session,alias:s"`

	ID         string `bun:",pk"`
	UserID     string
	TokenHash  []byte
	UserAgent  string
	Address    string
	CreatedAt  time.Time
	LastSeenAt time.Time
	ExpiresAt  time.Time
	Claims     string `bun:",nullzero"` // what an issuer said at the log-in, as JSON

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

func (r *sessionRow) session(current string) Session {
	return Session{
		ID: r.ID, Current: r.ID == current, UserAgent: r.UserAgent, Address: r.Address,
		CreatedAt: r.CreatedAt.UTC(), LastSeenAt: r.LastSeenAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
}

// newSession is what is noted of a session that begins.
type newSession struct {
	userAgent, address string
	claims             map[string]any
}

// beginSession makes a session with a new token, which only the caller gets.
func (s *Service) beginSession(ctx context.Context, tx bun.IDB, user userRow, in newSession) (Login, error) {
	claims, err := writeClaims(in.claims)
	if err != nil {
		return Login{}, err
	}
	now, token := s.clock.Now(), newToken(sessionMark)
	row := sessionRow{
		ID: id.New(), UserID: user.ID, TokenHash: hashToken(token),
		UserAgent: tidy(in.userAgent, maxUserAgent), Address: tidy(in.address, maxAddress),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(s.sessionMax), Claims: claims,
	}
	if err := s.pruneSessions(ctx, tx, user.ID, now); err != nil {
		return Login{}, err
	}
	if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
		return Login{}, fmt.Errorf("begin the session: %w", err)
	}
	return Login{Token: token, ExpiresAt: row.ExpiresAt, User: user.user(), sessionID: row.ID}, nil
}

// maxClaims is the size of the claims that a session keeps, as JSON.
const maxClaims = 16 << 10

func writeClaims(claims map[string]any) (string, error) {
	if len(claims) == 0 {
		return "", nil
	}
	text, err := json.Marshal(claims)
	if err == nil && len(text) > maxClaims {
		err = fmt.Errorf("they have %d bytes, at most %d are kept", len(text), maxClaims)
	}
	if err != nil {
		return "", fmt.Errorf("keep the claims of a log-in: %w", err)
	}
	return string(text), nil
}

// claims are what the issuer said at the log-in; nil = nothing.
func (r *sessionRow) claims() (claims map[string]any, err error) {
	if r.Claims != "" {
		err = json.Unmarshal([]byte(r.Claims), &claims)
	}
	return claims, err
}

// pruneSessions drops what is over and makes room for one more.
func (s *Service) pruneSessions(ctx context.Context, tx bun.IDB, userID string, now time.Time) error {
	newest := tx.NewSelect().Model((*sessionRow)(nil)).Column("id").
		Where("s.user_id = ?", userID).Order("s.id DESC").Limit(maxSessions - 1)
	_, err := tx.NewDelete().Model((*sessionRow)(nil)).Where("user_id = ?", userID).
		WhereGroup(" AND ", func(q *bun.DeleteQuery) *bun.DeleteQuery {
			return q.Where("expires_at <= ?", now).
				WhereOr("last_seen_at <= ?", now.Add(-s.sessionIdle)).
				WhereOr("id NOT IN (?)", newest)
		}).Exec(ctx)
	if err != nil {
		return fmt.Errorf("drop old sessions: %w", err)
	}
	return nil
}

// endSessions ends all sessions of a user.
func endSessions(ctx context.Context, tx bun.IDB, userID string) error {
	if _, err := tx.NewDelete().Model((*sessionRow)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return fmt.Errorf("end the sessions: %w", err)
	}
	return nil
}

func oneSession(ctx context.Context, db bun.IDB, where string, arg any) (*sessionRow, error) {
	row := new(sessionRow)
	err := db.NewSelect().Model(row).Relation("User").Where(where, arg).Scan(ctx)
	if store.IsMissing(err) {
		return nil, refuse(errSessionUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("read the session: %w", err)
	}
	return row, nil
}
