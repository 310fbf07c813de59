package tenancy

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// Tenant is a workspace with members and objects of its own.
type Tenant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	LogoURL   string    `json:"logoUrl"`   // see Settings; "" = none
	CreatedBy string    `json:"createdBy"` // user id
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Version   int       `json:"version"`

	// SuspendedAt is since when nobody can do anything in it, see [Service.Suspend];
	// nil = it is not.
	SuspendedAt *time.Time `json:"suspendedAt"`
}

// TenantUpdate is what to change of a tenant; nil stays as it is.
type TenantUpdate struct {
	Name    *string // 1 to 100 characters
	Version int     // the version that the change is based on; 0 = whatever it is
}

type tenantRow struct {
	bun.BaseModel `bun:"table:?schema.jet_tenant,alias:t"`

	ID            string    `bun:"id,pk"`
	Name          string    `bun:"name"`
	CreatedBy     string    `bun:"created_by"`
	PolicyVersion int64     `bun:"policy_version"`
	CreatedAt     time.Time `bun:"created_at"`
	UpdatedAt     time.Time `bun:"updated_at"`
	Version       int       `bun:"version"`
	SuspendedAt   time.Time `bun:"suspended_at,nullzero"`
	DeletedAt     time.Time `bun:"deleted_at,nullzero"`
	Limits        string    `bun:"limits"`   // JSON, see Limits
	Settings      string    `bun:"settings"` // JSON, see Settings
}

// Get returns the caller's tenant.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Get(ctx context.Context) (Tenant, error) {
	who, err := s.authorizeTenant(ctx, auth.TenantRead)
	if err != nil {
		return Tenant{}, err
	}
	return selectTenant(ctx, s.db.DB, who.TenantID)
}

// Update changes the caller's tenant.
//
// Errors: Unauthenticated, Forbidden, NotFound, Invalid, Stale.
func (s *Service) Update(ctx context.Context, in TenantUpdate) (Tenant, error) {
	who, err := s.authorizeTenant(ctx, auth.TenantUpdate)
	if err != nil {
		return Tenant{}, err
	}
	var t Tenant
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, who.TenantID); err != nil {
			return err
		}
		if t, err = selectTenant(ctx, tx, who.TenantID); err != nil {
			return err
		}
		if err := checkVersion(in.Version, t.Version); err != nil {
			return err
		}
		before := t.Name
		if in.Name != nil {
			t.Name = *in.Name
		}
		if err := validateName(t.Name); err != nil {
			return err
		}
		t.UpdatedAt, t.Version = s.clock.Now(), t.Version+1
		if err := updateTenant(ctx, tx, t); err != nil {
			return err
		}
		return s.audit(ctx, tx, tenantEntry(t.ID, string(auth.TenantUpdate), map[string]any{"name": before}, map[string]any{"name": t.Name}))
	})
	if err != nil {
		return Tenant{}, err
	}
	return t, nil
}

// checkVersion compares the version that a change of the tenant is based on, 0 = any,
// with the present one.
func checkVersion(based, now int) error {
	if based == 0 || based == now {
		return nil
	}
	return problem.New(problem.Stale, "stale", "the tenant was changed since it was read").Fix("read it again and repeat the change")
}

// authorizeTenant asks for a right to the tenant of the call itself.
func (s *Service) authorizeTenant(ctx context.Context, permission auth.Permission) (*auth.Principal, error) {
	objectID := ""
	if who := auth.FromContext(ctx); who != nil {
		objectID = who.TenantID
	}
	return s.authorize(ctx, permission, objectID)
}

func validateName(name string) error {
	const most = 100
	var f problem.Faults
	f.Check(name != "" && name == strings.TrimSpace(name), "name", "must not be empty, begin or end with a space")
	f.Check(utf8.RuneCountInString(name) <= most, "name", fmt.Sprintf("must have at most %d characters", most))
	f.Check(text.OneLine(name), "name", "must be readable text on one line")
	return f.Err("tenant_invalid", "the tenant is not valid")
}

// lockTenant is NotFound for a tenant that was deleted: nothing comes into it any
// more.
func (s *Service) lockTenant(ctx context.Context, tx bun.IDB, tenantID string) error {
	var found string
	err := tx.NewRaw("SELECT id FROM ?schema.jet_tenant WHERE id = ? AND deleted_at IS NULL "+s.db.Dialect.ForUpdate(), tenantID).Scan(ctx, &found)
	if store.IsMissing(err) {
		return problem.Missing("tenant")
	}
	if err != nil {
		return fmt.Errorf("lock the tenant: %w", err)
	}
	return nil
}

func selectTenant(ctx context.Context, db bun.IDB, tenantID string) (Tenant, error) {
	row := new(tenantRow)
	err := db.NewSelect().Model(row).Where("t.id = ?", tenantID).Where("t.deleted_at IS NULL").Scan(ctx)
	if store.IsMissing(err) {
		return Tenant{}, problem.Missing("tenant")
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("read the tenant: %w", err)
	}
	return row.tenant()
}

func updateTenant(ctx context.Context, db bun.IDB, t Tenant) error {
	_, err := db.NewUpdate().Model((*tenantRow)(nil)).
		Set("name = ?", t.Name).Set("updated_at = ?", t.UpdatedAt).Set("version = ?", t.Version).
		Where("t.id = ?", t.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write the tenant: %w", err)
	}
	return nil
}

func (r *tenantRow) tenant() (Tenant, error) {
	settings, err := r.settings()
	if err != nil {
		return Tenant{}, err
	}
	t := Tenant{
		ID: r.ID, Name: r.Name, LogoURL: settings.LogoURL, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}
	if !r.SuspendedAt.IsZero() {
		since := r.SuspendedAt.UTC()
		t.SuspendedAt = &since
	}
	return t, nil
}
