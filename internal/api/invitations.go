package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/tenancy"
)

func (a *API) invitationRoutes() {
	const tag = "members"
	register(a, Operation{
		ID: "listInvitations", Method: http.MethodGet, Path: "/tenants/{tenantId}/invitations", Access: InTenant, Permission: auth.MemberInvite, Tag: tag,
		Summary: "Invitations that were not accepted, newest first",
	}, a.listInvitations)
	register(a, Operation{
		ID: "invite", Method: http.MethodPost, Path: "/tenants/{tenantId}/invitations", Access: InTenant, Permission: auth.MemberInvite, Tag: tag,
		Secret:  true,
		Status:  http.StatusCreated,
		Summary: "Invite somebody by e-mail address",
		Description: "The token is in this reply and never again; where the host sends it, it is not even there. " +
			"Nobody gives a role that holds more than he does, neither now nor when the invitation is accepted.",
		Example: map[string]any{"email": "grace@example.com", "roleIds": []string{"0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e10"}, "days": 7},
	}, a.invite)
	register(a, Operation{
		ID: "deleteInvitation", Method: http.MethodDelete, Path: "/tenants/{tenantId}/invitations/{id}", Access: InTenant, Permission: auth.MemberInvite, Tag: tag,
		Summary: "Take an invitation back",
	}, a.deleteInvitation)
	register(a, Operation{
		ID: "acceptInvitation", Method: http.MethodPost, Path: "/invitations/accept", Access: Anyone, Tag: tag, Unkeyed: true,
		Summary: "Become a member by an invitation",
		Description: "Who is signed in with the address that was invited sends the token alone. Who has no account sends the address, " +
			"a name and a password as well, gets a local account, and then signs in; that needs a host that sends invitations or answers for them. Every invitation that is not good gets the same answer.",
		Example: map[string]any{"token": "jai_…"},
	}, a.acceptInvitation)
}

func (a *API) listInvitations(ctx context.Context, in *listInput) (*output[page.Page[tenancy.Invitation]], error) {
	return reply200(a.cfg.Tenancy.Invitations(ctx, in.request()))
}

type inviteInput struct {
	TenantPath
	Body struct {
		Email   string   `json:"email" maxLength:"320"`
		RoleIDs []string `json:"roleIds" maxItems:"100"`
		Days    int      `json:"days,omitempty" minimum:"1" maximum:"30" doc:"how long it is good; default: 7"`
	} `nameHint:"NewInvitation"`
}

// IssuedInvitation is an invitation that was just made.
type IssuedInvitation struct {
	tenancy.Invitation
	Token string `json:"token,omitempty" doc:"what the invited person accepts it with, shown this once; absent when it was sent"`
}

func (a *API) invite(ctx context.Context, in *inviteInput) (*created[IssuedInvitation], error) {
	issued, err := a.cfg.Tenancy.Invite(ctx, tenancy.NewInvitation{
		Email: in.Body.Email, RoleIDs: in.Body.RoleIDs, For: time.Duration(in.Body.Days) * 24 * time.Hour,
	})
	body := IssuedInvitation{Invitation: issued.Invitation, Token: issued.Token}
	if issued.Sent {
		// Else whoever invites could accept in the name of others.
		body.Token = ""
	}
	return &created[IssuedInvitation]{Location: a.at(in.TenantID, "invitations", issued.ID), Body: body}, err
}

func (a *API) deleteInvitation(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Tenancy.Uninvite(ctx, in.ID)
}

type acceptInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"200"`
		Email    string `json:"email,omitempty" maxLength:"320" doc:"of a new account"`
		Name     string `json:"name,omitempty" maxLength:"1000" doc:"of a new account"`
		Password string `json:"password,omitempty" maxLength:"4000" doc:"of a new account"`
	} `nameHint:"Acceptance"`
}

func (a *API) acceptInvitation(ctx context.Context, in *acceptInput) (*output[tenancy.Accepted], error) {
	return reply200(a.cfg.Tenancy.Accept(ctx, tenancy.Acceptance{
		Token: in.Body.Token, Email: in.Body.Email, Name: in.Body.Name, Password: in.Body.Password, Address: clientOf(ctx).address,
	}))
}
