package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// byHost asks the host's authenticators; the first that recognises a
// credential, or refuses it, has the last word.
func (s *Service) byHost(r *http.Request) (*Principal, error) {
	for i, a := range s.authenticators {
		said, err := s.guarded(r.Context(), func() (*Principal, error) { return a.Authenticate(r) })
		if err != nil {
			s.log.WarnContext(r.Context(), "auth: an authenticator of the host refused", "authenticator", i, "error", err)
			return nil, err
		}
		if said == nil {
			continue
		}
		p, err := s.adopt(r.Context(), said)
		if err != nil {
			s.log.WarnContext(r.Context(), "auth: the principal of an authenticator is refused", "authenticator", i, "error", err)
		}
		return p, err
	}
	return nil, nil
}

// guarded calls host code, whose panic is a refusal.
func (s *Service) guarded(ctx context.Context, ask func() (*Principal, error)) (p *Principal, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.ErrorContext(ctx, "auth: an authenticator of the host panicked", "panic", v, "stack", string(debug.Stack()))
			p, err = nil, problem.New(problem.Internal, "internal", "the sign-in of the host failed").
				Because(fmt.Errorf("authenticator panicked: %v", v))
		}
	}()
	p, err = ask()
	if _, ok := errors.AsType[*problem.Error](err); err != nil && !ok {
		err = refuse(err)
	}
	return p, err
}

// The reasons to refuse what an authenticator of the host says.
var (
	errNoIdentity   = errors.New("the principal has neither a user id nor an issuer and a subject")
	errLocalIssuer  = errors.New("the issuer " + LocalIssuer + " is ours")
	errNotAPerson   = errors.New("the principal is not a user")
	errClaimsRights = errors.New("the principal brings roles, scopes, grants, a key or a session: only the library gives those")
	errBadIdentity  = errors.New("the issuer or subject is too long or not one line of text")
	errOtherAccount = errors.New("the user id belongs to another issuer and subject")
)

// adopt makes a principal of ours out of what the host says: only the identity,
// the claims, the end of an issuer's token and the wish to be confined to one tenant are taken over.
func (s *Service) adopt(ctx context.Context, said *Principal) (*Principal, error) {
	if err := checkIdentity(said); err != nil {
		return nil, refuse(err)
	}
	row, err := s.account(ctx, said)
	if err != nil {
		return nil, err
	}
	if row.Disabled {
		return nil, refuse(errAccountDisabled)
	}
	p := row.principal()
	p.Claims, p.until = maps.Clone(said.Claims), said.until
	if said.TenantID == "" {
		return p, nil
	}
	return s.confined(ctx, p, said.TenantID)
}

func checkIdentity(said *Principal) error {
	switch {
	case said.Kind != KindUser && said.Kind != "":
		return errNotAPerson
	case len(said.Roles)+len(said.Scopes)+len(said.Grants) > 0 || said.KeyID+said.SessionID+said.Service != "":
		return errClaimsRights
	case strings.EqualFold(strings.TrimSpace(said.Issuer), LocalIssuer):
		return errLocalIssuer
	case said.UserID == "" && (said.Issuer == "" || said.Subject == ""):
		return errNoIdentity
	case len(said.Issuer) > maxIdentity || len(said.Subject) > maxIdentity || !text.OneLine(said.Issuer+said.Subject):
		return errBadIdentity
	}
	return nil
}

// account finds the account that the host names, and makes it when it is one of
// another system that was never seen.
func (s *Service) account(ctx context.Context, said *Principal) (userRow, error) {
	if said.UserID == "" {
		return s.external(ctx, said, s.admitNew)
	}
	row, err := userByID(ctx, s.db.DB, said.UserID)
	if problem.Is(err, problem.NotFound) {
		return userRow{}, refuse(err)
	}
	if err == nil && said.Issuer+said.Subject != "" && (row.Issuer != said.Issuer || row.Subject != said.Subject) {
		return userRow{}, refuse(errOtherAccount)
	}
	return row, err
}

// external finds the account of an identity of another system, or makes it when
// admit lets it.
func (s *Service) external(ctx context.Context, said *Principal, admit func(context.Context) error) (userRow, error) {
	row, err := userByIdentity(ctx, s.db.DB, said.Issuer, said.Subject)
	if problem.Is(err, problem.NotFound) {
		if err := admit(ctx); err != nil {
			return userRow{}, err
		}
		return s.provision(ctx, said)
	}
	if err != nil {
		return userRow{}, err
	}
	email, name := display(said)
	if (email == "" || email == row.Email) && (name == "" || name == row.Name) {
		return row, nil
	}
	return s.follow(ctx, row.ID, email, name)
}

func display(said *Principal) (email, name string) {
	return tidy(said.Email, maxEmail), tidy(said.Name, maxName)
}

// provision makes the account of an identity. Of requests that see it first at
// the same time, one makes it and the others use it.
func (s *Service) provision(ctx context.Context, said *Principal) (userRow, error) {
	now := s.clock.Now()
	row := userRow{ID: id.New(), Issuer: said.Issuer, Subject: said.Subject, CreatedAt: now, UpdatedAt: now, Version: 1}
	row.Email, row.Name = display(said)
	made := false
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		n, err := store.Changed(tx.NewInsert().Model(&row).On("CONFLICT (issuer, subject) DO NOTHING").Returning("NULL").Exec(ctx))
		if err != nil {
			return fmt.Errorf("provision the account: %w", err)
		}
		if made = n == 1; !made {
			row, err = userByIdentity(ctx, tx, said.Issuer, said.Subject)
			return err
		}
		return s.audit(NewContext(ctx, row.principal()), tx,
			audit.Entry{Action: "user.provision", ObjectType: "user", ObjectID: row.ID, After: row.state(), Detail: map[string]any{"issuer": row.Issuer}})
	})
	if err == nil && made {
		s.tell(ctx, "AfterProvision", s.hooks.AfterProvision, row.user())
	}
	return row, err
}

// follow takes over what the other system now says for display.
func (s *Service) follow(ctx context.Context, userID, email, name string) (userRow, error) {
	var row userRow
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		if row, err = lockUser(ctx, tx, s.db.Dialect, userID); err != nil {
			return err
		}
		before := row.state()
		row.Email, row.Name = cmp.Or(email, row.Email), cmp.Or(name, row.Name)
		if err := s.saveUser(ctx, tx, &row, "email", "name"); err != nil {
			return err
		}
		return s.audit(NewContext(ctx, row.principal()), tx,
			audit.Entry{Action: "user.follow", ObjectType: "user", ObjectID: row.ID, Before: before, After: row.state(), Detail: map[string]any{"issuer": row.Issuer}})
	})
	return row, err
}
