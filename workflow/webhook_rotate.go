package workflow

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
)

const rotateBatch = 100

// RotateSecrets seals the secrets of all tenants' webhooks again that were sealed
// with another than the first of [Config.Keys], while everything goes on. It can
// be stopped and begun again; webhooks that change meanwhile seal their secrets
// themselves. It is for the host: no right is asked for.
func (s *Service) RotateSecrets(ctx context.Context) (secret.Rotation, error) {
	var all secret.Rotation
	if s.cfg.Keys == nil {
		return all, nil
	}
	for after := ""; ; {
		var rows []*webhookRow
		q := s.cfg.DB.NewSelect().Model(&rows).Where("(h.secret IS NOT NULL OR h.previous_secret IS NOT NULL) /* across tenants: the keys are those of all */").Order("h.id").Limit(rotateBatch)
		if after != "" {
			q = q.Where("h.id > ?", after)
		}
		if err := q.Scan(ctx); err != nil || len(rows) == 0 {
			return all, err
		}
		for _, row := range rows {
			done, err := s.rotateWebhook(ctx, row)
			if all.Add(done); err != nil {
				return all, err
			}
		}
		after = rows[len(rows)-1].ID
	}
}

func (s *Service) rotateWebhook(ctx context.Context, row *webhookRow) (done secret.Rotation, err error) {
	for column, sealed := range map[string]*string{"secret": row.Secret, "previous_secret": row.PreviousSecret} {
		if sealed == nil || s.cfg.Keys.Current(*sealed) {
			continue
		}
		again, err := s.cfg.Keys.Reseal(*sealed, row.place(column))
		if err != nil {
			s.cfg.Logger.ErrorContext(ctx, "workflow: no key opens the secret of a webhook", "webhook", row.ID, "secret", column, "error", err)
			done.Unreadable++
			continue
		}
		*sealed = again
		done.Resealed++
	}
	if done.Resealed == 0 {
		return done, nil
	}
	ctx = auth.NewContext(ctx, auth.ServicePrincipal(row.TenantID, "keys"))
	return done, s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		// One that was changed meanwhile has been sealed by that.
		n, err := store.Changed(tx.NewUpdate().Model(row).Column("secret", "previous_secret").WherePK().
			Where("tenant_id = ?", row.TenantID).Where("version = ?", row.Version).Exec(ctx))
		if err != nil || n == 0 {
			return err
		}
		return s.cfg.Audit(ctx, tx, row.entry("webhook.rotateKeys"))
	})
}
