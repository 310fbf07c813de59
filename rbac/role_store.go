package rbac

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// roleRow is a role as it is stored. The permissions of a default role are not:
// see defaultRole.
type roleRow struct {
	bun.BaseModel `bun:"table:?schema.jet_role,alias:r"`

	ID          string    `bun:"id,pk"`
	TenantID    string    `bun:"tenant_id"`
	Name        string    `bun:"name"`
	Description string    `bun:"description"`
	Builtin     string    `bun:"builtin"`
	Permissions string    `bun:"permissions"` // a JSON array
	CreatedAt   time.Time `bun:"created_at"`
	UpdatedAt   time.Time `bun:"updated_at"`
	Version     int       `bun:"version"`
}

// selectVersion is Forbidden for a tenant that is suspended: nobody has a right in
// it. One that was deleted is not there.
func selectVersion(ctx context.Context, db bun.IDB, tenantID string) (int64, error) {
	var version int64
	var suspended bool
	err := db.NewRaw("SELECT policy_version, suspended_at IS NOT NULL FROM ?schema.jet_tenant WHERE id = ? AND deleted_at IS NULL", tenantID).Scan(ctx, &version, &suspended)
	if store.IsMissing(err) {
		return 0, problem.Missing("tenant")
	}
	if err == nil && suspended {
		err = auth.TenantSuspended()
	}
	return version, err
}

func raiseVersion(ctx context.Context, db bun.IDB, tenantID string) error {
	_, err := db.NewRaw("UPDATE ?schema.jet_tenant SET policy_version = policy_version + 1 WHERE id = ?", tenantID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("raise the version of the policy: %w", err)
	}
	return nil
}

// selectRoles reads what the roles of a tenant give.
func selectRoles(ctx context.Context, db bun.IDB, tenantID string) ([]roleRow, error) {
	var rows []roleRow
	err := db.NewSelect().Model(&rows).Column("id", "builtin", "permissions").Where("r.tenant_id = ?", tenantID).Scan(ctx)
	return rows, err
}

// given is what a role gives.
func (r *roleRow) given() ([]auth.Permission, error) {
	if r.Builtin != "" {
		return builtinPermissions(r.Builtin), nil
	}
	permissions := []auth.Permission{}
	if err := json.Unmarshal([]byte(r.Permissions), &permissions); err != nil {
		return nil, fmt.Errorf("read the permissions of role %s: %w", r.ID, err)
	}
	return permissions, nil
}

func selectRole(ctx context.Context, db bun.IDB, tenantID, id string) (*roleRow, error) {
	row := new(roleRow)
	err := db.NewSelect().Model(row).Where("r.tenant_id = ?", tenantID).Where("r.id = ?", id).Scan(ctx)
	if store.IsMissing(err) {
		return nil, problem.Missing("role")
	}
	if err != nil {
		return nil, fmt.Errorf("read the role: %w", err)
	}
	return row, nil
}

func insertRole(ctx context.Context, db bun.IDB, tenantID string, role Role) error {
	n, err := db.NewSelect().Model((*roleRow)(nil)).Where("r.tenant_id = ?", tenantID).Count(ctx)
	if err != nil {
		return fmt.Errorf("count the roles: %w", err)
	}
	if n >= maxRoles {
		return problem.Newf(problem.Conflict, "role_limit", "a tenant has at most %d roles", maxRoles)
	}
	_, err = db.NewInsert().Model(rowOf(tenantID, role)).Exec(ctx)
	return taken(err)
}

func updateRole(ctx context.Context, db bun.IDB, tenantID string, role Role) error {
	_, err := db.NewUpdate().Model(rowOf(tenantID, role)).
		Column("name", "description", "permissions", "updated_at", "version").
		Where("r.tenant_id = ?", tenantID).Where("r.id = ?", role.ID).Exec(ctx)
	return taken(err)
}

// raiseRole notes that something which belongs to a role was changed.
func raiseRole(ctx context.Context, db bun.IDB, tenantID string, role Role) error {
	_, err := db.NewUpdate().Model((*roleRow)(nil)).Set("version = ?", role.Version).Set("updated_at = ?", role.UpdatedAt).
		Where("r.tenant_id = ?", tenantID).Where("r.id = ?", role.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write the role: %w", err)
	}
	return nil
}

func deleteRole(ctx context.Context, db bun.IDB, tenantID, roleID string) error {
	_, err := db.NewDelete().Model((*roleRow)(nil)).Where("r.tenant_id = ?", tenantID).Where("r.id = ?", roleID).Exec(ctx)
	if store.IsForeignKey(err) {
		return problem.New(problem.Conflict, "role_in_use", "the role is in use").
			Fix("take the role from its members first").Because(err)
	}
	if err != nil {
		return fmt.Errorf("delete the role: %w", err)
	}
	return nil
}

func taken(err error) error {
	if store.IsUnique(err) {
		return problem.New(problem.Conflict, "role_name_taken", "another role has this name").Because(err)
	}
	if err != nil {
		return fmt.Errorf("write the role: %w", err)
	}
	return nil
}

func rowOf(tenantID string, role Role) *roleRow {
	permissions, err := json.Marshal(role.Permissions)
	if err != nil {
		panic(err) // strings always marshal
	}
	return &roleRow{
		ID: role.ID, TenantID: tenantID, Name: role.Name, Description: role.Description, Builtin: role.Builtin,
		Permissions: string(permissions), CreatedAt: role.CreatedAt, UpdatedAt: role.UpdatedAt, Version: role.Version,
	}
}

func (r *roleRow) role() (Role, error) {
	permissions, err := r.given()
	if err != nil {
		return Role{}, err
	}
	return Role{
		ID:          r.ID,
		Name:        r.Name,
		Description: r.Description,
		Builtin:     r.Builtin,
		Permissions: permissions,
		CreatedAt:   r.CreatedAt.UTC(),
		UpdatedAt:   r.UpdatedAt.UTC(),
		Version:     r.Version,
	}, nil
}
