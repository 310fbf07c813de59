package rbac

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// SubjectKind says whose rights are asked about.
type SubjectKind string

// The kinds of subject.
const (
	SubjectUser   SubjectKind = "user"   // a member of the tenant, with all his roles
	SubjectRole   SubjectKind = "role"   // whoever has this role alone
	SubjectAPIKey SubjectKind = "apiKey" // an API key, within its creator's rights
)

// Subject is whose rights are asked about.
type Subject struct {
	Kind SubjectKind `json:"kind" enum:"user,role,apiKey"`
	ID   string      `json:"id" maxLength:"100"`
}

// principalOf is the principal that a subject would be in a tenant. The caller needs
// the right to look at it.
func (s *Service) principalOf(ctx context.Context, tenantID string, of Subject) (*auth.Principal, error) {
	switch of.Kind {
	case SubjectUser:
		if _, err := s.Authorize(ctx, auth.MemberRead, of.ID); err != nil {
			return nil, err
		}
		return memberPrincipal(ctx, s.db.DB, tenantID, of.ID)
	case SubjectRole:
		return s.rolePrincipal(ctx, tenantID, of.ID)
	}
	if _, err := s.Authorize(ctx, auth.APIKeyList, ""); err != nil {
		return nil, err
	}
	return keyPrincipal(ctx, s.db.DB, tenantID, of.ID)
}

// rolePrincipal is whoever has a role alone, for a caller who may read it. It is NotFound
// for a role that is not there.
func (s *Service) rolePrincipal(ctx context.Context, tenantID, roleID string) (*auth.Principal, error) {
	if !id.Valid(roleID) {
		return nil, problem.Missing("role")
	}
	if _, err := s.Authorize(ctx, auth.RoleRead, roleID); err != nil {
		return nil, err
	}
	row, err := selectRole(ctx, s.db.DB, tenantID, roleID)
	if err != nil {
		return nil, err
	}
	return &auth.Principal{Kind: auth.KindUser, TenantID: tenantID, Roles: []string{row.ID}}, nil
}

// memberPrincipal is NotFound for who is no member.
func memberPrincipal(ctx context.Context, db bun.IDB, tenantID, userID string) (*auth.Principal, error) {
	if !id.Valid(userID) {
		return nil, problem.Missing("member")
	}
	var roles []string
	err := db.NewRaw(`SELECT COALESCE(CAST(r.role_id AS text), '') FROM ?schema.jet_member AS m
		LEFT JOIN ?schema.jet_member_role AS r ON r.tenant_id = m.tenant_id AND r.user_id = m.user_id
		WHERE m.tenant_id = ? AND m.user_id = ? ORDER BY r.role_id`, tenantID, userID).Scan(ctx, &roles)
	if err == nil && len(roles) == 0 || store.IsMissing(err) {
		return nil, problem.Missing("member")
	}
	if err != nil {
		return nil, fmt.Errorf("read the roles of the member: %w", err)
	}
	who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: tenantID}
	for _, role := range roles {
		if role != "" { // a member without roles
			who.Roles = append(who.Roles, role)
		}
	}
	return who, nil
}

// keyPrincipal is NotFound for a key that was revoked, or whose creator has left.
func keyPrincipal(ctx context.Context, db bun.IDB, tenantID, keyID string) (*auth.Principal, error) {
	if !id.Valid(keyID) {
		return nil, problem.Missing("api key")
	}
	var userID, scopes string
	err := db.NewRaw("SELECT user_id, scopes FROM ?schema.jet_api_key WHERE tenant_id = ? AND id = ? AND revoked_at IS NULL", tenantID, keyID).
		Scan(ctx, &userID, &scopes)
	if store.IsMissing(err) {
		return nil, problem.Missing("api key")
	}
	if err != nil {
		return nil, fmt.Errorf("read the api key: %w", err)
	}
	creator, err := memberPrincipal(ctx, db, tenantID, userID)
	if problem.Is(err, problem.NotFound) {
		return nil, problem.Missing("api key").Because(err)
	}
	if err != nil {
		return nil, err
	}
	creator.Kind, creator.KeyID = auth.KindAPIKey, keyID
	if err := json.Unmarshal([]byte(scopes), &creator.Scopes); err != nil {
		return nil, fmt.Errorf("read the scopes of the api key: %w", err)
	}
	return creator, nil
}
