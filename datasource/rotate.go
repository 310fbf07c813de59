package datasource

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
)

const rotateBatch = 100

// RotateSecrets seals the secrets of all tenants again that were sealed with
// another than the first key, while everything goes on. It can be stopped and
// begun again; datasources that change meanwhile seal their secrets themselves.
// It is for the host: no right is asked for.
func (s *Service) RotateSecrets(ctx context.Context) (secret.Rotation, error) {
	var all secret.Rotation
	for after := ""; ; {
		var rows []*datasourceRow
		q := s.db.NewSelect().Model(&rows).Where("d.secrets <> '{}' /* across tenants: the keys are those of all */").Order("d.id").Limit(rotateBatch)
		if after != "" {
			q = q.Where("d.id > ?", after)
		}
		if err := q.Scan(ctx); err != nil || len(rows) == 0 {
			return all, err
		}
		after = rows[len(rows)-1].ID
		slices.SortStableFunc(rows, func(a, b *datasourceRow) int { return strings.Compare(a.TenantID, b.TenantID) })
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].TenantID == rows[0].TenantID {
				n++
			}
			done, err := s.rotate(ctx, rows[:n])
			if all.Add(done); err != nil {
				return all, err
			}
			rows = rows[n:]
		}
	}
}

// rotate seals the secrets of datasources of one tenant, with one record.
func (s *Service) rotate(ctx context.Context, rows []*datasourceRow) (done secret.Rotation, err error) {
	tenantID := rows[0].TenantID
	ctx = auth.NewContext(ctx, auth.ServicePrincipal(tenantID, "keys"))
	var fresh []*datasourceRow
	for _, row := range rows {
		n, err := s.reseal(ctx, row)
		if err != nil {
			return secret.Rotation{}, err
		}
		if done.Add(n); n.Resealed > 0 {
			fresh = append(fresh, row)
		}
	}
	if len(fresh) == 0 {
		return done, nil
	}
	return done, s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		names := make([]string, 0, len(fresh))
		for _, row := range fresh {
			// One that was changed meanwhile has been sealed by that.
			n, err := store.Changed(tx.NewUpdate().Model(row).Column("secrets").WherePK().
				Where("tenant_id = ?", tenantID).Where("version = ?", row.Version).Exec(ctx))
			if err != nil {
				return err
			}
			if n > 0 {
				names = append(names, row.ID)
			}
		}
		if len(names) == 0 {
			return nil
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: tenantID, Action: "datasource.rotateKeys", ObjectType: "datasource", Detail: map[string]any{"datasources": names},
		})
	})
}

// reseal seals the secrets of a row that were sealed with another than the first
// key.
func (s *Service) reseal(ctx context.Context, row *datasourceRow) (done secret.Rotation, err error) {
	sealed, err := row.sealed()
	if err != nil {
		return done, err
	}
	for name, value := range sealed {
		if s.cfg.Keys.Current(value) {
			continue
		}
		again, err := s.cfg.Keys.Reseal(value, place(row, name))
		if err != nil {
			s.cfg.Logger.ErrorContext(ctx, "datasource: no key opens a secret", "datasource", row.ID, "secret", name, "error", err)
			done.Unreadable++
			continue
		}
		sealed[name] = again
		done.Resealed++
	}
	text, err := json.Marshal(sealed)
	row.Secrets = string(text)
	return done, err
}
