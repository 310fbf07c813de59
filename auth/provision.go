package auth

import (
	"context"

	"github.com/jetadmin/jetadmin/problem"
)

// Identity names somebody who lives in another system, see [Principal].
type Identity struct {
	Issuer, Subject string // who it is; LocalIssuer is ours
	Email, Name     string // for display
}

// Provision returns the account of an identity, made when it is not there, as
// the first request of its owner would: so that a host can make somebody a member
// who was never here. Of an account that is there, it takes over e-mail and name
// when they are given. It is for the host program, needs no principal, and checks
// no permission. Errors: Invalid.
func (s *Service) Provision(ctx context.Context, in Identity) (User, error) {
	said := &Principal{Issuer: in.Issuer, Subject: in.Subject, Email: in.Email, Name: in.Name}
	if err := checkIdentity(said); err != nil {
		return User{}, problem.New(problem.Invalid, "identity_invalid", "the identity is not valid").Because(err)
	}
	row, err := s.external(ctx, said, func(context.Context) error { return nil })
	return row.user(), err
}
