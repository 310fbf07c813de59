package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// CookieName is the cookie that holds a session token.
const CookieName = "jetadmin_session"

// maxSessions is how many sessions a user has; a further log-in ends the oldest.
const maxSessions = 100

// Session is one log-in of a user on one device.
type Session struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"` // the session of the call
	UserAgent  string    `json:"userAgent"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"` // exact to a minute
	ExpiresAt  time.Time `json:"expiresAt"`  // the latest end; earlier when it is not used
}

// Sessions lists the caller's own live sessions, newest first.
func (s *Service) Sessions(ctx context.Context) ([]Session, error) {
	who, err := Person(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sessionRow
	err = s.db.NewSelect().Model(&rows).Where("s.user_id = ?", who.UserID).Order("s.id DESC").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the sessions: %w", err)
	}
	now, live := s.clock.Now(), make([]Session, 0, len(rows))
	for _, row := range rows {
		if row.ended(now, s.sessionIdle) == nil {
			live = append(live, row.session(who.SessionID))
		}
	}
	return live, nil
}

// RevokeSession ends one of the caller's own sessions. Errors: NotFound.
func (s *Service) RevokeSession(ctx context.Context, sessionID string) error {
	who, err := Person(ctx)
	if err != nil {
		return err
	}
	return s.endSession(ctx, who.UserID, sessionID, "session.revoke")
}

// Logout ends the session of the call. Errors: Conflict when the caller is not
// here by a session but by a host's own sign-in.
func (s *Service) Logout(ctx context.Context) error {
	who, err := Person(ctx)
	if err != nil {
		return err
	}
	if who.SessionID == "" {
		return problem.New(problem.Conflict, "session_none", "this sign-in is not a session of ours").
			Fix("sign out where you signed in")
	}
	return s.endSession(ctx, who.UserID, who.SessionID, "session.logout")
}

func (s *Service) endSession(ctx context.Context, userID, sessionID, action string) error {
	if !id.Valid(sessionID) {
		return problem.Missing("session")
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		n, err := store.Changed(tx.NewDelete().Model((*sessionRow)(nil)).
			Where("id = ?", sessionID).Where("user_id = ?", userID).Exec(ctx))
		if err != nil {
			return fmt.Errorf("end the session: %w", err)
		}
		if n == 0 {
			return problem.Missing("session")
		}
		return s.audit(ctx, tx, audit.Entry{Action: action, ObjectType: "session", ObjectID: sessionID})
	})
}
