package tenancy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// inviter is who has invited somebody, as far as it takes to ask later what he may
// give.
type inviter struct {
	Kind    auth.Kind    `json:"kind"`
	UserID  string       `json:"userId,omitempty"`
	KeyID   string       `json:"keyId,omitempty"`
	Service string       `json:"service,omitempty"`
	Grants  []auth.Grant `json:"grants,omitempty"`
}

func inviterOf(who *auth.Principal) (string, error) {
	text, err := json.Marshal(inviter{who.Kind, who.UserID, who.KeyID, who.Service, who.Grants})
	return string(text), err
}

func (r *invitationRow) inviter() (by inviter, err error) {
	if err := json.Unmarshal([]byte(r.Inviter), &by); err != nil {
		return by, fmt.Errorf("read who has invited: %w", err)
	}
	return by, nil
}

func (by inviter) principal(tenantID string) *auth.Principal {
	return &auth.Principal{Kind: by.Kind, UserID: by.UserID, KeyID: by.KeyID, Service: by.Service, Grants: by.Grants, TenantID: tenantID}
}

// holdInviter locks the tenant, and the member who invites: what he makes while he is
// being removed would wait for him to come back.
func (s *Service) holdInviter(ctx context.Context, tx bun.IDB, who *auth.Principal) error {
	if who.Kind == auth.KindService {
		return s.lockTenant(ctx, tx, who.TenantID)
	}
	return s.HoldMember(ctx, tx, who.TenantID, who.UserID)
}

// still is the inviter with the rights that he has now, which are only asked for: it
// is not he who tries. A right that he has lost makes the invitation void:
// badInvitation.
func (s *Service) still(ctx context.Context, row *invitationRow) (context.Context, error) {
	by, err := row.inviter()
	if err != nil {
		return nil, err
	}
	who, err := s.accounts.Revalidate(auth.NewContext(ctx, by.principal(row.TenantID)), by.principal(row.TenantID))
	if err != nil {
		return nil, voidFor(err)
	}
	ctx = auth.AsQuestion(auth.NewContext(ctx, who))
	_, err = s.authorize(ctx, auth.MemberInvite, "")
	return ctx, voidFor(err)
}

// voidFor turns the reasons why an inviter may not do so any more into the one
// answer to an invitation that is not good.
func voidFor(err error) error {
	switch problem.KindOf(err) {
	case problem.Unauthenticated, problem.Forbidden, problem.NotFound, problem.Invalid:
		if err != nil {
			return badInvitation(err)
		}
	}
	return err
}
