package rbac

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// Own notes, in the transaction that makes an object, that the caller of ctx made
// it: as long as he is a member he may read, update, delete and execute it, unless
// a rule denies that. What a key makes is its creator's; what a service makes is
// nobody's. The resource is the part of permissions before the dot.
func (s *Service) Own(ctx context.Context, db bun.IDB, resource, objectID string) error {
	who := auth.FromContext(ctx)
	if who == nil || who.Kind == auth.KindService || !id.Valid(who.UserID) || !id.Valid(who.TenantID) {
		return nil
	}
	_, err := db.NewRaw(`INSERT INTO ?schema.jet_owner (tenant_id, object_id, resource, user_id)
		SELECT m.tenant_id, ?, ?, m.user_id FROM ?schema.jet_member AS m WHERE m.tenant_id = ? AND m.user_id = ?`,
		objectID, resource, who.TenantID, who.UserID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("note who made the object: %w", err)
	}
	return nil
}

// OnlyOwns reports whether the caller has a permission on an object for no other
// reason than that he made it: no rule says anything.
//
// Errors: Unauthenticated, Forbidden without a tenant.
func (s *Service) OnlyOwns(ctx context.Context, permission auth.Permission, objectID string) (bool, error) {
	who, err := s.inTenant(ctx)
	if err != nil || who.Kind == auth.KindService {
		return false, err
	}
	v, err := s.byRules(ctx, who, permission, objectID)
	if err != nil || v != unsaid {
		return false, err
	}
	return owns(ctx, s.db.DB, who, permission, objectID)
}

// Disown forgets who made an object, in the transaction that deletes it.
func (s *Service) Disown(ctx context.Context, db bun.IDB, tenantID, objectID string) error {
	_, err := db.NewRaw("DELETE FROM ?schema.jet_owner WHERE tenant_id = ? AND object_id = ?", tenantID, objectID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("forget who made the object: %w", err)
	}
	return nil
}

// Owned reports whether objects of a kind have an owner, see [Service.Own].
func Owned(resource string) bool {
	return slices.Contains([]string{"datasource", "query", "workflow", "file", "schedule", "webhook"}, resource)
}

// ownable reports whether whoever made an object has the permission on it.
func ownable(permission auth.Permission) bool {
	_, action, _ := strings.Cut(string(permission), ".")
	return slices.Contains([]string{"read", "update", "delete", "execute"}, action) &&
		Owned(permission.Resource())
}

// owns reports whether the caller has a permission on an object because he made it.
func owns(ctx context.Context, db bun.IDB, who *auth.Principal, permission auth.Permission, objectID string) (bool, error) {
	if !ownable(permission) || !id.Valid(objectID) || !id.Valid(who.UserID) {
		return false, nil
	}
	owned, err := ownedBy(db, who, permission).Where("o.object_id = ?", objectID).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look who made the object: %w", err)
	}
	return owned, nil
}

// ownsSome reports whether the caller has a permission on anything because he made it.
func ownsSome(ctx context.Context, db bun.IDB, who *auth.Principal, permission auth.Permission) (bool, error) {
	if !ownable(permission) || !id.Valid(who.UserID) {
		return false, nil
	}
	owned, err := ownedBy(db, who, permission).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look what the caller made: %w", err)
	}
	return owned, nil
}

func ownedBy(db bun.IDB, who *auth.Principal, permission auth.Permission) *bun.SelectQuery {
	return db.NewSelect().TableExpr("?schema.jet_owner AS o").Column("o.object_id").
		Where("o.tenant_id = ?", who.TenantID).Where("o.user_id = ?", who.UserID).Where("o.resource = ?", permission.Resource())
}
