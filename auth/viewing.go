package auth

import (
	"context"

	"github.com/jetadmin/jetadmin/problem"
)

// ViewingAs returns a copy of p who is shown what other is shown too, and no more,
// and who changes nothing. He stays the actor. The roles of other, and his id if he is
// somebody, say who is viewed: whoever has a role is other without an id, with that
// role alone.
//
// That p may view other is decided with each decision, see package rbac, whose ViewAs
// is the usual way to get here.
func (p *Principal) ViewingAs(other *Principal) *Principal {
	c := p.clone()
	c.viewed = other.InTenant(p.TenantID, other.Roles)
	c.viewed.viewed = nil
	return c
}

// Viewed is whom the caller is shown the tenant as, see [Principal.ViewingAs]; nil =
// he sees as himself. The result must not be changed.
func (p *Principal) Viewed() *Principal { return p.viewed }

// Viewing is whom the caller views, for records: "user:<id>", "role:<id>", or "".
func (p *Principal) Viewing() string {
	switch {
	case p.viewed == nil:
		return ""
	case p.viewed.UserID != "":
		return p.viewed.Actor()
	case len(p.viewed.Roles) == 1:
		return "role:" + p.viewed.Roles[0]
	}
	return "nobody"
}

// MayChange is Forbidden for a caller who views as somebody else. It is for what
// changes something and asks for no more than a right to read.
func (p *Principal) MayChange() error {
	if p.viewed == nil {
		return nil
	}
	return problem.New(problem.Forbidden, "view_as_reads_only", "who views as somebody else only reads").
		Fix("do it as yourself: without the header Jetadmin-View-As, or with a context that is not of ViewAs")
}

// stillViewing is p, who was found out anew, viewing whom a principal viewed before,
// with the roles that a member has now.
func (s *Service) stillViewing(ctx context.Context, p, before *Principal) (*Principal, error) {
	viewed := before.viewed
	if viewed == nil {
		return p, nil
	}
	if viewed.UserID != "" {
		roles, err := s.members.RolesOf(ctx, viewed.TenantID, viewed.UserID)
		if err != nil {
			return nil, err
		}
		viewed = viewed.InTenant(viewed.TenantID, roles)
	}
	return p.ViewingAs(viewed), nil
}
