package jetadmin

import (
	"context"
	"database/sql"
)

// Migrate brings the schema up to date, all of it or nothing. Processes that do
// so at the same time wait for each other. Without [Config.DB] there is no need
// to call it: Start does.
func (a *App) Migrate(ctx context.Context) error { return a.db.Migrate(ctx) }

// MigrateTx is [App.Migrate] inside a transaction of the host, for hosts that
// run all their migrations with one tool.
func (a *App) MigrateTx(ctx context.Context, tx *sql.Tx) error { return a.db.MigrateTx(ctx, tx) }

// MigrateDryRun returns the SQL that [App.Migrate] would run now, and "" when
// the schema is current. It changes nothing.
func (a *App) MigrateDryRun(ctx context.Context) (string, error) { return a.db.DryRun(ctx) }
