package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// Invitation lets whoever has an e-mail address and the token become a member,
// once, until it expires.
type Invitation struct {
	ID        string    `json:"id"`
	TenantID  string    `json:"tenantId"`
	Email     string    `json:"email"`
	RoleIDs   []string  `json:"roleIds"`
	InvitedBy string    `json:"invitedBy"` // "user:<id>", "apiKey:<id>" or "service:<name>"
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Invitations lists those of the caller's tenant that were not accepted, newest
// first, with the ones that have expired. It needs member.invite.
//
// Errors: Unauthenticated, Forbidden; Invalid for a bad page request.
func (s *Service) Invitations(ctx context.Context, r page.Request) (page.Page[Invitation], error) {
	who, err := s.authorize(ctx, auth.MemberInvite, "")
	if err != nil {
		return page.Page[Invitation]{}, err
	}
	return page.List[invitationRow, Invitation]{
		Key:   func(i Invitation) string { return i.ID },
		Query: s.db.NewSelect().Where("i.tenant_id = ?", who.TenantID),
		Scope: []string{"invitations", who.TenantID},
		View:  (*invitationRow).invitation,
	}.Read(ctx, s.pages, r)
}

// Uninvite takes an invitation back: its token is void. It needs member.invite.
//
// Errors: Unauthenticated, Forbidden; NotFound, also for one that was accepted.
func (s *Service) Uninvite(ctx context.Context, invitationID string) error {
	who, err := s.authorize(ctx, auth.MemberInvite, invitationID)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := deleteInvitation(ctx, tx, who.TenantID, invitationID)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, row.entry("invitation.delete", nil))
	})
}

type invitationRow struct {
	bun.BaseModel `bun:"table:?schema.jet_invitation,alias:i"`

	ID        string `bun:",pk"`
	TenantID  string
	Email     string // in its normal spelling
	RoleIDs   string `bun:"role_ids"` // JSON
	TokenHash []byte
	Inviter   string // JSON, see inviter
	CreatedAt time.Time
	ExpiresAt time.Time
}

func (r *invitationRow) invitation() (Invitation, error) {
	roleIDs, err := r.roles()
	if err != nil {
		return Invitation{}, err
	}
	by, err := r.inviter()
	if err != nil {
		return Invitation{}, err
	}
	return Invitation{
		ID: r.ID, TenantID: r.TenantID, Email: r.Email, RoleIDs: roleIDs, InvitedBy: by.principal(r.TenantID).Actor(),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, nil
}

func (r *invitationRow) roles() (ids []string, err error) {
	if err := json.Unmarshal([]byte(r.RoleIDs), &ids); err != nil {
		return nil, fmt.Errorf("read the roles of an invitation: %w", err)
	}
	return ids, nil
}

func (r *invitationRow) entry(action string, detail map[string]any) audit.Entry {
	if detail == nil {
		detail = map[string]any{}
	}
	detail["email"] = r.Email
	return audit.Entry{TenantID: r.TenantID, Action: action, ObjectType: "invitation", ObjectID: r.ID, Detail: detail}
}

// deleteInvitation returns what it has deleted. Of two that delete it at once, the
// second waits and finds it gone.
func deleteInvitation(ctx context.Context, db bun.IDB, tenantID, invitationID string) (*invitationRow, error) {
	var rows []invitationRow
	err := db.NewRaw("DELETE FROM ?schema.jet_invitation WHERE tenant_id = ? AND id = ? RETURNING *", tenantID, invitationID).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("delete the invitation: %w", err)
	}
	if len(rows) == 0 {
		return nil, problem.Missing("invitation")
	}
	return &rows[0], nil
}

// withdrawInvitations takes back what somebody, or a key of his, has sent who leaves the
// tenant, and returns it for the record, which is to be written last.
func (s *Service) withdrawInvitations(ctx context.Context, tx bun.IDB, tenantID, userID string) (withdrawn []*invitationRow, err error) {
	var rows []invitationRow
	if err := tx.NewSelect().Model(&rows).Where("i.tenant_id = ?", tenantID).Order("i.id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("read the invitations: %w", err)
	}
	for i := range rows {
		if by, err := rows[i].inviter(); err != nil || by.UserID != userID {
			continue // one that cannot be read cannot be accepted either
		}
		row, err := deleteInvitation(ctx, tx, tenantID, rows[i].ID)
		if problem.Is(err, problem.NotFound) { // somebody has just accepted it
			continue
		}
		if err != nil {
			return nil, err
		}
		withdrawn = append(withdrawn, row)
	}
	return withdrawn, nil
}
