package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// RunSettings are how a tenant's runs are kept.
type RunSettings struct {
	RetentionDays int `json:"retentionDays" doc:"for how long a run is kept after its end; 0 = for ever"`
	Version       int `json:"version" doc:"rises by one with every change; 0 = never changed, the installation decides"`
}

// RunSettingsUpdate changes how a tenant's runs are kept.
type RunSettingsUpdate struct {
	RetentionDays int `json:"retentionDays" minimum:"1" maximum:"3650" doc:"for how long a run is kept after its end, with its nodes, outputs and logs"`
	Version       int `json:"version,omitempty" doc:"the version that was read; another is refused"`
}

type runSettingsRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_settings,alias:rs"`

	TenantID      string `bun:",pk"`
	RetentionDays int
	Version       int
}

// RunSettings reads how the tenant's runs are kept.
func (s *Service) RunSettings(ctx context.Context) (RunSettings, error) {
	who, err := s.cfg.Authorize(ctx, auth.TenantRead, "")
	if err != nil {
		return RunSettings{}, err
	}
	row, err := readRunSettings(ctx, s.cfg.DB.DB, who.TenantID)
	if err != nil {
		return RunSettings{}, err
	}
	if row.Version == 0 {
		row.RetentionDays = max(int(s.cfg.Retention/(24*time.Hour)), 0)
	}
	return RunSettings{RetentionDays: row.RetentionDays, Version: row.Version}, nil
}

// UpdateRunSettings changes how the tenant's runs are kept. What is older than a
// shorter retention is deleted within some hours, what is deleted does not come
// back. It needs tenant.update. Errors: Invalid, Stale.
func (s *Service) UpdateRunSettings(ctx context.Context, in RunSettingsUpdate) (RunSettings, error) {
	who, err := s.cfg.Authorize(ctx, auth.TenantUpdate, "")
	if err != nil {
		return RunSettings{}, err
	}
	var f problem.Faults
	f.Check(in.RetentionDays >= 1 && in.RetentionDays <= 3650, "retentionDays", "must be between 1 and 3650")
	if err := f.Err("run_settings_invalid", "the settings are not valid"); err != nil {
		return RunSettings{}, err
	}
	var row runSettingsRow
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = readRunSettings(ctx, tx, who.TenantID); err != nil {
			return err
		}
		if in.Version != 0 && in.Version != row.Version {
			return problem.New(problem.Stale, "version_stale", "the settings were changed since they were read").Fix("read them again and repeat the change")
		}
		read, before := row.Version, row.state()
		row = runSettingsRow{TenantID: who.TenantID, RetentionDays: in.RetentionDays, Version: read + 1}
		n, err := store.Changed(tx.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
			Set("retention_days = EXCLUDED.retention_days").Set("version = EXCLUDED.version").Where("rs.version = ?", read).Exec(ctx))
		if err == nil && n == 0 {
			err = problem.New(problem.Stale, "version_stale", "the settings were changed at the same time").Fix("read them again and repeat the change")
		}
		if err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: "run.settings", ObjectType: "tenant", ObjectID: who.TenantID, Before: before, After: row.state(),
		})
	})
	return RunSettings{RetentionDays: row.RetentionDays, Version: row.Version}, err
}

// state is what the settings say, for the record: nothing while they are the
// host's.
func (r runSettingsRow) state() map[string]any {
	if r.Version == 0 {
		return nil
	}
	return map[string]any{"retentionDays": r.RetentionDays}
}

// readRunSettings reads a tenant's own settings; without any, the version is 0.
func readRunSettings(ctx context.Context, db bun.IDB, tenantID string) (runSettingsRow, error) {
	row := runSettingsRow{TenantID: tenantID}
	err := db.NewSelect().Model(&row).Where("tenant_id = ?", tenantID).Scan(ctx)
	if store.IsMissing(err) {
		return runSettingsRow{TenantID: tenantID}, nil
	}
	return row, err
}
