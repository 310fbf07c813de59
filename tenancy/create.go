package tenancy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// NewTenant is a tenant to be made.
type NewTenant struct {
	Name string // 1 to 100 characters; need not be unique

	// Limits and Settings are there from the first moment on, see [Service.SetLimits]
	// and [Service.SetSettings]. They are for the host program: who makes a tenant over
	// HTTP gives a name alone.
	Limits   Limits
	Settings Settings // its Version is not used
}

// Create makes a tenant with the default roles and its first member, the caller,
// as Owner. Every signed-in user may, until he is a member of 100 tenants.
//
// Errors: Unauthenticated; Forbidden for an API key or service; Conflict for a member of
// 100 tenants; Invalid with every fault; what Hooks.BeforeCreate returns.
func (s *Service) Create(ctx context.Context, in NewTenant) (Tenant, error) {
	who, err := auth.Person(ctx)
	if err != nil {
		return Tenant{}, err
	}
	if err := s.roomForTenant(ctx, who.UserID); err != nil {
		return Tenant{}, err
	}
	return s.create(ctx, who.UserID, in)
}

// maxJoined is how many tenants somebody may be a member of who makes one more. Some
// more may get in that are made at the same moment.
const maxJoined = 100

func (s *Service) roomForTenant(ctx context.Context, userID string) error {
	var joined int
	err := s.db.NewRaw("SELECT count(*) FROM ?schema.jet_member /* across tenants: those of one user */ WHERE user_id = ? AND EXISTS (SELECT 1 FROM ?schema.jet_tenant AS t WHERE t.id = tenant_id AND t.deleted_at IS NULL)", userID).Scan(ctx, &joined)
	if err != nil {
		return fmt.Errorf("count the tenants of a user: %w", err)
	}
	if joined >= maxJoined {
		return problem.Newf(problem.Conflict, "too_many_tenants", "you are a member of %d workspaces", joined).
			Fix("delete those that nobody needs, or ask whoever runs the server to make another")
	}
	return nil
}

// CreateFor is [Service.Create] for a host program, which says whose tenant it
// is, and how many he has. It needs no principal.
//
// Errors: Invalid, also for a user who does not exist; what Hooks.BeforeCreate
// returns.
func (s *Service) CreateFor(ctx context.Context, userID string, in NewTenant) (Tenant, error) {
	return s.create(ctx, userID, in)
}

func (s *Service) create(ctx context.Context, userID string, in NewTenant) (Tenant, error) {
	in, err := in.checked()
	if err != nil {
		return Tenant{}, err
	}
	if err := s.hooks.BeforeCreate(ctx, in); err != nil {
		return Tenant{}, err
	}
	now := s.clock.Now()
	t := Tenant{ID: id.New(), Name: in.Name, LogoURL: in.Settings.LogoURL, CreatedBy: userID, CreatedAt: now, UpdatedAt: now, Version: 1}
	if who := auth.FromContext(ctx); who != nil {
		// From here on the call is in the new tenant, whatever tenant it came from.
		ctx = auth.NewContext(ctx, who.InTenant(t.ID, nil))
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return s.found(ctx, tx, t, in) })
	if err != nil {
		return Tenant{}, err
	}
	s.hooks.AfterCreate(ctx, t)
	return t, nil
}

// found writes a tenant with everything that it has from the first moment.
func (s *Service) found(ctx context.Context, tx bun.IDB, t Tenant, in NewTenant) error {
	if known, err := userExists(ctx, tx, t.CreatedBy); err != nil || !known {
		return unknownUser(err)
	}
	row, err := newTenantRow(t, in)
	if err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("write the tenant: %w", err)
	}
	ownerRole, err := s.roles.Seed(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	owner := &memberRow{TenantID: t.ID, UserID: t.CreatedBy, CreatedAt: t.CreatedAt, Version: 1}
	if err := insertMember(ctx, tx, owner); err != nil {
		return err
	}
	if err := insertMemberRoles(ctx, tx, t.ID, t.CreatedBy, []string{ownerRole}); err != nil {
		return err
	}
	return s.audit(ctx, tx, tenantEntry(t.ID, "tenant.create", nil, map[string]any{
		"name": t.Name, "owner": t.CreatedBy, "limits": in.Limits, "settings": in.Settings.state(),
	}))
}

// checked finds everything that is wrong with a new tenant.
func (in NewTenant) checked() (NewTenant, error) {
	var f problem.Faults
	f.Merge("", validateName(in.Name))
	settings, err := in.Settings.checked()
	f.Merge("settings", err)
	in.Settings = settings
	return in, f.Err("tenant_invalid", "the tenant is not valid")
}

func newTenantRow(t Tenant, in NewTenant) (*tenantRow, error) {
	limits, err := json.Marshal(in.Limits)
	if err != nil {
		return nil, err
	}
	settings, err := in.Settings.text()
	return &tenantRow{
		ID: t.ID, Name: t.Name, CreatedBy: t.CreatedBy, PolicyVersion: 1,
		CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt, Version: t.Version, Limits: string(limits), Settings: settings,
	}, err
}

func tenantEntry(tenantID, action string, before, after any) audit.Entry {
	return audit.Entry{TenantID: tenantID, Action: action, ObjectType: "tenant", ObjectID: tenantID, Before: before, After: after}
}

// userExists reports whether there is an account that can still be used.
func userExists(ctx context.Context, db bun.IDB, userID string) (bool, error) {
	if !id.Valid(userID) {
		return false, nil
	}
	var found string
	err := db.NewRaw("SELECT id FROM ?schema.jet_user WHERE id = ? AND NOT disabled", userID).Scan(ctx, &found)
	if store.IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

func unknownUser(err error) error {
	if err != nil {
		return fmt.Errorf("look for the user: %w", err)
	}
	var f problem.Faults
	f.Add("userId", "is not a user")
	return f.Err("user_unknown", "the user does not exist")
}
