package rbac

import (
	"context"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Role is a named set of permissions in a tenant.
type Role struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Builtin     string            `json:"builtin,omitempty"` // which default role it is, e.g. [Owner]; "" = made in the tenant
	Permissions []auth.Permission `json:"permissions"`       // wildcards stay wildcards
	CreatedAt   time.Time         `json:"createdAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Version     int               `json:"version"`
}

// Roles lists the roles of the caller's tenant that he may see, in the order in which
// they were made: the default roles come first.
//
// Errors: Unauthenticated, Forbidden; Invalid for a bad page request.
func (s *Service) Roles(ctx context.Context, r page.Request) (page.Page[Role], error) {
	who, visible, err := s.Visible(ctx, auth.RoleList, "id")
	if err != nil {
		return page.Page[Role]{}, err
	}
	return page.List[roleRow, Role]{
		Key:         func(r Role) string { return r.ID },
		OldestFirst: true,
		Query:       s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(visible),
		Scope:       []string{"roles", who.TenantID},
		View:        (*roleRow).role,
	}.Read(ctx, s.pages, r)
}

// Role returns one role of the caller's tenant.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Role(ctx context.Context, id string) (Role, error) {
	who, err := s.Authorize(ctx, auth.RoleRead, id)
	if err != nil {
		return Role{}, err
	}
	row, err := selectRole(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Role{}, err
	}
	return row.role()
}

// Default returns one of the default roles of the caller's tenant: [Owner],
// [Admin], [Editor], [Operator] or [Viewer].
//
// Errors: Unauthenticated, Forbidden; NotFound for any other name, and for one that
// is denied to the caller.
func (s *Service) Default(ctx context.Context, builtin string) (Role, error) {
	who, err := s.Authorize(ctx, auth.RoleList, "")
	if err != nil {
		return Role{}, err
	}
	var row roleRow
	err = s.db.NewSelect().Model(&row).Where("r.tenant_id = ?", who.TenantID).
		Where("r.builtin = ?", builtin).Where("r.builtin <> ''").Scan(ctx)
	if store.IsMissing(err) {
		return Role{}, problem.Missing("role")
	}
	if err != nil {
		return Role{}, fmt.Errorf("read a default role: %w", err)
	}
	refused, err := s.Refused(ctx, auth.RoleRead, row.ID)
	if err != nil {
		return Role{}, err
	}
	if refused {
		return Role{}, problem.Missing("role")
	}
	return row.role()
}
