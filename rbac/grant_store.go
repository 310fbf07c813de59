package rbac

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// everyObject is the object_id of a grant on all objects.
const everyObject = "00000000-0000-0000-0000-000000000000"

type grantRow struct {
	bun.BaseModel `bun:"table:?schema.jet_grant,alias:g"`

	ID         string    `bun:"id,pk"`
	TenantID   string    `bun:"tenant_id"`
	RoleID     string    `bun:"role_id,nullzero"` // or UserID
	UserID     string    `bun:"user_id,nullzero"`
	Permission string    `bun:"permission"`
	ObjectID   string    `bun:"object_id"`
	Effect     string    `bun:"effect"`
	CreatedBy  string    `bun:"created_by"`
	CreatedAt  time.Time `bun:"created_at"`
}

func (r *grantRow) grant() Grant {
	return Grant{
		ID: r.ID, Permission: auth.Permission(r.Permission), ObjectID: r.object(), Effect: Effect(r.Effect),
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(),
	}
}

func (r *grantRow) object() string {
	if r.ObjectID == everyObject {
		return ""
	}
	return r.ObjectID
}

func (r *grantRow) subject() string {
	if r.RoleID == "" {
		return userSubject(r.UserID)
	}
	return r.RoleID
}

// selectGrantRules reads the grants of a tenant as rules. Texts that many of them
// share are kept once.
func selectGrantRules(ctx context.Context, db bun.IDB, tenantID string) ([]rule, error) {
	rows, err := db.QueryContext(ctx, db.NewSelect().Model((*grantRow)(nil)).
		Column("role_id", "user_id", "permission", "object_id", "effect").Where("g.tenant_id = ?", tenantID).String())
	if err != nil {
		return nil, fmt.Errorf("read the grants: %w", err)
	}
	defer rows.Close()
	var rules []rule
	subjects, sets := map[string]string{}, map[string][]auth.Permission{}
	for rows.Next() {
		var roleID, userID *string
		var permission, effect string
		row := grantRow{}
		if err := rows.Scan(&roleID, &userID, &permission, &row.ObjectID, &effect); err != nil {
			return nil, fmt.Errorf("read a grant: %w", err)
		}
		if roleID != nil {
			row.RoleID = *roleID
		} else if userID != nil {
			row.UserID = *userID
		}
		subject := row.subject()
		if _, known := subjects[subject]; !known {
			subjects[subject] = subject
		}
		if _, known := sets[permission]; !known {
			sets[permission] = []auth.Permission{auth.Permission(permission)}
		}
		r := rule{subject: subjects[subject], permissions: sets[permission], deny: effect == string(Deny), granted: true}
		if objectID := row.object(); objectID != "" {
			r.object = one(objectID)
		}
		rules = append(rules, r)
	}
	return rules, rows.Err()
}

// grantsOf reads all grants of a role or a member.
func grantsOf(ctx context.Context, db bun.IDB, tenantID string, to grantee) ([]grantRow, error) {
	var rows []grantRow
	q := db.NewSelect().Model(&rows).Where("g.tenant_id = ?", tenantID).OrderExpr("g.id")
	if to.roleID != "" {
		q = q.Where("g.role_id = ?", to.roleID)
	} else {
		q = q.Where("g.user_id = ?", to.userID)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("read the grants: %w", err)
	}
	return rows, nil
}

// lockMember returns the version of a member, whose row is locked.
func lockMember(ctx context.Context, tx bun.IDB, d store.Dialect, tenantID, userID string) (version int, err error) {
	if !id.Valid(userID) {
		return 0, problem.Missing("member")
	}
	err = tx.NewRaw("SELECT version FROM ?schema.jet_member WHERE tenant_id = ? AND user_id = ? "+d.ForUpdate(), tenantID, userID).Scan(ctx, &version)
	if store.IsMissing(err) {
		return 0, problem.Missing("member")
	}
	if err != nil {
		return 0, fmt.Errorf("lock the member: %w", err)
	}
	return version, nil
}

func raiseMember(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	_, err := tx.NewRaw("UPDATE ?schema.jet_member SET version = version + 1 WHERE tenant_id = ? AND user_id = ?", tenantID, userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write the member: %w", err)
	}
	return nil
}

// batch is how many rows one statement writes.
const batch = 500

func deleteGrants(ctx context.Context, db bun.IDB, tenantID string, rows []grantRow) error {
	for some := range slices.Chunk(rows, batch) {
		ids := make([]string, len(some))
		for i := range some {
			ids[i] = some[i].ID
		}
		_, err := db.NewDelete().Model((*grantRow)(nil)).Where("g.tenant_id = ?", tenantID).Where("g.id IN (?)", bun.List(ids)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("delete grants: %w", err)
		}
	}
	return nil
}

// insertGrants is a Conflict when the tenant then has too many.
func insertGrants(ctx context.Context, db bun.IDB, tenantID string, rows []grantRow) error {
	for some := range slices.Chunk(rows, batch) {
		if _, err := db.NewInsert().Model(&some).Exec(ctx); err != nil {
			return fmt.Errorf("write grants: %w", err)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	n, err := db.NewSelect().Model((*grantRow)(nil)).Where("g.tenant_id = ?", tenantID).Count(ctx)
	if err != nil {
		return fmt.Errorf("count the grants: %w", err)
	}
	if n > maxTenantGrants {
		return problem.Newf(problem.Conflict, "grant_limit", "the roles of a tenant have at most %d grants together", maxTenantGrants).
			Fix("allow a role the kind as a whole instead of many single objects")
	}
	return nil
}
