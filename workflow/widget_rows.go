package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

type linkRow struct {
	bun.BaseModel `bun:"table:?schema.jet_widget_link,alias:l"`

	ID         string `bun:",pk"`
	TenantID   string
	Widget     string
	Mode       LinkMode
	WorkflowID string `bun:",nullzero"`
	RunID      string
	Owner      string // the actor who made it
	CreatedAt  time.Time
}

func (r *linkRow) view() WidgetLink {
	return WidgetLink{ID: r.ID, Widget: r.Widget, Mode: r.Mode, WorkflowID: r.WorkflowID, RunID: r.RunID, CreatedAt: r.CreatedAt}
}

// TenantOfLink is the tenant of a link, for whoever has to find out where it belongs
// before he can ask whether he may watch it. It reveals nothing else.
func (s *Service) TenantOfLink(ctx context.Context, linkID string) (string, error) {
	return s.tenants.Find(linkID, func() (tenantID string, err error) {
		err = s.cfg.DB.NewRaw("SELECT tenant_id FROM ?schema.jet_widget_link /* across tenants: find the tenant of a link */ WHERE id = ?", linkID).
			Scan(ctx, &tenantID)
		if store.IsMissing(err) {
			err = problem.Missing("widget link")
		}
		return tenantID, err
	})
}

// LinkedRun is the link as whoever may watch it sees it: who made it, and may read its
// run.
func (s *Service) LinkedRun(ctx context.Context, linkID string) (WidgetLink, error) {
	row, err := s.ownLink(ctx, linkID)
	return row.view(), err
}

// ownLink reads a link of the caller, who may read its run.
func (s *Service) ownLink(ctx context.Context, linkID string) (linkRow, error) {
	who := auth.FromContext(ctx)
	if who == nil || who.TenantID == "" {
		return linkRow{}, problem.New(problem.Unauthenticated, "sign_in_required", "this needs a signed-in caller")
	}
	row, err := linkRow{}, error(problem.Missing("widget link"))
	if id.Valid(linkID) {
		row, err = find[linkRow](ctx, s.cfg.DB.DB, who.TenantID, linkID, "widget link", nil)
	}
	if err == nil && row.Owner != who.Actor() {
		row, err = linkRow{}, problem.Missing("widget link")
	}
	if err != nil && !problem.Is(err, problem.NotFound) {
		return linkRow{}, err
	}
	// Whoever may read no run hears that, whether or not there is such a link.
	if _, refused := s.cfg.Authorize(ctx, auth.RunRead, row.RunID); refused != nil {
		return linkRow{}, refused
	}
	return row, err
}

// insertLink stores a link, and ends the oldest of its owner when he has too many.
func insertLink(ctx context.Context, tx bun.IDB, row *linkRow) error {
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewRaw(`DELETE FROM ?schema.jet_widget_link WHERE tenant_id = ? AND owner = ? AND id < (
		SELECT l.id FROM ?schema.jet_widget_link AS l WHERE l.tenant_id = ? AND l.owner = ? ORDER BY l.id DESC LIMIT 1 OFFSET ?)`,
		row.TenantID, row.Owner, row.TenantID, row.Owner, maxLinks-1).Exec(ctx)
	return err
}

// deleteLink removes a link of an owner, none for "", and reports whether it was there.
func deleteLink(ctx context.Context, tx bun.IDB, tenantID, owner, linkID string) (bool, error) {
	if linkID == "" {
		return false, nil
	}
	result, err := tx.NewDelete().Model((*linkRow)(nil)).Where("tenant_id = ?", tenantID).Where("owner = ?", owner).Where("id = ?", linkID).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
