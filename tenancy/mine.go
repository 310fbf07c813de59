package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// Membership is a tenant of the caller with the roles that he has in it.
type Membership struct {
	Tenant Tenant       `json:"tenant"`
	Roles  []MemberRole `json:"roles"`
	Since  time.Time    `json:"since"`
}

// maxMine bounds the list of one user's tenants.
const maxMine = 1000

// Mine lists the tenants of the signed-in user, the first joined first; of an
// API key, the one it is for. There are at most 1,000.
//
// Errors: Unauthenticated; Forbidden for a service.
func (s *Service) Mine(ctx context.Context) ([]Membership, error) {
	who := auth.FromContext(ctx)
	if who != nil && who.Kind == auth.KindAPIKey && who.TenantID != "" {
		return s.memberships(ctx, who.UserID, who.TenantID)
	}
	who, err := auth.Person(ctx)
	if err != nil {
		return nil, err
	}
	return s.memberships(ctx, who.UserID, "")
}

// memberships are one user's, in one tenant or, for "", in all.
func (s *Service) memberships(ctx context.Context, userID, tenantID string) ([]Membership, error) {
	var rows []membershipRow
	var err error
	if tenantID == "" {
		err = s.db.NewRaw("/* across tenants: the tenants of one user */"+membershipSQL("user_id = ?"), userID, maxMine).Scan(ctx, &rows)
	} else {
		err = s.db.NewRaw(membershipSQL("user_id = ? AND tenant_id = ?"), userID, tenantID, maxMine).Scan(ctx, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("list the tenants of a user: %w", err)
	}
	mine := []Membership{}
	for _, row := range rows {
		if n := len(mine); n == 0 || mine[n-1].Tenant.ID != row.ID {
			t, err := row.tenant()
			if err != nil {
				return nil, err
			}
			mine = append(mine, Membership{Tenant: t, Roles: []MemberRole{}, Since: row.Since.UTC()})
		}
		if row.RoleID != "" {
			last := &mine[len(mine)-1]
			last.Roles = append(last.Roles, MemberRole{ID: row.RoleID, Name: row.RoleName})
		}
	}
	return mine, nil
}

// membershipRow is one role of a membership, or a membership without roles.
type membershipRow struct {
	tenantRow `bun:",extend"`

	Since    time.Time `bun:"since"`
	RoleID   string    `bun:"role_id"`
	RoleName string    `bun:"role_name"`
}

func membershipSQL(where string) string {
	return `SELECT t.id, t.name, t.created_by, t.created_at, t.updated_at, t.version, t.suspended_at, t.settings, m.created_at AS since,
		coalesce(CAST(r.id AS text), '') AS role_id, coalesce(r.name, '') AS role_name
		FROM (SELECT tenant_id, user_id, created_at FROM ?schema.jet_member WHERE ` + where + ` ORDER BY created_at, tenant_id LIMIT ?) AS m
		JOIN ?schema.jet_tenant AS t ON t.id = m.tenant_id AND t.deleted_at IS NULL
		LEFT JOIN ?schema.jet_member_role AS mr ON mr.tenant_id = m.tenant_id AND mr.user_id = m.user_id
		LEFT JOIN ?schema.jet_role AS r ON r.tenant_id = mr.tenant_id AND r.id = mr.role_id
		ORDER BY m.created_at, m.tenant_id, r.id`
}
