package upload

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// eraseBatch is how many files are removed between two looks at what is left.
const eraseBatch = 100

// Erase removes all files of a tenant that is deleted, with their content, also
// those whose upload did not end. When it is ended in between, the next call goes on.
// It is for who deletes tenants, and asks for no right.
func (s *Service) Erase(ctx context.Context, tenantID string) error {
	for {
		var ids []string
		err := s.cfg.DB.NewSelect().Model((*fileRow)(nil)).Column("id").Where("tenant_id = ?", tenantID).OrderExpr("id").Limit(eraseBatch).Scan(ctx, &ids)
		if err != nil {
			return fmt.Errorf("list the files: %w", err)
		}
		for _, id := range ids {
			if err := s.eraseFile(ctx, tenantID, id); err != nil {
				return fmt.Errorf("remove a file: %w", err)
			}
		}
		if len(ids) < eraseBatch {
			return nil
		}
	}
}

// eraseFile removes the content first: without its row nobody would look for it.
func (s *Service) eraseFile(ctx context.Context, tenantID, id string) error {
	if err := s.cfg.Blobs.Delete(ctx, tenantID, id); err != nil {
		return err
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewDelete().Model((*fileRow)(nil)).Where("tenant_id = ?", tenantID).Where("id = ?", id).Exec(ctx)
		return err
	})
}
