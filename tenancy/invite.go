package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// How long an invitation is good.
const (
	DefaultInvitation = 7 * 24 * time.Hour
	MaxInvitation     = 30 * 24 * time.Hour
)

// The bounds on inviting: how many of a tenant's invitations are open, and how
// often it invites: so many times at once, then once per pause.
const (
	maxInvitations = 1000
	inviteAttempts = 60
	invitePause    = 10 * time.Second
)

// NewInvitation is somebody to be invited.
type NewInvitation struct {
	Email   string
	RoleIDs []string      // 1 to 20 roles of the tenant
	For     time.Duration // how long it is good, to MaxInvitation; 0 = DefaultInvitation
}

// Issued is an invitation that was just made.
type Issued struct {
	Invitation
	Token string // kept as a hash only: nobody sees it again
	Sent  bool   // Hooks.SendInvitation has delivered it
}

// Invite lets somebody become a member of the caller's tenant, whether he has an
// account or not. It needs member.invite and everything that the roles give, now
// and when it is accepted.
//
// Errors: Unauthenticated; Forbidden; Invalid; NotFound for who is no member any more;
// Conflict for an address that has an open invitation, for one that the settings of the
// tenant do not let in, unless a service invites, and for a tenant with 1,000;
// RateLimited beyond 60 at once and one in 10 seconds; what Hooks.SendInvitation
// returns, and then there is none.
func (s *Service) Invite(ctx context.Context, in NewInvitation) (Issued, error) {
	who, err := s.authorize(ctx, auth.MemberInvite, "")
	if err != nil {
		return Issued{}, err
	}
	row, token, err := s.newInvitation(who, in)
	if err != nil {
		return Issued{}, err
	}
	if err := s.invites.Take(ctx, who.TenantID, s.clock.Now()); err != nil {
		return Issued{}, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return s.storeInvitation(ctx, tx, who, row) })
	if err != nil {
		return Issued{}, err
	}
	issued := Issued{Token: token}
	if issued.Invitation, err = row.invitation(); err != nil {
		return Issued{}, err
	}
	return s.send(ctx, issued)
}

func (s *Service) newInvitation(who *auth.Principal, in NewInvitation) (row *invitationRow, token string, err error) {
	var f problem.Faults
	email, ok := auth.NormalEmail(in.Email)
	f.Check(ok, "email", "must be an e-mail address")
	roleIDs, err := validateRoles(in.RoleIDs)
	f.Merge("", err)
	if in.For == 0 {
		in.For = DefaultInvitation
	}
	f.Check(in.For > 0 && in.For <= MaxInvitation, "for", fmt.Sprintf("must be above 0 and at most %s", MaxInvitation))
	if err := f.Err("invitation_invalid", "the invitation is not valid"); err != nil {
		return nil, "", err
	}
	names, err := json.Marshal(roleIDs)
	if err != nil {
		return nil, "", err
	}
	now := s.clock.Now()
	row = &invitationRow{ID: id.New(), TenantID: who.TenantID, Email: email, RoleIDs: string(names), CreatedAt: now, ExpiresAt: now.Add(in.For)}
	token, row.TokenHash = auth.NewInvitationToken()
	row.Inviter, err = inviterOf(who)
	return row, token, err
}

// storeInvitation takes the place of one that has expired.
func (s *Service) storeInvitation(ctx context.Context, tx bun.IDB, who *auth.Principal, row *invitationRow) error {
	if err := s.holdInviter(ctx, tx, who); err != nil {
		return err
	}
	if err := s.admitAddress(ctx, tx, who.Kind, row.TenantID, row.Email); err != nil {
		return err
	}
	roleIDs, err := row.roles()
	if err != nil {
		return err
	}
	if err := s.roles.Grantable(ctx, tx, roleIDs); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("tenant_id = ?", row.TenantID).Where("expires_at <= ?", row.CreatedAt).Exec(ctx); err != nil {
		return fmt.Errorf("delete old invitations: %w", err)
	}
	open, err := tx.NewSelect().Model((*invitationRow)(nil)).Where("tenant_id = ?", row.TenantID).Count(ctx)
	if err != nil {
		return fmt.Errorf("count the invitations: %w", err)
	}
	if open >= maxInvitations {
		return problem.Newf(problem.Conflict, "too_many_invitations", "there are %d open invitations", open).Fix("delete some of them")
	}
	if err := s.Admit(ctx, tx, row.TenantID, Members); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(row).Exec(ctx)
	if store.IsUnique(err) {
		return problem.New(problem.Conflict, "invitation_exists", "the address has an open invitation").Fix("delete it, then invite again").Because(err)
	}
	if err != nil {
		return fmt.Errorf("write the invitation: %w", err)
	}
	return s.audit(ctx, tx, row.entry("invitation.create", map[string]any{"roleIds": roleIDs, "expiresAt": row.ExpiresAt}))
}

// deliver hands an invitation to the host. A panic of its hook is an error like any
// other, so that the invitation is taken back.
func (s *Service) deliver(ctx context.Context, issued Issued) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("Hooks.SendInvitation panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return s.hooks.SendInvitation(ctx, issued.Invitation, issued.Token)
}

// send has the host deliver the token. What could not be delivered is taken back:
// else nobody could invite the address again.
func (s *Service) send(ctx context.Context, issued Issued) (Issued, error) {
	if s.hooks.SendInvitation == nil {
		return issued, nil
	}
	err := s.deliver(ctx, issued)
	if err == nil {
		issued.Sent = true
		return issued, nil
	}
	who := auth.FromContext(ctx)
	undo := context.WithoutCancel(ctx)
	undone := s.db.InTx(undo, func(ctx context.Context, tx bun.IDB) error {
		row, err := deleteInvitation(ctx, tx, who.TenantID, issued.ID)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, row.entry("invitation.delete", map[string]any{"reason": "it could not be sent"}))
	})
	if problem.Is(undone, problem.NotFound) || undone == nil {
		return Issued{}, err
	}
	return Issued{}, fmt.Errorf("%w (and take the invitation back: %w)", err, undone)
}
