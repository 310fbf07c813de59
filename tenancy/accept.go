package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Acceptance is the answer to an invitation. A signed-in person sends the token
// alone; whoever has no account says who he is, and gets a local one.
type Acceptance struct {
	Token    string
	Email    string // of a new account: the address that was invited
	Name     string // of a new account
	Password string // of a new account
	Address  string // where the call comes from, for the limit of attempts; "" = not known
}

// Accepted is what came of an invitation.
type Accepted struct {
	TenantID string `json:"tenantId"`
	Member   Member `json:"member"`
}

// Accepting is an invitation that is about to be accepted, for Hooks.BeforeAccept.
type Accepting struct {
	Invitation Invitation
	TenantID   string
	UserID     string // "" = a local account is made for it
}

// The reasons why an invitation is not good, for the log.
var (
	errInvitationUnknown = errors.New("no such invitation")
	errInvitationExpired = errors.New("the invitation has expired")
	errInvitationEmail   = errors.New("the invitation is for another address")
	errInvitationTenant  = errors.New("the caller is confined to another tenant")
)

// badInvitation is the one answer to a token that is wrong, used, over, taken
// back, for another address, or of somebody who could not invite any more.
func badInvitation(reason error) error {
	return problem.New(problem.NotFound, "invitation_not_good", "the invitation is not good").
		Fix("sign in with the address that was invited, send email, name and password with the token to get an account, or ask for a new invitation").Because(reason)
}

// Accept makes the caller a member by an invitation, once. Without a principal it
// makes a local account first, which then signs in by itself; that needs
// Hooks.SendInvitation, by which a token proves the address, or Hooks.BeforeAccept,
// by which the host answers for it.
//
// Errors: NotFound for every invitation that is not good; Invalid for the name and
// password of a new account; Conflict for an address that has an account already, for
// one that the settings of the tenant do not let in any more, and for a member; Forbidden for a key or service, and for a new account without
// those hooks; RateLimited by address; what
// Hooks.BeforeAccept returns.
func (s *Service) Accept(ctx context.Context, in Acceptance) (Accepted, error) {
	accepted, err := s.accept(ctx, in)
	if k := problem.KindOf(err); k == problem.NotFound || k == problem.Forbidden {
		s.cfg.Denied(ctx, audit.Denial{Action: "invitation.accept", ObjectType: "invitation", Code: problem.Of(err).Code})
	}
	return accepted, err
}

func (s *Service) accept(ctx context.Context, in Acceptance) (Accepted, error) {
	if err := s.accounts.Admit(ctx, in.Address); err != nil {
		return Accepted{}, err
	}
	who, err := accepting(ctx, in)
	if err != nil {
		return Accepted{}, err
	}
	row, err := s.openInvitation(ctx, who, in)
	if err != nil {
		return Accepted{}, err
	}
	// Outside of the transaction, for they read and hash in their own time, and so
	// does the host; then the inviter, who may lose his rights meanwhile.
	account, err := s.accountFor(ctx, who, row, in)
	if err != nil {
		return Accepted{}, err
	}
	if err := s.beforeAccept(ctx, row, who); err != nil {
		return Accepted{}, err
	}
	inviter, err := s.still(ctx, row)
	if err != nil {
		return Accepted{}, err
	}
	accepted := Accepted{TenantID: row.TenantID}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		accepted.Member, err = s.join(ctx, tx, row, inviter, account)
		return err
	})
	return accepted, err
}

// accepting is the signed-in person, or nil for one who wants an account.
func accepting(ctx context.Context, in Acceptance) (*auth.Principal, error) {
	if auth.FromContext(ctx) == nil {
		return nil, nil
	}
	who, err := auth.Person(ctx)
	if err != nil {
		return nil, err
	}
	var f problem.Faults
	for path, value := range map[string]string{"email": in.Email, "name": in.Name, "password": in.Password} {
		f.Check(value == "", path, "must not be given by who is signed in")
	}
	return who, f.Err("acceptance_invalid", "the answer to the invitation is not valid")
}

// openInvitation finds the invitation that the caller may accept.
func (s *Service) openInvitation(ctx context.Context, who *auth.Principal, in Acceptance) (*invitationRow, error) {
	hash, ok := auth.InvitationHash(in.Token)
	if !ok {
		return nil, badInvitation(errInvitationUnknown)
	}
	row := new(invitationRow)
	err := s.db.NewRaw("SELECT * FROM ?schema.jet_invitation /* across tenants: an invitation says by its token of which it is */ WHERE token_hash = ?", hash).Scan(ctx, row)
	if store.IsMissing(err) {
		return nil, badInvitation(errInvitationUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("read the invitation: %w", err)
	}
	email := in.Email
	if who != nil {
		if email, err = s.emailOf(ctx, who.UserID); err != nil {
			return nil, err
		}
	}
	email, ok = auth.NormalEmail(email)
	switch {
	case !s.clock.Now().Before(row.ExpiresAt):
		return nil, badInvitation(errInvitationExpired)
	case !ok || email != row.Email:
		return nil, badInvitation(errInvitationEmail)
	case who != nil && who.TenantID != "" && who.TenantID != row.TenantID:
		return nil, badInvitation(errInvitationTenant)
	}
	return row, nil
}

func (s *Service) emailOf(ctx context.Context, userID string) (email string, err error) {
	err = s.db.NewRaw("SELECT email FROM ?schema.jet_user WHERE id = ? AND NOT disabled", userID).Scan(ctx, &email)
	if store.IsMissing(err) {
		return "", badInvitation(err)
	}
	return email, err
}

// accountFor returns what gives the id of the account that becomes a member, in
// the transaction.
func (s *Service) accountFor(ctx context.Context, who *auth.Principal, row *invitationRow, in Acceptance) (func(ctx context.Context, tx bun.IDB) (string, error), error) {
	if who != nil {
		return func(context.Context, bun.IDB) (string, error) { return who.UserID, nil }, nil
	}
	if s.hooks.SendInvitation == nil && s.hooks.BeforeAccept == nil {
		return nil, unprovenAddress()
	}
	store, err := s.accounts.DraftUser(ctx, auth.NewUser{Email: row.Email, Name: in.Name, Password: in.Password})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx bun.IDB) (string, error) {
		user, err := store(ctx, tx)
		if problem.Is(err, problem.Conflict) {
			err = problem.Of(err).Fix("sign in, then accept the invitation")
		}
		return user.ID, err
	}, nil
}

// unprovenAddress is for who has a token that its maker was shown: it proves nothing
// of the address, and a local account would hold that address in every tenant.
func unprovenAddress() error {
	return problem.New(problem.Forbidden, "invitation_needs_account", "this invitation is for somebody who has an account").
		Fix("sign in with the address that was invited, then accept the invitation")
}

func (s *Service) beforeAccept(ctx context.Context, row *invitationRow, who *auth.Principal) error {
	if s.hooks.BeforeAccept == nil {
		return nil
	}
	invitation, err := row.invitation()
	if err != nil {
		return err
	}
	in := Accepting{Invitation: invitation, TenantID: row.TenantID}
	if who != nil {
		in.UserID = who.UserID
	}
	return s.hooks.BeforeAccept(ctx, in)
}

// join uses the invitation up. The rights of the inviter are held against what the
// roles give now.
func (s *Service) join(ctx context.Context, tx bun.IDB, row *invitationRow, inviter context.Context, account func(context.Context, bun.IDB) (string, error)) (Member, error) {
	if err := s.lockTenant(ctx, tx, row.TenantID); err != nil {
		return Member{}, err
	}
	used, err := deleteInvitation(ctx, tx, row.TenantID, row.ID)
	if err != nil {
		return Member{}, voidFor(err)
	}
	by := auth.FromContext(inviter)
	if err := s.admitAddress(ctx, tx, by.Kind, row.TenantID, used.Email); err != nil {
		return Member{}, err
	}
	roleIDs, err := used.roles()
	if err != nil {
		return Member{}, err
	}
	if err := voidFor(s.roles.Grantable(inviter, tx, roleIDs)); err != nil {
		return Member{}, err
	}
	userID, err := account(ctx, tx)
	if err != nil {
		return Member{}, err
	}
	m, err := s.insertWithRoles(ctx, tx, row.TenantID, userID, roleIDs)
	if err != nil {
		return Member{}, err
	}
	who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: row.TenantID}
	ctx = auth.NewContext(ctx, who)
	err = s.audit(ctx, tx, used.entry("invitation.accept", map[string]any{"userId": userID, "roles": m.Roles, "invitedBy": by.Actor()}))
	if err != nil {
		return Member{}, err
	}
	return m, s.audit(ctx, tx, memberEntry(who, auth.MemberCreate, userID, nil, map[string]any{"roles": m.Roles}))
}
