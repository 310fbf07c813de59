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
	Name string `json:"name"` // "" = it is denied to the caller
}

func (m *Member) roleIDs() []string {
	ids := make([]string, len(m.Roles))
	for i, role := range m.Roles {
		ids[i] = role.ID
	}
	return ids
}

// Members lists the members of the caller's tenant that he may see, the newest
// account first. A role that is denied to the caller has no name.
//
// Errors: Unauthenticated, Forbidden; Invalid for a bad page request.
func (s *Service) Members(ctx context.Context, r page.Request) (page.Page[Member], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.MemberList, "m.user_id")
	if err != nil {
		return page.Page[Member]{}, err
	}
	members, err := page.List[accountRow, Member]{
		By:    "m.user_id",
		Key:   func(m Member) string { return m.UserID },
		Query: membersOf(s.db.NewSelect(), who.TenantID).Apply(visible),
		Scope: []string{"members", who.TenantID},
		View:  page.Plain((*accountRow).member),
	}.Read(ctx, s.pages, r)
	if err != nil {
		return page.Page[Member]{}, err
	}
	if err := addRoles(ctx, s.db.DB, who.TenantID, members.Items); err != nil {
		return page.Page[Member]{}, err
	}
	return members, s.hideRoles(ctx, members.Items)
}

// Member returns one member of the caller's tenant.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Member(ctx context.Context, userID string) (Member, error) {
	who, err := s.authorize(ctx, auth.MemberRead, userID)
	if err != nil {
		return Member{}, err
	}
	m, err := selectMember(ctx, s.db.DB, who.TenantID, userID)
	if err != nil {
		return Member{}, err
	}
	return m, s.hideRoles(ctx, []Member{m})
}

// hideRoles takes the names of roles that are denied to the caller out of members.
func (s *Service) hideRoles(ctx context.Context, members []Member) error {
	for _, m := range members {
		for i := range m.Roles {
			refused, err := s.cfg.Refused(ctx, auth.RoleRead, m.Roles[i].ID)
			if err != nil {
				return err
			}
			if refused {
				m.Roles[i].Name = ""
			}
		}
	}
	return nil
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

func membersOf(q *bun.SelectQuery, tenantID string) *bun.SelectQuery {
	return q.ColumnExpr("m.user_id, m.created_at, m.version, u.email, u.name").
		Join("JOIN ?schema.jet_user AS u ON u.id = m.user_id").
		Where("m.tenant_id = ?", tenantID)
}

func selectMember(ctx context.Context, db bun.IDB, tenantID, userID string) (Member, error) {
	var row accountRow
	err := membersOf(db.NewSelect().Model(&row), tenantID).Where("m.user_id = ?", userID).Scan(ctx)
	if store.IsMissing(err) {
		return Member{}, problem.Missing("member")
	}
	if err != nil {
		return Member{}, fmt.Errorf("read the member: %w", err)
	}
	members := []Member{row.member()}
	err = addRoles(ctx, db, tenantID, members)
	return members[0], err
}

func (r *accountRow) member() Member {
	return Member{
		UserID: r.UserID, Email: r.Email, Name: r.Name, Roles: []MemberRole{},
		CreatedAt: r.CreatedAt.UTC(), Version: r.Version,
	}
}

// addRoles fills in the roles of members.
func addRoles(ctx context.Context, db bun.IDB, tenantID string, members []Member) error {
	if len(members) == 0 {
		return nil
	}
	users := make([]string, len(members))
	places := make(map[string]int, len(members))
	for i := range members {
		users[i] = members[i].UserID
		places[users[i]] = i
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
