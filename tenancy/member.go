package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Member is a user in a tenant.
type Member struct {
	UserID    string       `json:"userId"`
	Email     string       `json:"email"`
	Name      string       `json:"name"`
	Roles     []MemberRole `json:"roles"`
	CreatedAt time.Time    `json:"createdAt"` // since when he is a member
	Version   int          `json:"version"`
}

// MemberRole is a role that a member has.
type MemberRole struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (m *Member) roleIDs() []string {
	ids := make([]string, len(m.Roles))
	for i, role := range m.Roles {
		ids[i] = role.ID
	}
	return ids
}

// Members lists the members of the caller's tenant, the newest account first.
//
// Errors: Unauthenticated, Forbidden; Invalid for a bad page request.
func (s *Service) Members(ctx context.Context, r page.Request) (page.Page[Member], error) {
	who, err := s.authorize(ctx, auth.MemberList, "")
	if err != nil {
		return page.Page[Member]{}, err
	}
	window, err := s.pages.Open(r, "members|"+who.TenantID)
	if err != nil {
		return page.Page[Member]{}, err
	}
	members, err := selectMembers(ctx, s.db.DB, who.TenantID, func(q *bun.SelectQuery) *bun.SelectQuery {
		if window.After != nil {
			q = q.Where("m.user_id < ?", window.After[0])
		}
		return q.OrderExpr("m.user_id DESC").Limit(int64(window.Limit) + 1)
	})
	if err != nil {
		return page.Page[Member]{}, err
	}
	return page.Cut(window, members, func(m Member) []string { return []string{m.UserID} }), nil
}

// Member returns one member of the caller's tenant.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Member(ctx context.Context, userID string) (Member, error) {
	who, err := s.authorize(ctx, auth.MemberRead, userID)
	if err != nil {
		return Member{}, err
	}
	return selectMember(ctx, s.db.DB, who.TenantID, userID)
}

type memberRow struct {
	bun.BaseModel `bun:"table:?schema.jet_member,alias:m"`

	TenantID  string    `bun:"tenant_id,pk"`
	UserID    string    `bun:"user_id,pk"`
	CreatedAt time.Time `bun:"created_at"`
	Version   int       `bun:"version"`
}

type memberRoleRow struct {
	bun.BaseModel `bun:"table:?schema.jet_member_role,alias:mr"`

	TenantID string `bun:"tenant_id,pk"`
	UserID   string `bun:"user_id,pk"`
	RoleID   string `bun:"role_id,pk"`
}

type accountRow struct {
	memberRow `bun:",extend"`

	Email string `bun:"email"`
	Name  string `bun:"name"`
}

func selectMember(ctx context.Context, db bun.IDB, tenantID, userID string) (Member, error) {
	members, err := selectMembers(ctx, db, tenantID, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("m.user_id = ?", userID)
	})
	if store.IsMissing(err) || err == nil && len(members) == 0 {
		return Member{}, problem.Missing("member")
	}
	if err != nil {
		return Member{}, err
	}
	return members[0], nil
}

func selectMembers(ctx context.Context, db bun.IDB, tenantID string, pick func(*bun.SelectQuery) *bun.SelectQuery) ([]Member, error) {
	var rows []accountRow
	q := db.NewSelect().Model(&rows).
		ColumnExpr("m.user_id, m.created_at, m.version, u.email, u.name").
		Join("JOIN ?schema.jet_user AS u ON u.id = m.user_id").
		Where("m.tenant_id = ?", tenantID)
	if err := pick(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	members := make([]Member, len(rows))
	places := make(map[string]int, len(rows))
	for i, row := range rows {
		members[i] = Member{
			UserID: row.UserID, Email: row.Email, Name: row.Name, Roles: []MemberRole{},
			CreatedAt: row.CreatedAt.UTC(), Version: row.Version,
		}
		places[row.UserID] = i
	}
	return members, addRoles(ctx, db, tenantID, members, places)
}

// addRoles fills in the roles of members, found by the places of their users.
func addRoles(ctx context.Context, db bun.IDB, tenantID string, members []Member, places map[string]int) error {
	if len(members) == 0 {
		return nil
	}
	users := make([]string, len(members))
	for i := range members {
		users[i] = members[i].UserID
	}
	var rows []struct{ UserID, ID, Name string }
	err := db.NewRaw(`SELECT mr.user_id, r.id, r.name FROM ?schema.jet_member_role AS mr
		JOIN ?schema.jet_role AS r ON r.tenant_id = mr.tenant_id AND r.id = mr.role_id
		WHERE mr.tenant_id = ? AND mr.user_id IN (?) ORDER BY r.id`, tenantID, bun.List(users)).Scan(ctx, &rows)
	if err != nil {
		return fmt.Errorf("read the roles of members: %w", err)
	}
	for _, row := range rows {
		m := &members[places[row.UserID]]
		m.Roles = append(m.Roles, MemberRole{ID: row.ID, Name: row.Name})
	}
	return nil
}
