package auth

import (
	"context"
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

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

func (r *sessionRow) session(current string) Session {
	return Session{
		ID: r.ID, Current: r.ID == current, UserAgent: r.UserAgent, Address: r.Address,
		CreatedAt: r.CreatedAt.UTC(), LastSeenAt: r.LastSeenAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
}

// beginSession makes a session with a new token, which only the caller gets.
func (s *Service) beginSession(ctx context.Context, tx bun.IDB, user userRow, userAgent, address string) (Login, error) {
	now, token := s.clock.Now(), newToken(sessionMark)
	row := sessionRow{
		ID: id.New(), UserID: user.ID, TokenHash: hashToken(token),
		UserAgent: tidy(userAgent, maxUserAgent), Address: tidy(address, maxAddress),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(s.sessionMax),
	}
	if err := s.pruneSessions(ctx, tx, user.ID, now); err != nil {
		return Login{}, err
	}
	if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
		return Login{}, fmt.Errorf("begin the session: %w", err)
	}
	return Login{Token: token, ExpiresAt: row.ExpiresAt, User: user.user(), sessionID: row.ID}, nil
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

// endSessions ends all sessions of a user but one ("" = all).
func endSessions(ctx context.Context, tx bun.IDB, userID, except string) error {
	q := tx.NewDelete().Model((*sessionRow)(nil)).Where("user_id = ?", userID)
	if except != "" {
		q = q.Where("id <> ?", except)
	}
	if _, err := q.Exec(ctx); err != nil {
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
